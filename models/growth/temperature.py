"""Warmth, heat, cold and frost of a season against past years."""

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import date

import numpy as np
import pandas as pd

from models.features import extreme_degree_days, growing_degree_days
from models.growth.calendar import CropCalendar, Stage
from models.growth.signals import Alarm, Signal, compared, counted
from models.growth.weather import PlaceWeather
from models.reasons import Reason

__all__ = ["temperature_signals"]

# From 1 May, when maize is in the ground.
_SEASON_START = (5, 1)
_MIDSUMMER = (7, 1)

# Days in a stage to watch and to warn: chosen, of no standard.
_HEAT_DAYS = (3.0, 5.0)
_COLD_DAYS = (2.0, 4.0)
_FROST_DAYS = (1.0, 1.0)

# Degree days above 30 that are no harm though other years had none; chosen.
_LEAST_HEAT = 10.0

_AIR_FROST = 0.0

# Counted from March on, a date has one number in leap years and others.
_FIRST_OF_MARCH = 60


def temperature_signals(
    weather: PlaceWeather,
    *,
    day: date,
    past_years: Sequence[int],
    calendar: CropCalendar | None,
    min_years: int,
) -> list[Signal]:
    """Compute the signals of temperature up to a day.

    Parameters
    ----------
    weather
        Of this and the past years.
    day
        Last day counted, also in past years.
    past_years
        Years to compare with.
    calendar
        Stages of the crop; None leaves the signals of stages out.
    min_years
        Past years a normal needs.

    Returns
    -------
    list of Signal
        gdd10: degree days since 1 May (`models.features.growing_degree_days`), low in
        a year of delayed cold injury; edd30: degree days above 30 deg C; last_frost
        and, from July on, first_frost: day of the year of 0 deg C in the air; for each
        stage so far that has a limit, the days beyond it.
    """
    years = [day.year, *past_years]
    found = [
        _sum(_GDD, _degree_days, weather, day, years, min_years, alarm="low"),
        _sum(
            *(_EDD, _extremes, weather, day, years, min_years),
            alarm="high",
            least=_LEAST_HEAT,
        ),
        *_frosts(weather, day, years, min_years),
    ]
    if calendar is not None:
        found += _stage_signals(weather, day, calendar)
    return found


_GDD = Signal(
    key="gdd10",
    name=Reason("growing degree days since 1 May", "5月1日以来≥10℃有效积温"),
    unit="°C d",
)
_EDD = Signal(
    key="edd30",
    name=Reason("degree days above 30 °C since 1 May", "5月1日以来30℃以上高温度日"),
    unit="°C d",
)
_LAST_FROST = Signal(
    key="last_frost",
    name=Reason("last frost of spring (0 °C)", "春季终霜日（0℃）"),
    unit="day of year",
)
_FIRST_FROST = Signal(
    key="first_frost",
    name=Reason("first frost of autumn (0 °C)", "秋季初霜日（0℃）"),
    unit="day of year",
)


def _degree_days(days: pd.DataFrame) -> pd.Series:
    low, high = days["tmin"].to_numpy(float), days["tmax"].to_numpy(float)
    return pd.Series(growing_degree_days(tmin=low, tmax=high), days.index)


def _extremes(days: pd.DataFrame) -> pd.Series:
    low, high = days["tmin"].to_numpy(float), days["tmax"].to_numpy(float)
    return pd.Series(extreme_degree_days(tmin=low, tmax=high), days.index)


def _sum(
    signal: Signal,
    measure: Callable[[pd.DataFrame], pd.Series],
    weather: PlaceWeather,
    day: date,
    years: Sequence[int],
    min_years: int,
    *,
    alarm: Alarm,
    least: float = -math.inf,
) -> Signal:
    sums = [weather.total(measure, _since(_SEASON_START, day, year)) for year in years]
    return compared(
        signal, sums[0], sums[1:], alarm=alarm, min_years=min_years, least=least
    )


