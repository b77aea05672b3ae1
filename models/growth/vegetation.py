"""Signals from indices: vegetation health, leaf water, dates of the season."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.growth.signals import Level, Signal, SignalStatus, compared, missing
from models.reasons import Reason

__all__ = [
    "VHI_CUTS",
    "phenology_signals",
    "temperature_condition",
    "vegetation_health",
    "vhi_signal",
    "water_index_signal",
]

Float = NDArray[np.float64]

# Below 40 Kogan speaks of drought stress; 30 is the next of his steps down.
VHI_CUTS: Final = (40.0, 30.0)

_DATES: Final = {
    "sos": Reason("start of season (SOS)", "生长始期（SOS）"),
    "pos": Reason("peak of season (POS)", "生长峰期（POS）"),
    "eos": Reason("end of season (EOS)", "生长末期（EOS）"),
}

# A peak nearer than this to the last dekad may still move, days.
_UNSETTLED: Final = 15.0


def temperature_condition(current: Float, past: Float) -> Float:
    """TCI: 100 (max - T) / (max - min) of land surface temperature.

    Kogan 1995, doi:10.1016/0273-1177(95)00079-T. Extremes are of the past years alone;
    below 0 or above 100 the surface is hotter or cooler than in any of them.

    Parameters
    ----------
    current : float64 (...)
        Land surface temperature, any unit; NaN where not known.
    past : float64 (year, ...)

    Returns
    -------
    float64 (...), %; NaN where fewer than two past years are known or do not differ.
    """
    # The extremes of a single year are one number.
    known = np.isfinite(past).sum(axis=0) > 1
    low = np.fmin.reduce(past, axis=0, initial=np.nan)
    high = np.fmax.reduce(past, axis=0, initial=np.nan)
    result = np.full(np.shape(current), np.nan)
    np.divide(
        100 * (high - current), high - low, out=result, where=known & (high > low)
    )
    return result


def vegetation_health(
    vci: Float | float, tci: Float | float, *, weight: float = 0.5
) -> Float:
    """VHI: weight * VCI + (1 - weight) * TCI, %; NaN where one of them is.

    Kogan 1997, Bull. Am. Meteorol. Soc. 78:621; he takes one half each.
    """
    return np.asarray(weight * np.asarray(vci) + (1 - weight) * np.asarray(tci))


def vhi_signal(vci: float, tci: float) -> Signal:
    """Signal of vegetation health; without surface temperature there is none."""
    signal = Signal(
        key="vhi",
        name=Reason("vegetation health index", "植被健康指数（VHI）"),
        unit="%",
    )
    # Air is no stand-in: a dry leaf warms while the air around it does not.
    if not math.isfinite(tci):
        gap = Reason(
            "no land surface temperature in the archive; air temperature is not taken "
            "for it",
            "档案中没有地表温度，不以气温代替",
        )
        return missing(signal, gap)
    value = float(vegetation_health(vci, tci))
    if not math.isfinite(value):
        return missing(signal, Reason("no vegetation condition", "植被状态指数缺失"))
    level = Level.WARNING if value < VHI_CUTS[1] else Level.NONE
    if VHI_CUTS[1] <= value < VHI_CUTS[0]:
        level = Level.WATCH
    return replace(signal, value=value, level=level)


def water_index_signal(
    value: float, past: Sequence[float], *, min_years: int, gap: Reason | None = None
) -> Signal:
    """Signal of leaf and soil water (LSWI) against past years; `gap` says why none."""
    signal = Signal(
        key="lswi",
        name=Reason("land surface water index", "地表水分指数（LSWI）"),
        unit="1",
    )
    if gap is not None:
        return missing(signal, gap)
    return compared(signal, value, past, alarm="both", min_years=min_years)


def phenology_signals(
    dates: Sequence[str],
    current: Float,
    past: Float,
    *,
    last: float,
    min_years: int,
) -> list[Signal]:
    """Compare the dates of a season with past years: later is positive.

    Past seasons must be cut at the same day as this one: what is seen of a season
    until July makes another start than the whole of it.

    Parameters
    ----------
    dates
        Names, of sos, pos and eos.
    current : float64 (date,)
        Days since the start of the window; NaN where not known.
    past : float64 (year, date)
    last
        Day of the last dekad that was seen: a peak or end near it is not settled.
    min_years
        Past years a normal needs.
    """
    found = []
    for position, name in enumerate(dates):
        signal = Signal(key=name, name=_DATES[name], unit="d")
        value = float(current[position])
        # Negated, so that NaN is not settled either.
        if name != "sos" and not value < last - _UNSETTLED:
            gap = Reason("not reached yet, or not settled", "尚未到达或尚未确定")
            found.append(missing(signal, gap))
            continue
        told = compared(
            signal, value, past[:, position].tolist(), alarm="both", min_years=min_years
        )
        if told.status is SignalStatus.MISSING:
            gap = Reason("no season was found this year", "今年未识别出生长季")
            told = missing(signal, gap)
        found.append(told)
    return found
