"""From the raw points of a combine to yields that stand for the ground they are on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.errors import ColumnMissing, ValueInvalid
from models.yield_monitor.delay import Delay, DelayStatus, find_delay, shifted
from models.yield_monitor.errors import MeasureMissing, NoPoints
from models.yield_monitor.local import fill_time, local_outliers
from models.yield_monitor.overlap import fresh_share
from models.yield_monitor.passes import Track, make_track, plane, steps_back
from models.yield_monitor.reasons import FAIL, MISSING, Marks, Reason, Treatment
from models.yield_monitor.units import CHINA_MOISTURE, at_moisture

__all__ = ["COLUMNS", "MOST_T_HA", "Cleaned", "Settings", "clean"]

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

COLUMNS = (
    *("lon", "lat", "time_s", "interval_s"),
    *("distance_m", "swath_m", "flow_kg_s", "moisture"),
)

# Above what was ever harvested of the crop, t/ha: a slip, not a good spot.
MOST_T_HA: Mapping[str, float] = {
    "maize": 30.0,
    "rice": 20.0,
    "soybean": 10.0,
    "wheat": 18.0,
}
_MOST_OF_ANY = 60.0

# Rows of the log that may be missing before logging counts as broken.
_GAP_ROWS = 2.5

# Metres by which GPS may disagree with the distance driven, besides a factor of 2.
_GPS_NOISE = 5.0

# A swath narrower than this share of the full one is a part of it.
_FULL_SWATH = 0.98


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What cleaning takes for true; none is fitted to one machine.

    Attributes
    ----------
    basis
        Moisture yields are told at, % wet basis: 14 in China, 15.5 for corn in the US.
    delay
        Flow delay in seconds; None to estimate it.
    speed
        Slowest and fastest harvest, m/s.
    speed_change
        Largest change of speed between rows, as a share of the speed before.
    moisture
        Lowest and highest believed, % wet basis.
    overlap
        Share of a swath that may have been cut before and still count as GPS noise.
    least_fresh
        A point whose fresh width is a smaller share of its swath is no measurement.
    start, end
        Seconds left out at the ends of a pass; None to estimate them.
    outlier, method
        Limit in standard deviations and way of judging, see `local_outliers`.
    radius
        Metres around a point in which its neighbours are; None for 2.5 swaths.
    most
        Highest believed yield, t/ha; None for that of the crop.
    """

    basis: float = CHINA_MOISTURE
    delay: float | None = None
    speed: tuple[float, float] = (0.5, 4.0)
    speed_change: float = 0.3
    moisture: tuple[float, float] = (5.0, 45.0)
    overlap: float = 0.1
    least_fresh: float = 0.5
    start: float | None = None
    end: float | None = None
    outlier: float = 3.0
    method: Literal["mad", "sd"] = "mad"
    radius: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """All points of a harvest, each with what speaks against it.

    Attributes
    ----------
    points
        A row for each row given, in its order and with its columns and index, and:

        ============ ========= ====================================================
        x_m, y_m     float64   place in metres of `passes.plane`; NaN if unknown
        run          int       pass; -1 for a row that cannot be true
        width_m      float64   width it cut that was not cut before
        area_m2      float64   land it cut
        grain_kg     float64   its grain at the basis moisture, delay corrected
        raw_t_ha     float64   yield as logged: no delay, logged width
        yield_t_ha   float64   yield; NaN unless ``flag`` is 1 or 3
        flag         int8      QARTOD: 1 good, 3 suspect, 4 fail, 9 missing
        reasons      str       codes of `Reason`, joined by ``;``
        treatments   str       codes of `Treatment`, joined by ``;``
        ============ ========= ====================================================
    marks
        The reasons as masks.
    delay
        The flow delay and where it is from.
    start_s, end_s
        Seconds left out at the start and end of each pass.
    swath_m
        Full width of the header: the usual one of the log.
    basis
        Moisture of the yields, % wet basis.
    """

    points: pd.DataFrame
    marks: Marks
    delay: Delay
    start_s: float
    end_s: float
    swath_m: float
    basis: float

    @property
    def good(self) -> pd.DataFrame:
        """Points that nothing speaks against."""
        return self.points[self.marks.good]


