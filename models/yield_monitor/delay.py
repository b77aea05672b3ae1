"""Flow delay: the seconds between cutting grain and weighing it.

With a delay left in, what is weighed belongs to a place further back. On neighbouring
passes of opposite heading the error points opposite ways, so yields of neighbours agree
best at the true delay (after Beal and Tian 2001, Transactions of the ASAE 44:1243, and
the phase correlation of Lee et al. 2012, Precision Agriculture 13:411).
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from models.yield_monitor.passes import Track

__all__ = ["Delay", "DelayStatus", "find_delay", "shifted"]

Float = NDArray[np.float64]
Int = NDArray[np.intp]

# Seconds tried: an export may have been shifted too far already.
EARLIEST, LATEST = -12.0, 30.0

# Fewer pairs of neighbours than this say nothing.
MIN_PAIRS = 200

# Neighbours must agree better than unshifted ones by so much.
MIN_GAIN = 0.01

# Radians by which opposite passes may miss 180 degrees.
_PARALLEL = np.radians(25)
# Reaches the neighbouring pass and not the one after it.
_SWATHS = 1.6


class DelayStatus(StrEnum):
    """Where a delay is from."""

    ESTIMATED = "estimated"
    GIVEN = "given"
    NONE_SEEN = "none_seen"
    TOO_FEW_NEIGHBOURS = "too_few_neighbours"
    AT_EDGE = "at_edge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """A flow delay.

    Attributes
    ----------
    seconds
        By which grain is moved back; 0 unless it was estimated or given.
    status
        Where it is from.
    pairs
        Pairs of neighbours compared.
    tried
        Mismatch of neighbours (median absolute difference of the logarithms) by delay
        in seconds, for whoever wants to look.
    """

    seconds: float
    status: DelayStatus
    pairs: int
    tried: dict[float, float]


def shifted(values: Float, track: Track, seconds: float, *, interval: float) -> Float:
    """Take each row's value from the row `seconds` later in its block.

    float64 (rows,); NaN where no row of the block is nearer to that time than 0.6 of
    the interval. `values` and the times of the track are (rows,), the times sorted.
    """
    wanted = track.time + seconds
    after = np.clip(np.searchsorted(track.time, wanted), 1, len(values) - 1)
    nearer = wanted - track.time[after - 1] < track.time[after] - wanted
    source = np.where(nearer, after - 1, after) if len(values) > 1 else after * 0
    there = np.abs(track.time[source] - wanted) <= 0.6 * interval
    there &= track.block[source] == track.block
    return np.where(there, values[source], np.nan)


def find_delay(
    track: Track, flow: Float, area_rate: Float, *, interval: float, swath: float
) -> Delay:
    """Estimate the delay in whole rows: between them one would smooth, not shift.

    Parameters
    ----------
    track
        Of the rows, without those that cannot be true.
    flow
        Grain, kg/s at the basis moisture, as logged.
    area_rate
        Land cut, m2/s.
    interval
        Seconds of a row.
    swath
        Full width, m: neighbours are up to 1.6 of it away.
    """
    rows = range(int(EARLIEST / interval), int(LATEST / interval) + 1)
    one, other = _opposite_pairs(track, reach=_SWATHS * swath)
    logs = {
        row: _log_yield(
            shifted(flow, track, row * interval, interval=interval), area_rate
        )
        for row in rows
    }
    # The same pairs for every delay, or a delay could win by the pairs it loses.
    all_known = np.logical_and.reduce([np.isfinite(log) for log in logs.values()])
    kept = all_known[one] & all_known[other]
    one, other = one[kept], other[kept]
    if len(one) < MIN_PAIRS:
        return _none(DelayStatus.TOO_FEW_NEIGHBOURS, len(one), {})
    mismatch = {
        shift: float(np.median(np.abs(log[one] - log[other])))
        for shift, log in logs.items()
    }
    # Of equals the shorter shift: nothing is moved without need.
    best = min(mismatch, key=lambda shift: (mismatch[shift], abs(shift)))
    tried = {shift * interval: miss for shift, miss in mismatch.items()}
    # The best of a range at its edge is no minimum; the true one may lie beyond.
    if best in (rows[0], rows[-1]):
        return _none(DelayStatus.AT_EDGE, len(one), tried)
    if best == 0 or mismatch[best] > (1 - MIN_GAIN) * mismatch[0]:
        return _none(DelayStatus.NONE_SEEN, len(one), tried)
    return Delay(
        seconds=best * interval,
        status=DelayStatus.ESTIMATED,
        pairs=len(one),
        tried=tried,
    )


def _none(status: DelayStatus, pairs: int, tried: dict[float, float]) -> Delay:
    return Delay(seconds=0.0, status=status, pairs=pairs, tried=tried)


def _log_yield(flow: Float, area_rate: Float) -> Float:
    with np.errstate(divide="ignore", invalid="ignore"):
        # On logarithms a difference is a share: rich places would decide else.
        log = np.log(flow / area_rate)
    return np.where(np.isfinite(log), log, np.nan)


def _opposite_pairs(track: Track, *, reach: float) -> tuple[Int, Int]:
    """Rows next to each other on passes of opposite heading."""
    usable = np.flatnonzero(np.isfinite(track.heading) & ~track.turn)
    places = np.column_stack([track.x[usable], track.y[usable]])
    pairs = cKDTree(places).query_pairs(reach, output_type="ndarray")
    one, other = usable[pairs[:, 0]], usable[pairs[:, 1]]
    apart = np.abs(track.heading[one] - track.heading[other]) % (2 * np.pi)
    # Passes of one heading err the same way, so that any delay suits them.
    opposite = np.abs(apart - np.pi) < _PARALLEL
    return one[opposite], other[opposite]
