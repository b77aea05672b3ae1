"""One step of the QARTOD tests: state and new readings in, flags and state out.

Tests after the manuals of IOOS QARTOD (e.g. *Manual for Real-Time Quality Control of
In-situ Temperature and Salinity Data*, version 2.1, 2020): 1 gap, 3 location, 4 gross
range, 6 spike, 7 rate of change, 8 flat line. All are arithmetic on whole batches; only
the flat line is a loop, because where a run begins anew depends on the run before.

A result is kept as a rank, so that the worst of several is their maximum: `UNTESTED`,
`GOOD`, `SUSPECT`, `FAIL`.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sensors.quality.limits import Limits

__all__ = [
    "FLAG_OF_RANK",
    "LIMITS",
    "MISSING",
    "NEVER",
    "RANK_OF_FLAG",
    "STATE",
    "Readings",
    "Step",
    "limits_row",
    "step",
]

UNTESTED, GOOD, SUSPECT, FAIL = range(4)
MISSING = 9
FLAG_OF_RANK = np.array([2, 1, 3, 4], np.int16)
RANK_OF_FLAG = np.array([0, 1, 0, 2, 3, 0, 0, 0, 0, 0], np.int8)

# Half of what int64 holds: differences with real times stay in range, and are larger
# than any gap.
NEVER = -(2**62)
ENDLESS = 2**61
EARTH_RADIUS = 6_371_008.8  # m, the mean of IUGG

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ranks = NDArray[np.int8]
Rows = NDArray[np.void]

# One row a stream, sorted by stream; 72 bytes.
STATE = np.dtype(
    [
        ("stream", np.int32),
        ("limits", np.int32),  # row in the table of limits
        ("partner", np.int32),  # of a latitude: the stream of its longitude, else -1
        ("rank", np.int8),  # what the newest reading has so far
        ("time", np.int64),  # newest reading, or NEVER
        ("value", np.float64),
        ("time_before", np.int64),  # the one before it, or NEVER
        ("value_before", np.float64),
        ("run_start", np.int64),  # flat run that the newest reading belongs to
        ("run_low", np.float64),
        ("run_high", np.float64),
    ],
    align=True,
)

LIMITS = np.dtype(
    [
        ("fail_low", np.float64),
        ("fail_high", np.float64),
        ("suspect_low", np.float64),
        ("suspect_high", np.float64),
        ("spike_suspect", np.float64),
        ("spike_fail", np.float64),
        ("rate_suspect", np.float64),
        ("rate_fail", np.float64),
        ("flat_tolerance", np.float64),
        ("flat_suspect", np.int64),
        ("flat_fail", np.int64),
        ("gap", np.int64),
        ("speed", np.float64),
        ("has_range", np.bool_),
        ("has_spike", np.bool_),
        ("has_rate", np.bool_),
        ("has_flat", np.bool_),
        ("has_speed", np.bool_),
    ],
    align=True,
)


class Readings(NamedTuple):
    """Readings sorted by stream and, within one, in order of arrival.

    ``segment`` numbers the streams of the batch: the row of each in its state.
    """

    segment: NDArray[np.intp]
    time: Ints
    value: Floats


class Step(NamedTuple):
    """What a step gives: flags of the readings, new state, ranks of the newest before.

    ``revised`` has one rank for each row of state: that of the reading which was its
    newest before the step, now that its right neighbour is known.
    """

    flag: NDArray[np.int16]
    state: Rows
    revised: Ranks


class _Chain(NamedTuple):
    """The readings that go on from what is known, each with its left neighbour."""

    segment: NDArray[np.intp]
    time: Ints
    value: Floats
    limits: Rows
    first: Bools  # the first of its stream in this batch
    left_time: Ints
    left_value: Floats
    linked: Bools  # left neighbour exists and is not beyond a gap


def limits_row(limits: Limits) -> tuple[float | int | bool, ...]:
    """Give the row of `LIMITS` that stands for `limits`."""
    fail = limits.fail or (-np.inf, np.inf)
    suspect = limits.suspect or (-np.inf, np.inf)
    spike = (limits.spike_suspect, limits.spike_fail)
    rate = (limits.rate_suspect, limits.rate_fail)
    return (
        *fail,
        *suspect,
        *(np.inf if limit is None else limit for limit in spike + rate),
        0.0 if limits.flat_tolerance is None else limits.flat_tolerance,
        _microseconds(limits.flat_suspect_s),
        _microseconds(limits.flat_fail_s),
        _microseconds(limits.gap_s),
        np.inf if limits.speed is None else limits.speed,
        limits.fail is not None or limits.suspect is not None,
        spike != (None, None),
        rate != (None, None),
        limits.flat_tolerance is not None,
        limits.speed is not None,
    )


def _microseconds(seconds: float | None) -> int:
    return ENDLESS if seconds is None else min(round(seconds * 1e6), ENDLESS)


def step(state: Rows, table: Rows, readings: Readings) -> Step:
    """Test `readings` against the limits and the state of their streams.

    Parameters
    ----------
    state
        (streams of the batch,) of `STATE`, by stream; not changed.
    table
        (limits,) of `LIMITS`.
    readings
        See `Readings`; a value that is not finite is missing.
    """
    limits = table.take(state["limits"].take(readings.segment))
    rank = _range_rank(limits, readings.value)
    finite = np.isfinite(readings.value)
    onward = np.flatnonzero(_onward(state, readings, finite))
    chain = _chained(state, limits, readings, onward)
    worst, revised = _neighbour_ranks(state, chain)
    rank[onward] = np.maximum(rank[onward], worst)
    runs = _flat_runs(state, chain)
    rank[onward] = np.maximum(rank[onward], _flat_rank(chain, runs[0]))
    flag = FLAG_OF_RANK[rank]
    flag[~finite] = MISSING
    return Step(flag, _state_after(state, chain, rank[onward], runs), revised)


def _graded(value: Floats, suspect: Floats, fail: Floats) -> Ranks:
    """Rank values against two limits that they must not exceed."""
    rank: Ranks = (value > suspect).astype(np.int8)
    rank[value > fail] = 2
    return rank + np.int8(GOOD)


def _range_rank(limits: Rows, value: Floats) -> Ranks:
    rank = np.where(limits["has_range"], np.int8(GOOD), np.int8(UNTESTED))
    rank[(value < limits["suspect_low"]) | (value > limits["suspect_high"])] = SUSPECT
    rank[(value < limits["fail_low"]) | (value > limits["fail_high"])] = FAIL
    return rank


def _onward(state: Rows, readings: Readings, finite: Bools) -> Bools:
    """Find the readings newer than all of their stream before them.

    The others are late: they get their range tested and change nothing else.
    """
    ahead: Bools = finite & (readings.time > state["time"].take(readings.segment))
    in_order = (np.diff(readings.time) > 0) | (np.diff(readings.segment) > 0)
    if in_order.all() and finite.all():
        return ahead
    # Running maximum within each stream: the stream's number leads, its times follow.
    times, order = np.unique(readings.time, return_inverse=True)
    key = readings.segment * (len(times) + 1) + np.where(finite, order + 1, 0)
    before = np.maximum.accumulate(key)
    ahead[1:] &= key[1:] > before[:-1]
    return ahead


def _chained(
    state: Rows, limits: Rows, readings: Readings, onward: NDArray[np.intp]
) -> _Chain:
    segment = readings.segment[onward]
    time, value = readings.time[onward], readings.value[onward]
    first = _first(segment)
    left_time, left_value = _shifted(time), _shifted(value)
    left_time[first] = state["time"][segment[first]]
    left_value[first] = state["value"][segment[first]]
    chain_limits = limits.take(onward)
    linked = time - left_time <= chain_limits["gap"]
    # Without a limit the gap is endless, but nothing is no neighbour.
    linked &= left_time > NEVER
    return _Chain(
        segment, time, value, chain_limits, first, left_time, left_value, linked
    )


def _first(segment: NDArray[np.intp]) -> Bools:
    first = np.ones(len(segment), np.bool_)
    first[1:] = segment[1:] != segment[:-1]
    return first


def _shifted(column: NDArray[Any]) -> NDArray[Any]:
    """Move each element one place on; the first keeps its own."""
    shifted = np.empty_like(column)
    shifted[1:] = column[:-1]
    shifted[:1] = column[:1]
    return shifted


def _neighbour_ranks(state: Rows, chain: _Chain) -> tuple[Ranks, Ranks]:
    """Rank the readings of a chain, and what was newest before, by their neighbours."""
    worst = _rate_rank(chain)
    np.maximum(worst, _speed_rank(state, chain), out=worst)
    spike = _spike_rank_of_left(state, chain)
    first = np.flatnonzero(chain.first)
    revised = state["rank"].copy()
    before = chain.segment[first]
    revised[before] = np.maximum(revised[before], spike[first])
    inner = np.flatnonzero(~chain.first)
    worst[inner - 1] = np.maximum(worst[inner - 1], spike[inner])
    return worst, revised


def _rate_rank(chain: _Chain) -> Ranks:
    limits = chain.limits
    with np.errstate(over="ignore"):
        change = np.abs(chain.value - chain.left_value)
        rate = change / ((chain.time - chain.left_time) / 1e6)
    rank = _graded(rate, limits["rate_suspect"], limits["rate_fail"])
    rank[~(chain.linked & limits["has_rate"])] = UNTESTED
    return rank


def _spike_rank_of_left(state: Rows, chain: _Chain) -> Ranks:
    """Rank the left neighbour of each reading, now that both of its sides are known."""
    limits = chain.limits
    outer, linked = _shifted(chain.left_value), _shifted(chain.linked)
    before = state.take(chain.segment[chain.first])
    outer[chain.first] = before["value_before"]
    apart = before["time"] - before["time_before"]
    linked[chain.first] = (apart <= limits["gap"][chain.first]) & (
        before["time_before"] > NEVER
    )
    with np.errstate(over="ignore"):
        height = np.abs(chain.left_value - (outer + chain.value) / 2)
    rank = _graded(height, limits["spike_suspect"], limits["spike_fail"])
    rank[~(chain.linked & linked & limits["has_spike"])] = UNTESTED
    return rank


def _speed_rank(state: Rows, chain: _Chain) -> Ranks:
    """Rank fixes, of which both coordinates came in this batch, by the way covered."""
    rank = np.zeros(len(chain.time), np.int8)
    partner = state["partner"].take(chain.segment)
    north = np.flatnonzero((partner >= 0) & chain.limits["has_speed"] & chain.linked)
    if not len(north):
        return rank
    north, east = _paired(state, chain, north, partner[north])
    seconds = (chain.time[north] - chain.left_time[north]) / 1e6
    metres = _distance(
        latitude=(chain.left_value[north], chain.value[north]),
        longitude=(chain.left_value[east], chain.value[east]),
    )
    limit = chain.limits["speed"][north]
    rank[north] = _graded(metres / seconds, limit, np.full_like(limit, np.inf))
    rank[east] = rank[north]
    return rank


def _paired(
    state: Rows, chain: _Chain, north: NDArray[np.intp], partner: NDArray[np.int32]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find the longitude of each latitude: same time, same time of the fix before."""
    times, order = np.unique(chain.time, return_inverse=True)
    key = chain.segment * len(times) + order
    segment = np.searchsorted(state["stream"], partner)
    segment[segment == len(state)] = 0
    wanted = segment * len(times) + order[north]
    east = np.searchsorted(key, wanted)
    east[east == len(key)] = 0
    same = (key[east] == wanted) & (state["stream"][segment] == partner)
    same &= chain.left_time[east] == chain.left_time[north]
    return north[same], east[same]