def clean(
    table: pd.DataFrame,
    *,
    crop: str | None = None,
    settings: Settings | None = None,
) -> Cleaned:
    """Judge and correct the points of one field's harvest; no row is dropped.

    In this order: values that are missing or impossible, clock and GPS, turns and
    speed, flow delay, filling and emptying at the ends of passes, land cut before,
    yields above what the crop can give, and points unlike their neighbours.

    Parameters
    ----------
    table
        `COLUMNS`: degrees of WGS 84, seconds, metres, kg/s of wet grain, % wet basis,
        in the order of the log; NaN for what is missing. A column ``flag`` (QARTOD)
        of the import counts too.
    crop
        A key of `MOST_T_HA`, for the highest yield believed.
    settings
        Limits.

    Raises
    ------
    NoPoints
        The table is empty.
    ColumnMissing
        A column is not there.
    MeasureMissing
        A column holds no number at all.
    ValueInvalid
        A setting is outside what it can mean.
    """
    used = settings or Settings()
    _check(table, used)
    log = _Log.of(table)
    marks = _first_look(table, log, used)
    # What cannot be true must not steer what follows: one row whose clock ran ahead
    # would cut a pass in two.
    sound = np.flatnonzero(marks.good)
    if not sound.size:
        return _nothing(table, marks, log, used)
    work = _Work.of(log, sound, used)
    _judge_driving(work, marks)
    _correct(work, marks)
    _judge_yields(work, marks, used.most or MOST_T_HA.get(crop or "", _MOST_OF_ANY))
    return _told(table, marks, log, work)


@dataclass(frozen=True, slots=True)
class _Log:
    """The columns as arrays, float64 (rows,)."""

    lon: Float
    lat: Float
    time_s: Float
    interval_s: Float
    distance_m: Float
    swath_m: Float
    flow_kg_s: Float
    moisture: Float

    @classmethod
    def of(cls, table: pd.DataFrame) -> "_Log":
        return cls(*(table[name].to_numpy(np.float64) for name in COLUMNS))

    def rows(self, which: NDArray[np.intp]) -> "_Log":
        return _Log(*(getattr(self, name)[which] for name in COLUMNS))

    def raw(self, basis: float) -> Float:
        with np.errstate(divide="ignore", invalid="ignore"):
            grain = self.flow_kg_s * self.interval_s
            dry = at_moisture(grain, measured=self.moisture, basis=basis)
            return np.asarray(dry / (self.distance_m * self.swath_m) * 10)


@dataclass(slots=True)
class _Work:
    """The rows that may be true, and what becomes of them step by step."""

    rows: NDArray[np.intp]
    log: _Log
    settings: Settings
    track: Track
    interval: float
    swath: float
    delay: Delay = field(
        default_factory=lambda: Delay(
            seconds=0.0, status=DelayStatus.NONE_SEEN, pairs=0, tried={}
        )
    )
    start_s: float = 0.0
    end_s: float = 0.0
    grain: Float = field(default_factory=lambda: np.empty(0))
    width: Float = field(default_factory=lambda: np.empty(0))
    narrowed: Bool = field(default_factory=lambda: np.empty(0, bool))

    @classmethod
    def of(cls, log: _Log, sound: NDArray[np.intp], settings: Settings) -> "_Work":
        mine = log.rows(sound)
        interval = float(np.median(mine.interval_s))
        x, y = plane(mine.lon, mine.lat)
        track = make_track(x, y, mine.time_s, gap=_GAP_ROWS * interval)
        # Sections switched off make the logged width smaller, never larger; the highest
        # decile is the header without trusting a single slip.
        swath = float(np.quantile(mine.swath_m, 0.9))
        return cls(sound, mine, settings, track, interval, swath)

    @property
    def area(self) -> Float:
        return self.log.distance_m * self.width

    @property
    def yields(self) -> Float:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(
                np.where(self.area > 0, self.grain / self.area * 10, np.nan)
            )

    def mark(self, marks: Marks, reason: Reason, where: Bool) -> None:
        everywhere = np.zeros(len(marks.good), bool)
        everywhere[self.rows[where]] = True
        marks.add(reason, everywhere)

    def good(self, marks: Marks) -> Bool:
        return marks.good[self.rows]


