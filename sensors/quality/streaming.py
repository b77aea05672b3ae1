"""Quality flags of readings as they come, with a small memory of each stream.

How a stream differs from the whole series that the manuals and ioos-qc look at:

- The spike test needs the next reading. Until it comes, a reading has the flag of the
  other tests; then the flag of the earlier one may be revised (`Flags.revised_flag`).
- A reading that is not newer than all before it in its stream (late, repeated,
  corrected) gets its range tested, and is nobody's neighbour.
- After a gap longer than ``Limits.gap_s`` the first reading has no left neighbour, and
  the last before the gap no right one: spike, rate, flat line and speed are not
  evaluated for them. ioos-qc ignores gaps, and calls a first reading good.
- A value that is not finite is flagged 9 and skipped; ioos-qc also leaves its
  neighbours untested.
- A flat line lasts as long as its run: the run begins anew with the reading that widens
  it to the tolerance. ioos-qc slides a window of a number of readings, which may begin
  earlier. So a stream never flags more; both agree when readings either repeat or
  differ by the tolerance at least.
- Several processes that share the readings of a stream each see their own as
  neighbours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sensors.quality.errors import StreamNotAdded
from sensors.quality.limits import Limits
from sensors.quality.steps import (
    FLAG_OF_RANK,
    LIMITS,
    NEVER,
    RANK_OF_FLAG,
    STATE,
    Readings,
    Rows,
    limits_row,
    step,
)

__all__ = ["HISTORY", "Flags", "History", "Quality"]

# Readings of a stream worth giving to `Quality.add`: two days of hours. Flat lines that
# began before them are found again as long after.
HISTORY = 48


class History(NamedTuple):
    """Stored readings in any order: what `store.readings.recent` gives."""

    stream_id: NDArray[np.int32]
    time_us: NDArray[np.int64]
    value: NDArray[np.float64]
    flag: NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Flags:
    """QARTOD flags of a batch, and of earlier readings that it throws new light on.

    Attributes
    ----------
    flag
        (n,) flags of the batch in its order: 1 good, 2 not evaluated, 3 suspect,
        4 fail, 9 missing.
    revised_stream, revised_time_us, revised_flag
        (k,) readings of earlier batches whose flag is another now.
    """

    flag: NDArray[np.int16]
    revised_stream: NDArray[np.int32]
    revised_time_us: NDArray[np.int64]
    revised_flag: NDArray[np.int16]


class _Pending(NamedTuple):
    """New state of streams, and the rows it belongs in."""

    rows: NDArray[np.intp]
    after: Rows


class Quality:
    """Tests batch after batch; for one thread.

    A batch takes effect by `commit` only. Evaluating again before it, the same batch or
    a part of it, starts from the same state, so that a failed transaction can be tried
    again. `add` and `forget` drop what is not committed.

    Takes 76 bytes a stream.
    """

    def __init__(self) -> None:
        self._state = np.empty(0, STATE)
        # The column "stream" of the state once more: searching wants it in one piece.
        self._streams = np.empty(0, np.int32)
        self._table = np.empty(0, LIMITS)
        self._known_limits: dict[Limits, int] = {}
        self._pending: _Pending | None = None

    def __len__(self) -> int:
        return len(self._state)

    def unknown(self, stream_ids: ArrayLike) -> NDArray[np.int32]:
        """Return the streams among `stream_ids` that must be added first, sorted."""
        wanted = np.unique(np.asarray(stream_ids, np.int32))
        return np.setdiff1d(wanted, self._streams, assume_unique=True)

    def add(
        self,
        stream_ids: ArrayLike,
        limits: Sequence[Limits],
        history: History
        | tuple[
            NDArray[np.int32],
            NDArray[np.int64],
            NDArray[np.float64],
            NDArray[np.int16],
        ]
        | None = None,
        *,
        partners: ArrayLike | None = None,
    ) -> None:
        """Make streams known; one that is known already starts anew.

        Parameters
        ----------
        stream_ids
            (m,) streams, each once.
        limits
            (m,) the limits of each.
        history
            The newest `HISTORY` stored readings of each stream, in any order; None for
            streams without readings.
        partners
            (m,) for the stream of a latitude the stream of its longitude, -1 for all
            others: the speed is tested where both come with equal times in one batch.
        """
        ids = np.asarray(stream_ids, np.int32)
        order = np.argsort(ids)
        rows = np.zeros(len(ids), STATE)
        rows["stream"] = ids
        rows["limits"] = [self._limits_index(each) for each in limits]
        rows["partner"] = -1 if partners is None else partners
        rows["time"] = rows["time_before"] = rows["run_start"] = NEVER
        rows = rows.take(order)
        if history is not None:
            rows = self._replayed(rows, History(*history))
        merged = np.concatenate((self._without(ids), rows))
        self._keep(merged.take(np.argsort(merged["stream"])))

    def forget(self, stream_ids: ArrayLike) -> None:
        """Drop the state of streams; unknown ones are ignored.

        For streams that are gone, that got new limits or whose readings were corrected.
        """
        self._keep(self._without(np.asarray(stream_ids, np.int32)))

    def evaluate(
        self,
        stream_id: NDArray[np.int32],
        time_us: NDArray[np.int64],
        value: NDArray[np.float64],
    ) -> Flags:
        """Flag a batch in its order of arrival; the worst of its tests is the flag.

        Parameters
        ----------
        stream_id, time_us, value
            (n,) readings; microseconds since 1970 UTC, unit of the stream.

        Raises
        ------
        StreamNotAdded
            A stream is unknown.
        """
        order = np.argsort(stream_id, kind="stable")
        streams, readings = _by_stream(stream_id[order], time_us[order], value[order])
        rows = self._rows(streams)
        before = self._state.take(rows)
        done = step(before, self._table, readings)
        self._pending = _Pending(rows, done.state)
        flag = np.empty(len(order), np.int16)
        flag[order] = done.flag
        changed = np.flatnonzero(done.revised != before["rank"])
        return Flags(
            flag,
            before["stream"][changed],
            before["time"][changed],
            FLAG_OF_RANK[done.revised[changed]],
        )

    def commit(self) -> None:
        """Let the batch last evaluated take effect; without one, do nothing."""
        if self._pending is None:
            return
        rows, after = self._pending
        self._pending = None
        self._state.put(rows, after)

    def _rows(self, streams: NDArray[np.int32]) -> NDArray[np.intp]:
        """Rows of sorted streams in the state."""
        known = self._streams
        rows = np.searchsorted(known, streams)
        found = rows < len(known)
        found[found] = known[rows[found]] == streams[found]
        if not found.all():
            raise StreamNotAdded(
                f"streams {streams[~found][:5].tolist()} were not added: ask unknown()"
                " and add() first · 数据流尚未登记"
            )
        return rows

    def _without(self, streams: NDArray[np.int32]) -> Rows:
        return self._state[~np.isin(self._streams, streams)]

    def _keep(self, state: Rows) -> None:
        """Replace the whole state; what was not committed no longer fits it."""
        self._state = state
        self._streams = state["stream"].copy()
        self._pending = None

    def _limits_index(self, limits: Limits) -> int:
        index = self._known_limits.setdefault(limits, len(self._known_limits))
        if index == len(self._table):
            row = np.array([limits_row(limits)], LIMITS)
            self._table = np.concatenate((self._table, row))
        return index

    def _replayed(self, rows: Rows, history: History) -> Rows:
        """State of new streams after the readings that they have stored."""
        wanted = np.isin(history.stream_id, rows["stream"])
        use = np.flatnonzero(wanted & np.isfinite(history.value))
        if not len(use):
            return rows
        order = use[np.lexsort((history.time_us[use], history.stream_id[use]))]
        streams, readings = _by_stream(
            history.stream_id[order], history.time_us[order], history.value[order]
        )
        at = np.searchsorted(rows["stream"], streams)
        after = step(rows.take(at), self._table, readings).state
        # What the store says of the newest counts, by whatever limits it was flagged.
        newest = np.append(np.flatnonzero(np.diff(readings.segment)), len(order) - 1)
        after["rank"] = RANK_OF_FLAG[history.flag[order[newest]]]
        rows[at] = after
        return rows


def _by_stream(
    stream_id: NDArray[np.int32], time_us: NDArray[np.int64], value: NDArray[np.float64]
) -> tuple[NDArray[np.int32], Readings]:
    """Streams of sorted readings, and the readings with the number of theirs."""
    first = np.ones(len(stream_id), np.bool_)
    first[1:] = stream_id[1:] != stream_id[:-1]
    return stream_id[first], Readings(np.cumsum(first) - 1, time_us, value)
