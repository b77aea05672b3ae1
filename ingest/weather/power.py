"""NASA POWER: daily weather of points, from the JSON of its point and regional API.

https://power.larc.nasa.gov/docs/services/api/temporal/daily/. A point request answers
with a GeoJSON Feature, a regional one with a FeatureCollection of many and, often, of
one parameter alone. The days are those of the answer's time standard: local solar time
(LST, the default) or UTC. Meteorology lies on a grid of 0.5 x 0.625 degrees, radiation
on one of 1 degree.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from ingest.weather.errors import HeldTwice, WeatherError, WeatherUnreadable
from ingest.weather.fao56 import vapour_at_dew_point, wind_at_2m
from ingest.weather.units import Conversion, Quantity, conversion

__all__ = ["PARAMETERS", "Point", "PowerAnswer", "PowerFiles", "parse"]

PARAMETERS: Final[dict[str, tuple[str, Quantity]]] = {
    "T2M_MIN": ("tmin", "temperature"),
    "T2M_MAX": ("tmax", "temperature"),
    "PRECTOTCORR": ("precipitation", "depth"),
    "ALLSKY_SFC_SW_DWN": ("radiation", "energy"),
    "WS10M": ("wind", "speed"),
    "WS2M": ("wind", "speed"),
    "T2MDEW": ("vapour", "temperature"),
    "RH2M": ("humidity", "percent"),
}
"""Our variables; of wind at both heights the one at 2 m counts."""

Point = tuple[float, float]
"""Longitude and latitude, degrees."""

Series = dict[date, float]


@dataclass(frozen=True, slots=True)
class PowerAnswer:
    """One answer: series by point and our variable, NaN where it had none.

    Attributes
    ----------
    points
        tmin, tmax (degC), precipitation (mm), radiation (MJ/m2), wind (m/s at 2 m),
        vapour (kPa, at the mean dew point), humidity (%).
    time_standard
        "LST" or "UTC".
    """

    points: dict[Point, dict[str, Series]]
    time_standard: str


def parse(text: str | bytes, *, path: Path | str) -> PowerAnswer:
    """Read an answer of the daily API.

    Raises
    ------
    WeatherUnreadable
        No JSON, cut off, or not of the daily API.
    UnitUnknown
        A parameter's unit is missing or not known.
    """
    try:
        answer = json.loads(text)
        header, described = answer["header"], answer["parameters"]
        fill = float(header["fill_value"])
        features = answer.get("features", [answer])
        points: dict[Point, dict[str, Series]] = {}
        for feature in features:
            lon, lat = map(float, feature["geometry"]["coordinates"][:2])
            given = feature["properties"]["parameter"]
            series = points.setdefault((lon, lat), {})
            series.update(_series(given, described, fill, path))
        return PowerAnswer(points, str(header["time_standard"]))
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise WeatherUnreadable(
            f"{path} is no whole answer of NASA POWER's daily API "
            f"({type(exc).__name__}: {exc}); it is left out, ask for daily JSON again"
            f" · {path} 不是完整的 NASA POWER 逐日 JSON，未导入，请重新下载",
            path=path,
        ) from exc


def _series(
    given: Mapping[str, Mapping[str, Any]],
    described: Mapping[str, Mapping[str, str]],
    fill: float,
    path: Path | str,
) -> Iterator[tuple[str, Series]]:
    # In our order, so that wind at 2 m replaces that of 10 m.
    for parameter in [name for name in PARAMETERS if name in given]:
        name, quantity = PARAMETERS[parameter]
        unit = described.get(parameter, {}).get("units")
        change = conversion(quantity, unit, variable=parameter, path=path)
        numbers = given[parameter].items()
        yield (
            name,
            {
                _day(key): _number(parameter, value, change, fill)
                for key, value in numbers
            },
        )


def _day(key: str) -> date:
    if len(key) != len("20260501"):
        raise ValueError(f"{key!r} is no day: hourly and monthly answers are not read")
    return datetime.strptime(key, "%Y%m%d").date()  # noqa: DTZ007


def _number(
    parameter: str, value: float | None, change: Conversion, fill: float
) -> float:
    if value is None or float(value) == fill:
        return math.nan
    number = float(value) * change.factor + change.offset
    if parameter == "WS10M":
        return float(wind_at_2m(number, height=10))
    return float(vapour_at_dew_point(number)) if parameter == "T2MDEW" else number


class PowerFiles:
    """Series of points out of answers; those that cannot be used are in `faults`."""

    def __init__(self, paths: Iterable[Path] = ()) -> None:
        self.points: dict[Point, dict[str, Series]] = {}
        self.faults: list[WeatherError] = []
        self._read: list[Path | str] = []
        self._standard: str | None = None
        for path in sorted(paths):
            self._take(path)

    @property
    def source(self) -> str:
        """Name with the time standard of the days."""
        return f"NASA POWER ({self._standard})" if self._standard else "NASA POWER"

    def files(self) -> int:
        """How many answers something is read from."""
        return len(self._read)

    def variables(self) -> set[str]:
        """Our variables that some point has."""
        return {name for series in self.points.values() for name in series}

    def days(self) -> list[date]:
        """Days of which there is a number, ascending."""
        every = (one for series in self.points.values() for one in series.values())
        return sorted({d for one in every for d, v in one.items() if not math.isnan(v)})

    def add(self, answer: PowerAnswer, *, path: Path | str) -> None:
        """Take in an answer.

        Raises
        ------
        HeldTwice
            Another one has another number for a point, variable and day.
        WeatherUnreadable
            Its days are of another time standard than those before.
        """
        self._check(answer, path)
        for point, series in answer.points.items():
            known = self.points.setdefault(point, {})
            for name, numbers in series.items():
                before = known.setdefault(name, {})
                news = numbers.items()
                before |= {
                    d: v for d, v in news if not math.isnan(v) or d not in before
                }
        self._standard = answer.time_standard
        self._read.append(path)

    def _take(self, path: Path) -> None:
        try:
            self.add(parse(_content(path), path=path), path=path)
        except WeatherError as exc:
            self.faults.append(exc)

    def _check(self, answer: PowerAnswer, path: Path | str) -> None:
        if self._standard not in (None, answer.time_standard):
            raise WeatherUnreadable(
                f"{path} counts its days in {answer.time_standard}, the others in "
                f"{self._standard}: import them apart; it is left out"
                f" · {path} 的日界为 {answer.time_standard}，与其他文件不同，"
                "请分开导入",
                path=path,
            )
        for point, series in answer.points.items():
            for name, numbers in series.items():
                before = self.points.get(point, {}).get(name, {})
                for day in numbers.keys() & before.keys():
                    if _differ(numbers[day], before[day]):
                        raise _twice(path, point, name, day)


def _differ(one: float, other: float) -> bool:
    return not (math.isnan(one) or math.isnan(other) or one == other)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise WeatherUnreadable(
            f"{path} cannot be read ({exc.strerror}); it is left out"
            f" · 无法读取 {path}，未导入",
            path=path,
        ) from exc


def _twice(path: Path | str, point: Point, name: str, day: date) -> HeldTwice:
    return HeldTwice(
        f"{path} has another {name} at {point[0]:g} °E {point[1]:g} °N on {day} than a "
        "file before it; keep the right one of them, this one is left out"
        f" · {path} 与先前文件在 {day} 的 {name} 不一致，未导入，请保留正确的一份",
        path=path,
        other=path,
    )