def _check(table: pd.DataFrame, settings: Settings) -> None:
    absent = [name for name in COLUMNS if name not in table]
    if absent:
        raise ColumnMissing(table="yield monitor", columns=absent)
    if not len(table):
        raise NoPoints
    empty = [n for n in COLUMNS if not np.isfinite(table[n].to_numpy(float)).any()]
    if empty:
        raise MeasureMissing(empty)
    at_moisture(1.0, measured=0.0, basis=settings.basis)
    bounds = (settings.speed, settings.moisture)
    positive = (settings.outlier, settings.speed_change, settings.least_fresh)
    if any(low >= high for low, high in bounds) or min(positive) <= 0:
        raise ValueInvalid(
            f"{settings}: limits go from low to high, and are above 0"
            " · 参数无效：上下限须由小到大，且大于 0"
        )


def _first_look(table: pd.DataFrame, log: _Log, settings: Settings) -> Marks:
    """Mark what cannot be true whatever the combine did."""
    marks = Marks.none(len(table))
    values = np.stack([getattr(log, name) for name in COLUMNS])
    marks.add(Reason.MISSING, np.isnan(values).any(axis=0))
    if "flag" in table:
        flag = table["flag"].to_numpy()
        marks.add(Reason.MISSING, flag == MISSING)
        marks.add(Reason.IMPORT, flag == FAIL)
    low, high = settings.moisture
    positive = np.stack([log.interval_s, log.distance_m, log.swath_m])
    wrong = np.isinf(values).any(axis=0) | (positive <= 0).any(axis=0)
    wrong |= (log.flow_kg_s < 0) | (np.abs(log.lat) > 90) | (np.abs(log.lon) > 180)
    marks.add(Reason.IMPOSSIBLE, wrong | (log.moisture < low) | (log.moisture > high))
    # NaN counts as missing already, and one row has one first reason.
    marks.add(Reason.TIME_BACK, steps_back(log.time_s) & np.isfinite(log.time_s))
    # A receiver without a fix repeats its last place, to the last digit.
    stood = (np.diff(log.lon, prepend=np.nan) == 0) & (
        np.diff(log.lat, prepend=np.nan) == 0
    )
    marks.add(Reason.SAME_PLACE, stood)
    return marks


def _judge_driving(work: _Work, marks: Marks) -> None:
    """Mark jumps, turns and speeds at which a monitor does not measure."""
    track, log = work.track, work.log
    slowest, fastest = work.settings.speed
    moved = np.hypot(
        np.diff(track.x, prepend=track.x[0]), np.diff(track.y, prepend=track.y[0])
    )
    # Over a break in the log any distance is possible.
    follows = np.diff(track.block, prepend=-1) == 0
    work.mark(marks, Reason.JUMP, follows & (moved > 2 * log.distance_m + _GPS_NOISE))
    work.mark(marks, Reason.TURN, track.turn)
    speed = log.distance_m / log.interval_s
    work.mark(marks, Reason.SPEED, (speed < slowest) | (speed > fastest))
    # Grain is on its way for seconds: while the speed changes, flow and land cut are
    # of different moments. The roll's first row is no follower of another.
    before = np.roll(speed, 1)
    sudden = np.abs(speed - before) > work.settings.speed_change * before
    work.mark(marks, Reason.SPEED_CHANGE, follows & sudden)


def _correct(work: _Work, marks: Marks) -> None:
    """Move the grain to where it was cut, and find the width that was cut there."""
    log, settings = work.log, work.settings
    flow = at_moisture(log.flow_kg_s, measured=log.moisture, basis=settings.basis)
    # At one moisture first: neighbours cut hours apart differ by drying alone.
    rate = log.distance_m / log.interval_s * log.swath_m
    if settings.delay is None:
        # Turns and stops differ from their neighbours whatever the delay.
        measured = np.where(work.good(marks), flow, np.nan)
        work.delay = find_delay(
            work.track, measured, rate, interval=work.interval, swath=work.swath
        )
    else:
        work.delay = Delay(
            seconds=settings.delay, status=DelayStatus.GIVEN, pairs=0, tried={}
        )
    moved = shifted(flow, work.track, work.delay.seconds, interval=work.interval)
    work.mark(marks, Reason.NO_FLOW_YET, np.isnan(moved))
    work.grain = moved * log.interval_s
    # After the delay: what fills after it is the machine, not the delay itself.
    _leave_out_ends(work, marks, moved / rate * 10)
    share = fresh_share(
        work.track,
        distance=log.distance_m,
        swath=log.swath_m,
        usable=~marks.of[Reason.JUMP][work.rows],
    )
    # Who logs a part of the swath has told the overlap already.
    full = log.swath_m >= _FULL_SWATH * work.swath
    work.narrowed = full & (share < 1 - settings.overlap)
    work.width = np.where(work.narrowed, share, 1.0) * log.swath_m
    work.mark(marks, Reason.OVERLAP, work.narrowed & (share < settings.least_fresh))