def _distance(
    *, latitude: tuple[Floats, Floats], longitude: tuple[Floats, Floats]
) -> Floats:
    """Great-circle distance in m between two fixes in degrees, by the haversine."""
    south, north = np.radians(latitude[0]), np.radians(latitude[1])
    east = np.radians(longitude[1] - longitude[0])
    half = np.sin((north - south) / 2) ** 2
    half = half + np.cos(south) * np.cos(north) * np.sin(east / 2) ** 2
    return np.asarray(2 * EARTH_RADIUS * np.arcsin(np.sqrt(np.clip(half, 0, 1))))


Runs = tuple[Ints, Floats, Floats]


def _flat_runs(state: Rows, chain: _Chain) -> Runs:
    """Start, lowest and highest of the flat run that each reading of a chain ends.

    A reading that would widen the run to the tolerance, or comes after a gap, begins a
    new one.
    """
    before = state.take(chain.segment)
    low = np.minimum(before["run_low"], chain.value)
    high = np.maximum(before["run_high"], chain.value)
    with np.errstate(over="ignore"):
        goes_on = high - low < chain.limits["flat_tolerance"]
    goes_on &= chain.linked & chain.first
    start = np.where(goes_on, before["run_start"], chain.time)
    low = np.where(goes_on, low, chain.value)
    high = np.where(goes_on, high, chain.value)
    _run_on(chain, (start, low, high))
    return start, low, high