def _since(start: tuple[int, int], day: date, year: int) -> tuple[date, date]:
    # 29 February has no like in other years.
    last = day.day if (day.month, day.day) != (2, 29) else 28
    return date(year, *start), date(year, day.month, last)


def _frosts(
    weather: PlaceWeather, day: date, years: Sequence[int], min_years: int
) -> Iterator[Signal]:
    midsummer = date(day.year, *_MIDSUMMER)
    # Before June another frost may come: the last one so far is not the last one.
    if day >= date(day.year, 6, 1):
        dates = [_frost_day(weather, year, spring=True) for year in years]
        yield compared(
            _LAST_FROST, dates[0], dates[1:], alarm="high", min_years=min_years
        )
    if day <= midsummer:
        return
    first = _frost_day(weather, day.year, spring=False, until=day)
    if np.isfinite(first):
        # Past years whole, not up to the day: in most of them it would not have frozen
        # yet, and those are the ones that make this year early.
        dates = [_frost_day(weather, year, spring=False) for year in years[1:]]
        yield compared(_FIRST_FROST, first, dates, alarm="low", min_years=min_years)


def _frost_day(
    weather: PlaceWeather, year: int, *, spring: bool, until: date | None = None
) -> float:
    """Find the day of the frost nearest midsummer; NaN if unsure or there is none.

    It is unsure where a day between that frost and midsummer is not known.
    """
    if spring:
        window = (date(year, 3, 1), date(year, 6, 30))
    else:
        window = (date(year, *_MIDSUMMER), until or date(year, 11, 30))
    tmin = weather.part(window)["tmin"]
    towards_frost = tmin.iloc[::-1] if spring else tmin
    cold = np.flatnonzero(towards_frost.to_numpy() <= _AIR_FROST)
    if not len(cold) or towards_frost.iloc[: cold[0]].isna().any():
        return float("nan")
    day = towards_frost.index[cold[0]].date()
    return float(_FIRST_OF_MARCH + (day - date(year, 3, 1)).days)


def _stage_signals(
    weather: PlaceWeather, day: date, calendar: CropCalendar
) -> Iterator[Signal]:
    for stage in calendar.stages:
        first, last = stage.window(day.year)
        if first > day:
            return
        days = weather.part((first, min(last, day)))
        yield from _stage_days(stage, days)


def _stage_days(stage: Stage, days: pd.DataFrame) -> Iterator[Signal]:
    low, high = days["tmin"], days["tmax"]
    if stage.heat is not None:
        text = Reason(f"days of {stage.heat:g} °C or more", f"日最高≥{stage.heat:g}℃")
        yield _days("heat", stage, text, high >= stage.heat, days, _HEAT_DAYS)
    if stage.cold is not None:
        text = Reason(
            f"days with a mean below {stage.cold:g} °C", f"日均<{stage.cold:g}℃"
        )
        cold = (low + high) / 2 < stage.cold
        yield _days("cold", stage, text, cold, days, _COLD_DAYS)
    if stage.frost is not None:
        text = Reason(f"days of {stage.frost:g} °C or less", f"日最低≤{stage.frost:g}℃")
        yield _days("frost", stage, text, low <= stage.frost, days, _FROST_DAYS)


def _days(
    kind: str,
    stage: Stage,
    text: Reason,
    hit: pd.Series,
    days: pd.DataFrame,
    cuts: tuple[float, float],
) -> Signal:
    signal = Signal(
        key=f"{kind}_{stage.name.en.replace(' ', '_')}",
        name=Reason(f"{text.en}, {stage.name.en}", f"{stage.name.zh}{text.zh}天数"),
        unit="d",
    )
    # Days that are not known are not days without harm.
    known = days[["tmin", "tmax"]].notna().all(axis=None)
    return counted(signal, float(hit.sum()) if known else float("nan"), cuts=cuts)
