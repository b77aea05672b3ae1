"""The way of the combine: blocks of unbroken logging, passes, headings."""

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer

__all__ = ["Track", "make_track", "plane", "steps_back"]

Float = NDArray[np.float64]
Int = NDArray[np.intp]

# Rows to either side between which a heading is taken: one step would be GPS noise.
_REACH = 2


@dataclass(frozen=True, slots=True)
class Track:
    """Where the combine drove, row by row.

    Attributes
    ----------
    x, y
        float64 (rows,), m east and north, see `plane`.
    time
        float64 (rows,), seconds, never less than the row before.
    block
        int (rows,), stretches of unbroken logging.
    run
        int (rows,), passes: blocks cut at their turns.
    heading
        float64 (rows,), radians clockwise from north; NaN where it stood.
    turn
        bool (rows,), rows in a turn.
    since, until
        float64 (rows,), seconds from the start and to the end of the pass.
    """

    x: Float
    y: Float
    time: Float
    block: Int
    run: Int
    heading: Float
    turn: NDArray[np.bool_]
    since: Float
    until: Float


def plane(lon: Float, lat: Float) -> tuple[Float, Float]:
    """Bring degrees of WGS 84 to metres of an equal-area plane around their middle."""
    here = CRS.from_dict(
        {
            "proj": "laea",
            "lat_0": float(np.nanmedian(lat)),
            "lon_0": float(np.nanmedian(lon)),
            "datum": "WGS84",
        }
    )
    to_plane = Transformer.from_crs("EPSG:4326", here, always_xy=True)
    x, y = to_plane.transform(lon, lat)
    return np.asarray(x), np.asarray(y)


def make_track(
    x: Float, y: Float, time: Float, *, gap: float, turn: float = 60.0
) -> Track:
    """Cut the rows of a logger into passes.

    Parameters
    ----------
    x, y
        Metres; rows in the order of the log.
    time
        Seconds, never less than the row before.
    gap
        Seconds between rows, above which logging was broken.
    turn
        Degrees between the way to a row and the way from it, above which it turns.
    """
    step = np.diff(time, prepend=time[:1])
    block = np.cumsum(step > gap, dtype=np.intp)
    first, last = _ends(block)
    rows = np.arange(len(x))
    back, ahead = np.maximum(rows - _REACH, first), np.minimum(rows + _REACH, last)
    came, goes = _angle(x, y, back, rows), _angle(x, y, rows, ahead)
    # Angles wrap: 359 and 1 degree are 2 degrees apart.
    bend = np.abs((goes - came + np.pi) % (2 * np.pi) - np.pi)
    turning = bend > np.radians(turn)
    run = _runs(block, turning)
    # Headings again, within the pass: over a turn they would be of neither.
    first, last = _ends(run)
    return Track(
        x=x,
        y=y,
        time=time,
        block=block,
        run=run,
        heading=_angle(
            x, y, np.maximum(rows - _REACH, first), np.minimum(rows + _REACH, last)
        ),
        turn=turning,
        since=time - time[first],
        until=time[last] - time,
    )


def steps_back(time: Float) -> NDArray[np.bool_]:
    """Rows that have to go for the clock to never step back: as few as possible.

    What is left is a longest non-decreasing subsequence: one row whose clock ran far
    ahead goes by itself, not all rows after it. NaN goes too.
    """
    ends: list[float] = []
    holders: list[int] = []
    before = np.full(len(time), -1)
    for row in np.flatnonzero(np.isfinite(time)).tolist():
        place = bisect_right(ends, time[row])
        before[row] = holders[place - 1] if place else -1
        ends[place : place + 1] = [float(time[row])]
        holders[place : place + 1] = [row]
    back = np.ones(len(time), bool)
    row = holders[-1] if holders else -1
    while row >= 0:
        back[row] = False
        row = int(before[row])
    return back


def _angle(x: Float, y: Float, start: Int, end: Int) -> Float:
    east, north = x[end] - x[start], y[end] - y[start]
    stood = np.hypot(east, north) == 0
    return np.where(stood, np.nan, np.arctan2(east, north))


def _runs(block: Int, turning: NDArray[np.bool_]) -> Int:
    changed = np.diff(block, prepend=block[:1]) != 0
    turned = np.diff(turning, prepend=turning[:1])
    return np.cumsum(changed | turned, dtype=np.intp)


def _ends(group: Int) -> tuple[Int, Int]:
    """First and last row of the stretch of equal numbers that each row is in."""
    begins = np.flatnonzero(np.diff(group, prepend=group[:1] - 1))
    sizes = np.diff(np.append(begins, len(group)))
    return np.repeat(begins, sizes), np.repeat(begins + sizes - 1, sizes)