def _run_on(chain: _Chain, runs: Runs) -> None:
    """Carry the runs from each first reading of a stream on through the others."""
    tolerance = chain.limits["flat_tolerance"]
    with np.errstate(over="ignore"):
        near = np.abs(chain.value - chain.left_value) < tolerance
    rows = np.flatnonzero(near & chain.linked & ~chain.first)
    if not len(rows):
        return
    starts, lows, highs = (column.tolist() for column in runs)
    values, tolerances = chain.value[rows].tolist(), tolerance[rows].tolist()
    for row, value, widest in zip(rows.tolist(), values, tolerances, strict=True):
        low, high = min(lows[row - 1], value), max(highs[row - 1], value)
        if high - low < widest:
            starts[row], lows[row], highs[row] = starts[row - 1], low, high
    for column, carried in zip(runs, (starts, lows, highs), strict=True):
        column[:] = carried


def _flat_rank(chain: _Chain, start: Ints) -> Ranks:
    lasted = chain.time - start
    rank = np.full(len(start), np.int8(GOOD))
    rank[lasted >= chain.limits["flat_suspect"]] = SUSPECT
    rank[lasted >= chain.limits["flat_fail"]] = FAIL
    rank[~(chain.linked & chain.limits["has_flat"])] = UNTESTED
    return rank


def _state_after(state: Rows, chain: _Chain, rank: Ranks, runs: Runs) -> Rows:
    """State with the last reading of each stream in the chain as its newest."""
    last = np.flatnonzero(_first(chain.segment[::-1])[::-1])
    # numpy copies records field by field, but takes them whole: ten times faster.
    after = state.take(np.arange(len(state)))
    rows = chain.segment[last]
    columns: dict[str, NDArray[Any]] = {
        "rank": rank,
        "time": chain.time,
        "value": chain.value,
        "time_before": chain.left_time,
        "value_before": chain.left_value,
        "run_start": runs[0],
        "run_low": runs[1],
        "run_high": runs[2],
    }
    for name, column in columns.items():
        after[name][rows] = column[last]
    return after
