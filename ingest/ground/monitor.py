"""Yield-monitor files of combines: what the logger wrote, in our units.

Nothing is cleaned here: flow delay, overlaps and outliers are left as they are. Rows
that cannot be true are flagged and stored without a yield.
"""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from ingest.ground.crops import crop_of
from ingest.ground.errors import ColumnMissing, OptionInvalid
from ingest.ground.fates import Intake, settle
from ingest.ground.headers import UNITS, Headers
from ingest.ground.moisture import SAFE_STORAGE, grain_yield_t_ha
from ingest.ground.places import Places
from ingest.ground.values import (
    RowFault,
    Years,
    each,
    headers_of,
    locate,
    number,
    point_of,
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

MOISTURE_RANGE = (0.0, 60.0)

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
        What was harvested.
    swath_m : float, optional
        Cut width where no column says it, m.
    basis : float
        Moisture of the yields, % wet basis.
    units : mapping, optional
        Meaning -> unit; goes before what is known of an export.
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
    headers = headers_of(layer, {**_known_units(layer.columns), **(units or {})})
    reader = _Reader(headers, year=year, crop=crop, swath_m=swath_m, basis=basis)
    points, misplaced = each(layer.features, point_of)
    counties, beyond = locate(points, places)
    inside = [feature for feature in layer.features if feature.row in counties]
    reader.start(layer.features)
    good, faults = each(
        inside, lambda f: reader(f, counties[f.row], simulated=simulated)
    )
    settled = settle(good, key=monitor_key, content=_content, known=known)
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

    Two exports of one harvest share it.
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
        return float(digits) * UNITS["length"][unit]
    except (ValueError, KeyError):
        raise OptionInvalid(
            f"{text!r} is no length: give a number and one of "
            f"{', '.join(UNITS['length'])}, e.g. 360in · {text!r} 不是长度，"
            "请写数字和单位，例如 9.1m"
        ) from None


def _known_units(columns: Iterable[str]) -> Mapping[str, str]:
    there = set(columns)
    return EXPORT_UNITS if any(names <= there for names in EXPORTS) else {}


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
        self._crop = _crop(crop)
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
        """Find each row's seconds since the first one; without a clock, add up."""
        spent, first = 0.0, None
        timed, _ = each(features, lambda f: number(f.values, self._time, "time"))
        lasting, _ = each(
            features, lambda f: number(f.values, self._interval, "interval")
        )
        for row, seconds in timed if self._time else lasting:
            if self._time is None:
                self._clock[row] = spent
                spent += seconds or 0.0
            elif seconds is not None:
                first = seconds if first is None else first
                self._clock[row] = round(seconds - first, 3)

    def __call__(
        self, feature: Feature, county: str | None, *, simulated: bool
    ) -> MonitorPoint:
        values = feature.values
        lon, lat = point_of(feature)
        measured = self._measured(values)
        flag, reason = _judged(measured)
        seconds, metres = measured["interval"], measured["distance"]
        moving = seconds is not None and metres is not None and seconds > 0
        return MonitorPoint(
            row=feature.row,
            lon=lon,
            lat=lat,
            year=self._years(values),
            crop=self._crop,
            time_s=self._moment(feature.row),
            interval_s=seconds,
            distance_m=metres,
            swath_m=measured["swath"],
            speed_m_s=metres / seconds if moving and seconds and metres else None,
            flow_kg_s=measured["flow"],
            moisture=measured["moisture"],
            elevation_m=number(values, self._elevation, "elevation"),
            basis=self._basis,
            yield_t_ha=None if reason else self._yield(measured),
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
