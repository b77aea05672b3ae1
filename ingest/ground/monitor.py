"""Yield-monitor files of combines: what the logger wrote, in our units.

Nothing is cleaned here: flow delay, overlaps and outliers are left as they are. Rows
that cannot be true are flagged and stored without a yield.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ingest.ground.crops import crop_of
from ingest.ground.errors import ColumnMissing, OptionInvalid, UnitUnknown
from ingest.ground.fates import Intake, Numbered, settle
from ingest.ground.headers import UNITS, Headers
from ingest.ground.moisture import SAFE_STORAGE, grain_yield_t_ha
from ingest.ground.places import WGS84, Places
from ingest.ground.tables import number_of
from ingest.ground.values import (
    RowFault,
    Years,
    each,
    headers_of,
    locate,
    number,
    point_of,
    text,
    unknown_crop,
)
from ingest.ground.vector import Feature, Layer
from store.ground import MonitorPoint

__all__ = ["EXPORTS", "length_m", "monitor_key", "take_monitor"]

# Exports whose headers say no units, by the columns they always have.
EXPORTS = (
    # Logger columns of AgLeader and Deere card readers.
    frozenset({"Flow", "Time", "Cycles", "Distance", "Swath", "Moisture", "Altitude"}),
    # The R package agridat.
    frozenset({"mass", "time", "seconds", "dist", "moist", "elev"}),
)
EXPORT_UNITS = {
    "flow": "lb/s",
    "time": "s",
    "interval": "s",
    "distance": "in",
    "swath": "in",
    "moisture": "%",
    "elevation": "ft",
}

# What no export under these names writes otherwise.
METRIC_TOO = ("time", "interval", "moisture")

MOISTURE_RANGE = (0.0, 60.0)
# Far above any harvest of grain: what is beyond is a slip of the logger.
MOST_T_HA = 40.0
# Of the logged distance to that between two places: centimetres taken for inches give
# 2.5, feet taken for inches 0.08.
DISTANCE_RATIO = (0.7, 1.4)

# QARTOD.
NOT_EVALUATED, FAIL, MISSING = 2, 4, 9

NO_SWATH = (
    "no column says how wide the cut was: {width:g} m counts everywhere, and where the "
    "header cut less the yield comes out too low"
    " · 没有割幅列，全部按 {width:g} 米计算，割幅不满处的单产会偏低"
)


def take_monitor(
    layer: Layer,
    places: Places,
    *,
    year: int | None = None,
    crop: str | None = None,
    swath_m: float | None = None,
    basis: float = SAFE_STORAGE,
    units: Mapping[str, str] | None = None,
    known: Iterable[MonitorPoint] = (),
    simulated: bool = False,
) -> Intake[MonitorPoint]:
    """Make yield points of a logger's rows.

    The yield of a row is ``flow * interval`` of grain on ``distance * swath`` of land,
    in t/ha at the basis moisture, see `ingest.ground.moisture.grain_yield_t_ha`.

    Parameters
    ----------
    layer : Layer
        Points with mass flow of wet grain, logging interval, distance travelled in
        it, moisture (% wet basis), and perhaps swath width, time and elevation. The
        units stand in the headers (``flow_kg_s``), or are those of a known export.
    year : int, optional
        Of rows that do not say.
    crop : str, optional
        What was harvested, of rows that do not say.
    swath_m : float, optional
        Cut width where no column says it, m.
    basis : float
        Moisture of the yields, % wet basis.
    units : mapping, optional
        Meaning -> unit. One that is not the export's own shows that nothing is known
        of the others (time, interval and moisture apart).
    known : iterable of MonitorPoint
        Points stored before.

    Returns
    -------
    Intake of MonitorPoint
        Impossible rows are stored with flag 4, rows that lack a value with flag 9,
        both without yield; all others have flag 2 (not evaluated).

    Raises
    ------
    ColumnMissing, ColumnUnclear, OptionInvalid, UnitUnknown, YearUnknown
    """
    usual = _known_units(layer.columns, units or {})
    headers = headers_of(layer, units, usual=usual)
    reader = _Reader(headers, year=year, crop=crop, swath_m=swath_m, basis=basis)
    points, misplaced = each(layer.features, point_of)
    counties, beyond = locate(points, places)
    inside = [feature for feature in layer.features if feature.row in counties]
    reader.start(layer.features)
    if "distance" in usual and "distance" not in (units or {}):
        _check_distances(reader.distances(inside), points, layer.path)
    good, faults = each(
        inside, lambda f: reader(f, counties[f.row], simulated=simulated)
    )
    before = list(known)
    good = _as_before(good, before)
    settled = settle(good, key=monitor_key, content=_content, known=before)
    notes = [] if reader.has_swath else [NO_SWATH.format(width=swath_m)]
    return Intake(
        rows=layer.rows,
        stored=tuple(settled.stored),
        duplicates=tuple(settled.duplicates),
        problems=(
            *(*layer.faults, *misplaced, *beyond),
            *(*faults, *settled.problems),
        ),
        remarks=layer.remarks,
        notes=(*layer.notes, headers.understood, *notes),
    )


def monitor_key(point: MonitorPoint) -> tuple[float, float, int, float]:
    """Return what must be unique among stored points: place, season and moment.

    Two exports of one harvest share it when both have the logger's clock; otherwise
    `take_monitor` compares place, flow, distance and interval.
    """
    return point.lon, point.lat, point.year, point.time_s


def length_m(text: str) -> float:
    """Read a length such as ``"360 in"`` or ``"9.144 m"``, m.

    Raises
    ------
    OptionInvalid
        It has no number, or no unit that is known.
    """
    digits = text.rstrip().rstrip("abcdefghijklmnopqrstuvwxyz米").rstrip()
    unit = text[len(digits) :].strip()
    try:
        return number_of(digits) * UNITS["length"][unit]
    except (ValueError, KeyError):
        raise OptionInvalid(
            f"{text!r} is no length: give a number and one of "
            f"{', '.join(UNITS['length'])}, e.g. 360in · {text!r} 不是长度，"
            "请写数字和单位，例如 9.1m"
        ) from None


def _known_units(columns: Iterable[str], given: Mapping[str, str]) -> Mapping[str, str]:
    there = set(columns)
    if not any(names <= there for names in EXPORTS):
        return {}
    if all(EXPORT_UNITS.get(role, unit) == unit for role, unit in given.items()):
        return EXPORT_UNITS
    return {role: EXPORT_UNITS[role] for role in METRIC_TOO}


def _check_distances(
    logged: Mapping[int, float],
    points: Sequence[tuple[int, tuple[float, float]]],
    path: Path,
) -> None:
    """Hold the distances of an export against those between its places.

    Raises
    ------
    UnitUnknown
        They are in another unit than the export's.
    """
    rows = [row for row, _ in points]
    lon, lat = np.array([lonlat for _, lonlat in points]).reshape(-1, 2).T
    steps = WGS84.inv(lon[:-1], lat[:-1], lon[1:], lat[1:])[2]
    ratios = [
        logged[row] / step
        for row, step in zip(rows[1:], steps, strict=True)
        if step > 0 and logged.get(row, 0) > 0
    ]
    low, high = DISTANCE_RATIO
    if not ratios or low <= (ratio := float(np.median(ratios))) <= high:
        return
    raise UnitUnknown(
        f"{path}: read in {EXPORT_UNITS['distance']}, as this export has it, the "
        f"distances are {ratio:.2f} times those between the places: say the file's "
        "units, e.g. --units distance=cm,swath=cm,flow=kg/s,elevation=m"
        f" · {path.name} 的距离列若按英寸计，为点间距离的 {ratio:.2f} 倍，单位不符，"
        "请用 --units distance=cm,swath=cm,flow=kg/s,elevation=m 等指明单位",
        path=path,
    )


def _as_before(
    good: list[Numbered[MonitorPoint]], before: Iterable[MonitorPoint]
) -> list[Numbered[MonitorPoint]]:
    """Give points that were stored before the time they have there.

    Without the logger's clock the time counts from the first row of each file, and
    overlapping exports disagree on it: place, flow, distance and interval tell.
    """
    keys, times = set(), {}
    for point in before:
        keys.add(monitor_key(point))
        times[_reading(point)] = point.time_s
    return [
        (row, point)
        if monitor_key(point) in keys or _reading(point) not in times
        else (row, replace(point, time_s=times[_reading(point)]))
        for row, point in good
    ]


def _reading(point: MonitorPoint) -> Hashable:
    measured = (point.flow_kg_s, point.distance_m, point.interval_s)
    return (point.lon, point.lat, point.year, *measured)


def _content(point: MonitorPoint) -> Hashable:
    measured = (point.flow_kg_s, point.interval_s, point.distance_m, point.moisture)
    # The swath too: an export that lacks it contradicts one that has it where the
    # header cut less than its width.
    return (*measured, point.swath_m, point.basis)


class _Reader:
    def __init__(
        self,
        headers: Headers,
        *,
        year: int | None,
        crop: str | None,
        swath_m: float | None,
        basis: float,
    ) -> None:
        self._years = Years.of(headers, year)
        self._path = headers.path
        self._crop, self._said_crop = _crop(crop), headers.find("crop")
        self._flow, self._interval = headers.need("flow"), headers.need("interval")
        self._distance = headers.need("distance")
        self._moisture = headers.need("moisture")
        self._time, self._elevation = headers.find("time"), headers.find("elevation")
        self._swath, self._fixed_swath = headers.find("swath"), swath_m
        self._basis = basis
        self._clock: dict[int, float] = {}
        if self._swath is None and swath_m is None:
            raise ColumnMissing(
                f"{headers.path}: no column for the swath width; give it with --swath,"
                f" e.g. --swath 360in · {headers.path.name} 没有割幅列，"
                "请用 --swath 指明割幅，例如 --swath 9.1m",
                path=headers.path,
            )

    @property
    def has_swath(self) -> bool:
        """Whether each row says how wide the cut was."""
        return self._swath is not None

    def start(self, features: Iterable[Feature]) -> None:
        """Find each row's time: the logger's, or the seconds since the first row.

        Raises
        ------
        OptionInvalid
            The file names another crop than the one given.
        """
        self._refuse_other_crop(features)
        spent = 0.0
        timed, _ = each(features, lambda f: number(f.values, self._time, "time"))
        lasting, _ = each(
            features, lambda f: number(f.values, self._interval, "interval")
        )
        for row, seconds in timed if self._time else lasting:
            if self._time is None:
                self._clock[row] = spent
                spent += seconds or 0.0
            elif seconds is not None:
                self._clock[row] = seconds

    def distances(self, features: Iterable[Feature]) -> dict[int, float]:
        """Return the logged distance of each row that has one, m."""
        read, _ = each(features, lambda f: number(f.values, self._distance, "distance"))
        return {row: metres for row, metres in read if metres is not None}

    def __call__(
        self, feature: Feature, county: str | None, *, simulated: bool
    ) -> MonitorPoint:
        values = feature.values
        lon, lat = point_of(feature)
        measured = self._measured(values)
        flag, reason = _judged(measured)
        tonnes = None if reason else self._yield(measured)
        if tonnes is not None and tonnes > MOST_T_HA:
            flag, reason, tonnes = FAIL, "impossible yield", None
        seconds, metres = measured["interval"], measured["distance"]
        moving = seconds is not None and metres is not None and seconds > 0
        return MonitorPoint(
            row=feature.row,
            lon=lon,
            lat=lat,
            year=self._years(values),
            crop=self._grown(values),
            time_s=self._moment(feature.row),
            interval_s=seconds,
            distance_m=metres,
            swath_m=measured["swath"],
            speed_m_s=metres / seconds if moving and seconds and metres else None,
            flow_kg_s=measured["flow"],
            moisture=measured["moisture"],
            elevation_m=number(values, self._elevation, "elevation"),
            basis=self._basis,
            yield_t_ha=tonnes,
            flag=flag,
            reason=reason,
            county=county,
            simulated=simulated,
        )

    def _measured(self, values: Mapping[str, Any]) -> dict[str, float | None]:
        swath = number(values, self._swath, "swath")
        return {
            "flow": number(values, self._flow, "flow"),
            "interval": number(values, self._interval, "interval"),
            "distance": number(values, self._distance, "distance"),
            "swath": self._fixed_swath if self._swath is None else swath,
            "moisture": number(values, self._moisture, "moisture"),
        }

    def _refuse_other_crop(self, features: Iterable[Feature]) -> None:
        said, _ = each(features, lambda f: text(f.values, self._said_crop))
        others = {name for _, name in said if name and crop_of(name) != self._crop}
        names = ", ".join(sorted(name for name in others if crop_of(name)))
        if self._crop is not None and names:
            raise OptionInvalid(
                f"{self._path}: the file says {names}, --crop says {self._crop}: leave "
                f"--crop out, or correct the file · {self._path.name} 注明作物为 "
                f"{names}，与 --crop {self._crop} 不符，请去掉 --crop 或改正文件"
            )

    def _grown(self, values: Mapping[str, Any]) -> str | None:
        said = text(values, self._said_crop)
        crop = None if said is None else crop_of(said)
        if said is not None and crop is None and self._crop is None:
            raise unknown_crop(said)
        return crop or self._crop

    def _moment(self, row: int) -> float:
        if row not in self._clock:
            raise RowFault("time", "no time", "没有时间")
        return self._clock[row]

    def _yield(self, measured: Mapping[str, float | None]) -> float:
        flow, interval, distance, swath, moisture = (
            value or 0.0 for value in measured.values()
        )
        return grain_yield_t_ha(
            grain_kg=flow * interval,
            area_m2=distance * swath,
            moisture=moisture,
            basis=self._basis,
        )


def _judged(measured: Mapping[str, float | None]) -> tuple[int, str | None]:
    """QARTOD flag of a row and, unless it may be true, what speaks against it."""
    absent = [name for name, value in measured.items() if value is None]
    if absent:
        return MISSING, f"no {', '.join(absent)}"
    low, high = MOISTURE_RANGE
    wrong = [
        name
        for name, value in measured.items()
        if value is not None
        and (
            (name in ("interval", "distance", "swath") and value <= 0)
            or (name == "flow" and value < 0)
            or (name == "moisture" and not low <= value <= high)
        )
    ]
    if not wrong:
        return NOT_EVALUATED, None
    return FAIL, f"impossible {', '.join(wrong)}"


def _crop(text: str | None) -> str | None:
    if text is None:
        return None
    crop = crop_of(text)
    if crop is None:
        raise OptionInvalid(
            f"--crop {text!r}: give maize, rice, soybean or other"
            f" · --crop {text!r} 无法识别，请填写 玉米、水稻、大豆 或 其他"
        )
    return crop
