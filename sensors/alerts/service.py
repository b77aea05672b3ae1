"""The thread that evaluates the rules on what the store received.

One turn is one transaction: new readings after the cursors, the next states with their
cursors, the alerts and the notifications. A process killed at any moment has either
done a turn or not, and any process does the next one.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

import psycopg

from sensors.alerts.engine import State, acknowledged, step
from sensors.alerts.recording import Happened, at_time, record
from sensors.alerts.rules import Silence
from sensors.alerts.trial import stored_streams
from sensors.alerts.watches import Watch, backlog, begun, planned
from sensors.turns import Turning
from store import Store, alerts, rules
from store.alerts import OpenAlert, Row

__all__ = ["AlertService"]

PERIOD_S = 2.0
# Readings of one turn, over all streams: bounds memory after a long pause.
MOST_ROWS = 200_000
LEAST_PER_STREAM = 20
# Seconds after which everything is looked at although nothing seems to have changed.
# Whatever writes readings past the ingest is found then.
LOOK_S = 60.0
SECOND = 1_000_000

logger = logging.getLogger(__name__)


def _now_us() -> int:
    return time.time_ns() // 1000


class AlertService(Turning):
    """Evaluates all rules of a store, in a thread of its own.

    Several processes may run one: the database lets one at a time do a turn.

    Parameters
    ----------
    store
        Open store; the caller closes it after `stop`.
    period
        Seconds between turns. A changed rule counts from the next turn on.
    clock
        Microseconds since 1970 UTC; for tests.
    """

    def __init__(
        self,
        store: Store,
        *,
        period: float = PERIOD_S,
        clock: Callable[[], int] = _now_us,
    ) -> None:
        super().__init__("alerts", logger=logger, period=period)
        self._store = store
        self._clock = clock
        self._memory: _Memory | None = None

    def _turn(self) -> float:
        began = time.monotonic()
        more = self.evaluate()
        # With very many streams a turn is long: leave the others their share.
        spent = time.monotonic() - began
        return 0.0 if more else max(self._period, 2 * spent)

    def evaluate(self) -> bool:
        """Do one turn; True when more readings wait than one turn takes.

        Raises
        ------
        StoreError, psycopg.Error
            The database is away; nothing of the turn was kept, and the next one does
            it again.
        """
        # Whatever goes wrong below, what is remembered may not be what is stored.
        memory, self._memory = self._memory, None
        with self._store.connection() as conn, conn.transaction():
            turn = rules.take_turn(conn)
            if turn is None:
                return False
            memory = _loaded(conn, memory, turn)
            more = _turn(conn, memory, self._clock())
        self._memory = memory
        return more


class _Memory:
    """Watches with their states, as of the turn of a number.

    ``committed`` is what the writers had committed when all streams were last looked
    at, None where more waits.
    """

    def __init__(
        self, turn: int, planned_from: object, watches: Sequence[Watch]
    ) -> None:
        self.turn = turn
        self.planned_from = planned_from
        self.watches = watches
        self.committed: list[UUID] | None = None
        self.made_at = time.monotonic()


def _loaded(conn: psycopg.Connection, memory: _Memory | None, turn: int) -> _Memory:
    """Return what to evaluate: what is remembered, if nothing changed since."""
    present = rules.planned_from(conn)
    if (
        memory is not None
        and (memory.turn, memory.planned_from) == (turn, present)
        and time.monotonic() - memory.made_at < LOOK_S
    ):
        return memory
    rows = rules.all_rules(conn)
    if not rows:
        return _Memory(turn, present, [])
    stored = rules.states(conn)
    watches = planned(rows, stored_streams(conn), stored)
    _begin_silences(conn, [watch for watch in watches if watch.key not in stored])
    live = {watch.key for watch in watches}
    # Or a target that comes back into the scope would go on from where it stopped.
    rules.forget_states(conn, [key for key in stored if key not in live])
    return _Memory(turn, present, watches)


def _begin_silences(conn: psycopg.Connection, new: Sequence[Watch]) -> None:
    silences = [w for w in new if isinstance(w.rule.condition, Silence)]
    if not silences:
        return
    ids = {s.stream_id for watch in silences for s in watch.target.streams}
    newest = _by_stream(alerts.newest_readings(conn, sorted(ids)))
    for watch in silences:
        begun(watch, [r for s in watch.target.streams for r in newest[s.stream_id]])


def _by_stream(rows: Sequence[Row]) -> defaultdict[int, list[Row]]:
    found: defaultdict[int, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(row)
    return found


class _New(NamedTuple):
    """Readings of each stream after the earliest cursor of all watches.

    A stream with ``limit`` of them has more.
    """

    rows: Mapping[int, Sequence[Row]]
    limit: int


def _turn(conn: psycopg.Connection, memory: _Memory, now_us: int) -> bool:
    """Evaluate all watches once and write what came of it."""
    still_open = alerts.open_alerts(conn)
    # Asked before the readings are read: what comes between is found by the next turn.
    committed = rules.committed(conn)
    idle = committed == memory.committed
    new = _New({}, 1) if idle else _fetched(conn, memory.watches)
    happened, changed, more = _evaluated(memory.watches, new, still_open, now_us)
    memory.committed = None if more else committed
    stale = _stale(still_open, memory.watches)
    # Most turns change nothing, and then write nothing.
    if not (changed or stale):
        return more
    memory.turn = rules.next_turn(conn)
    rules.save_states(conn, {w.key: w.state.to_json() for w in changed})
    if happened:
        record(conn, happened, still_open, now_us=now_us)
    if stale:
        alerts.clear_stale(conn, stale, now=at_time(now_us))
    return more


def _evaluated(
    watches: Sequence[Watch], new: _New, still_open: Sequence[OpenAlert], now_us: int
) -> tuple[Happened, list[Watch], bool]:
    """Step watches; return the events, the changed ones, and whether more waits."""
    answered = {(a.rule_id, a.key) for a in still_open if a.acknowledged}
    happened, changed, more = [], [], False
    for watch in watches:
        # Most of them: with many streams this line is where the time goes.
        if not _heard(watch, new.rows) and _asleep(watch, now_us):
            continue
        todo = backlog(watch, new.rows, limit=new.limit, now_us=now_us)
        more = more or todo.until_us < now_us
        before = _answered(watch, answered)
        state, events = step(watch.rule, before, todo.readings, todo.until_us)
        if state != watch.state:
            watch.state = state
            changed.append(watch)
        if events:
            happened.append((watch, events))
    return happened, changed, more


def _fetched(conn: psycopg.Connection, watches: Sequence[Watch]) -> _New:
    """Read what is new of every watched stream, each once, in one statement."""
    cursors: dict[int, int] = {}
    for watch in watches:
        for stream in watch.target.streams:
            cursor = watch.cursor(stream.stream_id)
            known = cursors.get(stream.stream_id, cursor)
            cursors[stream.stream_id] = min(known, cursor)
    if not cursors:
        return _New({}, 1)
    limit = max(MOST_ROWS // len(cursors), LEAST_PER_STREAM)
    rows = alerts.new_readings(conn, list(cursors), list(cursors.values()), limit=limit)
    return _New(_by_stream(rows), limit)


def _heard(watch: Watch, rows: Mapping[int, Sequence[Row]]) -> bool:
    return any(stream.stream_id in rows for stream in watch.target.streams)


def _asleep(watch: Watch, now_us: int) -> bool:
    """Tell whether the clock alone cannot change anything."""
    state, rule = watch.state, watch.rule
    if state.opened_us is not None:
        return rule.remind_s is None and rule.escalate_s is None
    if isinstance(rule.condition, Silence):
        after_us = rule.condition.after_s * SECOND
        return state.seen_us is not None and now_us - state.seen_us <= after_us
    return True


def _answered(watch: Watch, answered: set[tuple[int, str]]) -> State:
    state = watch.state
    if watch.key in answered and not state.acknowledged:
        return acknowledged(state)
    return state


def _stale(still_open: Sequence[OpenAlert], watches: Sequence[Watch]) -> list[int]:
    """Return open alerts that no watch looks after; summaries end by themselves."""
    if not still_open:
        return []
    live = {watch.key for watch in watches}
    return [
        alert.alert_id
        for alert in still_open
        if (alert.rule_id, alert.key) not in live
        and not alert.key.startswith("summary:")
    ]