def _leave_out_ends(work: _Work, marks: Marks, yields: Float) -> None:
    track, settings = work.track, work.settings
    # Ends are measured by the middles of their passes, so these have to be sound.
    believed = np.where(work.good(marks), yields, np.nan)
    limits = {"interval": work.interval, "longest": 15.0, "usual": 4.0}
    work.start_s = (
        fill_time(track, believed, track.since, **limits)
        if settings.start is None
        else settings.start
    )
    work.end_s = (
        fill_time(track, believed, track.until, **limits)
        if settings.end is None
        else settings.end
    )
    work.mark(marks, Reason.PASS_START, track.since < work.start_s)
    work.mark(marks, Reason.PASS_END, track.until < work.end_s)


def _judge_yields(work: _Work, marks: Marks, most: float) -> None:
    yields, settings = work.yields, work.settings
    work.mark(marks, Reason.NO_GRAIN, yields == 0)
    work.mark(marks, Reason.TOO_HIGH, yields > most)
    outlying = local_outliers(
        work.track.x,
        work.track.y,
        # Points that are out already would hide others among their own kind.
        np.where(work.good(marks), yields, np.nan),
        radius=settings.radius or 2.5 * work.swath,
        limit=settings.outlier,
        method=settings.method,
    )
    work.mark(marks, Reason.LOCAL_OUTLIER, outlying)


def _told(table: pd.DataFrame, marks: Marks, log: _Log, work: _Work) -> Cleaned:
    count = len(table)
    partial = log.swath_m < _FULL_SWATH * work.swath
    done = {
        Treatment.DELAY: _spread(np.isfinite(work.grain), work.rows, count)
        & (work.delay.seconds != 0),
        Treatment.PARTIAL_SWATH: partial,
        Treatment.OVERLAP_WIDTH: _spread(work.narrowed, work.rows, count),
    }
    points = table.assign(
        x_m=_placed(work.track.x, work.rows, count),
        y_m=_placed(work.track.y, work.rows, count),
        run=_spread(work.track.run, work.rows, count, fill=-1),
        width_m=_placed(work.width, work.rows, count),
        area_m2=_placed(work.area, work.rows, count),
        grain_kg=_placed(work.grain, work.rows, count),
        raw_t_ha=log.raw(work.settings.basis),
        yield_t_ha=_placed(work.yields, work.rows, count),
        flag=marks.flags(),
        reasons=marks.texts(),
        treatments=[
            ";".join(name for name, where in done.items() if where[row])
            for row in range(count)
        ],
    )
    # A failed point keeps its raw yield to look at, and no other that could be used.
    points.loc[points["flag"] > 3, "yield_t_ha"] = np.nan
    return Cleaned(
        points=points,
        marks=marks,
        delay=work.delay,
        start_s=work.start_s,
        end_s=work.end_s,
        swath_m=work.swath,
        basis=work.settings.basis,
    )


def _nothing(
    table: pd.DataFrame, marks: Marks, log: _Log, settings: Settings
) -> Cleaned:
    """Tell that not one row can be true."""
    none = np.full(len(table), np.nan)
    numbers = ("x_m", "y_m", "width_m", "area_m2", "grain_kg", "yield_t_ha")
    points = table.assign(
        **dict.fromkeys(numbers, none),
        run=-1,
        raw_t_ha=log.raw(settings.basis),
        flag=marks.flags(),
        reasons=marks.texts(),
        treatments="",
    )
    delay = Delay(seconds=0.0, status=DelayStatus.TOO_FEW_NEIGHBOURS, pairs=0, tried={})
    return Cleaned(
        points=points,
        marks=marks,
        delay=delay,
        start_s=0.0,
        end_s=0.0,
        swath_m=float("nan"),
        basis=settings.basis,
    )


def _placed(values: Float, rows: NDArray[np.intp], count: int) -> Float:
    placed = np.full(count, np.nan)
    placed[rows] = values
    return placed


def _spread(
    values: NDArray[Any], rows: NDArray[np.intp], count: int, *, fill: int = 0
) -> NDArray[Any]:
    spread = np.full(count, fill, values.dtype)
    spread[rows] = values
    return spread
