"""Drought and wetness of a season from rain and the evaporation that heat asks for."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.growth.signals import (
    Level,
    Signal,
    SignalStatus,
    compared,
    counted,
    missing,
)
from models.growth.weather import PlaceWeather
from models.reasons import Reason

__all__ = [
    "SPEI_CUTS",
    "hargreaves",
    "standardised_balance",
    "water_signals",
]

# Moderate and severe of McKee et al. 1993, whose classes SPEI took over.
SPEI_CUTS: Final = (1.0, 1.5)

# Years that a fitted distribution should have; WMO 1090 asks for 30 for SPI.
_ADVISED_YEARS: Final = 30

# Days to either side of the date whose balances are fitted together.
_NEAR: Final = 10

# Probabilities beyond these are more than so few years can tell: SPEI within ±3.
_SURE: Final = 0.00135

# The 24-hour class of heavy rain 暴雨 in GB/T 28592-2012 begins here, mm.
_HEAVY: Final = 50.0
_DRY: Final = 1.0

_DRY_DAYS: Final = (15.0, 20.0)
_WET_DAYS: Final = (1.0, 2.0)


def hargreaves(weather: PlaceWeather) -> pd.Series:
    """Compute reference evapotranspiration by Hargreaves (FAO-56 eq. 52), by pyet.

    Returns
    -------
    Series of float64 on the days of `weather`, mm a day; NaN without temperatures.
    """
    import pyet

    # The formula lives on the range of a day: one temperature alone has none.
    known = weather.daily[["tmin", "tmax"]].dropna()
    if known.empty:
        return pd.Series(np.nan, weather.daily.index)
    mean = (known["tmin"] + known["tmax"]) / 2
    latitude = math.radians(weather.latitude)
    et0 = pyet.hargreaves(mean, known["tmax"], known["tmin"], latitude)
    series: pd.Series = et0.reindex(weather.daily.index)
    return series


def standardised_balance(
    current: float, past: NDArray[np.float64]
) -> tuple[float, bool]:
    """SPEI of one balance of rain and evaporation against past ones.

    Vicente-Serrano et al. 2010, doi:10.1175/2009JCLI2909.1: a log-logistic
    distribution fitted to the past, here by the package `spei`, and its probability as
    a standard normal deviate.

    Parameters
    ----------
    current
        mm.
    past
        mm, of past years alone; finite.

    Returns
    -------
    value : float
        Cut at -3 and 3; NaN where no distribution can be fitted.
    cut : bool
        Whether it was cut: the balance is beyond what the past can tell.
    """
    from scipy.stats import fisk
    from spei.dist import Dist

    if len(past) < 3 or np.ptp(past) == 0:
        return math.nan, False
    try:
        # The fit tries parameters that overflow on its way to those that do not.
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)
            window = pd.Series(np.sort(past))
            fitted = Dist(data=pd.Series([current]), dist=fisk, data_window=window)
            chance = float(fitted.cdf().iloc[0])
    except (ValueError, RuntimeError, FloatingPointError):
        return math.nan, False
    return _deviate(chance)


def _deviate(chance: float) -> tuple[float, bool]:
    from scipy.stats import norm

    if not math.isfinite(chance):
        return math.nan, False
    # Further out the tail of a fit to twenty years is a guess.
    within = min(max(chance, _SURE), 1 - _SURE)
    return float(norm.ppf(within)), within != chance


def water_signals(
    weather: PlaceWeather, *, day: date, past_years: Sequence[int], min_years: int
) -> list[Signal]:
    """Compute the signals of drought and wetness up to a day.

    Parameters
    ----------
    weather, day, past_years, min_years
        As of `models.growth.temperature.temperature_signals`.

    Returns
    -------
    list of Signal
        rain_30, rain_season: mm in 30 days and since 1 April; spei_30, spei_90:
        standardised balance of rain less Hargreaves evaporation; dry_spell: longest
        run of days below 1 mm in 30 days; heavy_rain: days of 50 mm or more in them.
    """
    years = [day.year, *past_years]
    recent = [_back(day, year, 30) for year in years]
    season = [(date(last.year, 4, 1), last) for _, last in recent]
    rain = [weather.total(_rain, window) for window in recent]
    whole = [weather.total(_rain, window) for window in season]
    balance = _balance(weather)
    return [
        compared(_RAIN_30, rain[0], rain[1:], alarm="both", min_years=min_years),
        compared(_RAIN, whole[0], whole[1:], alarm="both", min_years=min_years),
        *(_spei(balance, day, past_years, length, min_years) for length in (30, 90)),
        *_spells(weather.part(recent[0])["precipitation"]),
    ]


_RAIN_30 = Signal(
    key="rain_30", name=Reason("rain of the last 30 days", "近30天降水量"), unit="mm"
)
_RAIN = Signal(
    key="rain_season",
    name=Reason("rain since 1 April", "4月1日以来降水量"),
    unit="mm",
)


def _rain(days: pd.DataFrame) -> pd.Series:
    return days["precipitation"]


def _back(day: date, year: int, length: int) -> tuple[date, date]:
    last = date(year, day.month, 28 if (day.month, day.day) == (2, 29) else day.day)
    return last - timedelta(days=length - 1), last


def _balance(weather: PlaceWeather) -> pd.Series:
    return weather.daily["precipitation"] - hargreaves(weather)


def _spei(
    balance: pd.Series,
    day: date,
    past_years: Sequence[int],
    length: int,
    min_years: int,
) -> Signal:
    signal = Signal(
        key=f"spei_{length}",
        name=Reason(f"SPEI of {length} days", f"{length}天标准化降水蒸散指数（SPEI）"),
        unit="1",
    )
    # Every day counts: part of a sum is not a smaller sum.
    sums = balance.rolling(length, min_periods=length).sum()
    current = float(sums.get(pd.Timestamp(day), math.nan))
    if not math.isfinite(current):
        return missing(signal, Reason("days are missing this year", "今年资料有缺测日"))
    # One balance a year is too few for three parameters; those of near days are of
    # the same climate.
    near = {year: _around(sums, day, year) for year in past_years}
    known = [year for year, values in near.items() if len(values)]
    if len(known) < max(min_years, 2):
        few = Reason(
            f"{len(known)} of the {min_years} past years needed are known",
            f"往年资料仅{len(known)}年，至少需要{min_years}年",
        )
        return replace(missing(signal, few), years=len(known))
    past = np.concatenate([near[year] for year in known])
    value, cut = standardised_balance(current, past)
    return _told(replace(signal, years=len(known)), value, cut=cut)


def _around(sums: pd.Series, day: date, year: int) -> NDArray[np.float64]:
    """Balances of a past year on the days near the date that are known."""
    first, last = _back(day, year, 1)
    span = timedelta(days=_NEAR)
    near = sums.loc[pd.Timestamp(first - span) : pd.Timestamp(last + span)]
    return near.dropna().to_numpy(float)


def _told(signal: Signal, value: float, *, cut: bool) -> Signal:
    if not math.isfinite(value):
        return missing(signal, Reason("no distribution fits", "无法拟合分布"))
    size = abs(value)
    level = Level.WARNING if size >= SPEI_CUTS[1] else Level.NONE
    if SPEI_CUTS[0] <= size < SPEI_CUTS[1]:
        level = Level.WATCH
    reasons = []
    if cut:
        reasons.append(Reason("beyond the past years", "超出往年范围"))
    if signal.years < _ADVISED_YEARS:
        reasons.append(
            Reason(
                f"fitted to {signal.years} years, {_ADVISED_YEARS} are advised",
                f"仅用{signal.years}年拟合，建议{_ADVISED_YEARS}年",
            )
        )
    told = replace(signal, value=value, normal=0.0, spread=1.0, level=level)
    if not reasons:
        return told
    reason = Reason("; ".join(r.en for r in reasons), "；".join(r.zh for r in reasons))
    return replace(told, status=SignalStatus.SHORT, reason=reason)


def _spells(rain: pd.Series) -> tuple[Signal, Signal]:
    # A gap could break a dry run, or hide a storm.
    known = bool(rain.notna().all())
    dry = (rain < _DRY).to_numpy()
    heavy = float((rain >= _HEAVY).sum())
    spell = Signal(
        key="dry_spell",
        name=Reason(
            "longest run of days below 1 mm in 30", "近30天最长连续无雨日（<1毫米）"
        ),
        unit="d",
    )
    storms = Signal(
        key="heavy_rain",
        name=Reason("days of 50 mm or more in 30", "近30天暴雨日数（≥50毫米）"),
        unit="d",
    )
    return (
        counted(spell, _longest(dry) if known else math.nan, cuts=_DRY_DAYS),
        counted(storms, heavy if known else math.nan, cuts=_WET_DAYS),
    )


def _longest(flags: NDArray[np.bool_]) -> float:
    """Length of the longest run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return float((edges[1::2] - edges[::2]).max(initial=0))
