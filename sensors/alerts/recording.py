"""From the events of one evaluation to the alerts in the store.

Many openings of one rule on one farm become a summary: each alert is kept, but only
the summary is told to people.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import psycopg

from sensors.alerts.engine import Change, Event
from sensors.alerts.rules import Rule, Severity
from sensors.alerts.texts import summary_texts, texts
from sensors.alerts.watches import Watch
from store import alerts
from store.alerts import NewAlert, OpenAlert

__all__ = ["Happened", "at_time", "new_alert", "record", "storms"]

Happened = Sequence[tuple[Watch, Sequence[Event]]]


def storms(rule: Rule, *, recent: int, new: int) -> bool:
    """Tell whether `new` openings after `recent` ones are too many to tell singly."""
    return recent + new > rule.group.openings


def record(
    conn: psycopg.Connection,
    happened: Happened,
    still_open: Sequence[OpenAlert],
    *,
    now_us: int,
) -> None:
    """Write the events of one evaluation, and the notifications they cause.

    Parameters
    ----------
    happened
        Events of each watch, in their order.
    still_open
        All open alerts before these events.
    """
    recorder = _Recorder(conn, still_open, at_time(now_us))
    groups = defaultdict(list)
    for watch, events in happened:
        groups[watch.rule_id, watch.target.farm].append((watch, events))
    for group in groups.values():
        recorder.group(group)
    if any(e.change is Change.CLEARED for _, events in happened for e in events):
        alerts.clear_summaries(conn, now=recorder.now)


class _Recorder:
    """Writes events; knows the number of each open alert."""

    def __init__(
        self, conn: psycopg.Connection, still_open: Sequence[OpenAlert], now: datetime
    ) -> None:
        self.conn = conn
        self.now = now
        self.numbers = {(a.rule_id, a.key): a.alert_id for a in still_open}

    def group(self, happened: Happened) -> None:
        """Write the events of one rule on one farm."""
        first = happened[0][0]
        opened = [e for _, events in happened for e in events if _opens(e)]
        summary_key = (first.rule_id, f"summary:{first.target.farm}")
        summary = self.numbers.get(summary_key)
        # Before its members: an alert that opens with a summary is not told itself.
        if opened and summary is None and self._too_many(first, len(opened)):
            # One real device among them makes it an alert to act on.
            simulated = all(watch.target.simulated for watch, _ in happened)
            summary = self._open_summary(first, opened, simulated=simulated)
            self.numbers[summary_key] = summary
        for watch, events in happened:
            for event in events:
                self._write(watch, event, summary)
        if opened and summary is not None:
            self._grow(first, summary, opened)

    def _too_many(self, watch: Watch, new: int) -> bool:
        since = self.now - timedelta(seconds=watch.rule.group.window_s)
        recent = alerts.recent_openings(
            self.conn, watch.rule_id, watch.target.farm, since=since
        )
        return storms(watch.rule, recent=recent, new=new)

    def _open_summary(
        self, watch: Watch, opened: Sequence[Event], *, simulated: bool
    ) -> int:
        zh, en = summary_texts(watch.rule, watch.target.farm, len(opened))
        new = NewAlert(
            rule_id=watch.rule_id,
            rule=watch.rule.name,
            key=f"summary:{watch.target.farm}",
            kind="summary",
            farm=watch.target.farm,
            device_id="",
            thing="",
            severity=_loudest(opened).value,
            text_zh=zh,
            text_en=en,
            value=len(opened),
            evidence=[],
            simulated=simulated,
            opened_at=at_time(min(event.at_us for event in opened)),
            noticed_at=self.now,
        )
        return alerts.open_alert(self.conn, new, summary_id=None)

    def _grow(self, watch: Watch, summary: int, opened: Sequence[Event]) -> None:
        count = alerts.members(self.conn, summary)
        told = summary_texts(watch.rule, watch.target.farm, count)
        alerts.grow(self.conn, summary, count=count, texts=told)
        alerts.escalate(
            self.conn, summary, _loudest(opened).value, at=self.now, now=self.now
        )

    def _write(self, watch: Watch, event: Event, summary: int | None) -> None:
        at = at_time(event.at_us)
        if _opens(event):
            self.numbers[watch.key] = alerts.open_alert(
                self.conn, new_alert(watch, event, self.now), summary_id=summary
            )
            return
        # Gone only if somebody deleted rows by hand: then there is nothing to change.
        number = self.numbers.get(watch.key)
        if number is None:
            return
        if event.change is Change.ESCALATED:
            severity = event.severity.value
            alerts.escalate(self.conn, number, severity, at=at, now=self.now)
        elif event.change is Change.REMINDED:
            alerts.announce(self.conn, number, at=at, now=self.now)
        else:
            alerts.clear(self.conn, number, at=at, now=self.now, because="settled")


def new_alert(watch: Watch, event: Event, now: datetime) -> NewAlert:
    """Return the row of an alert that an event opens."""
    target, rule = watch.target, watch.rule
    zh, en = texts(rule, target, event)
    names = {stream.stream_id: stream for stream in target.streams}
    return NewAlert(
        rule_id=watch.rule_id,
        rule=rule.name,
        key=target.key,
        kind=rule.kind,
        farm=target.farm,
        device_id=target.device_id,
        thing=target.thing,
        severity=event.severity.value,
        text_zh=zh,
        text_en=en,
        value=event.value,
        evidence=[
            {
                "stream_id": entry.stream_id,
                "device_id": names[entry.stream_id].device_id,
                "quantity": names[entry.stream_id].quantity,
                "time": at_time(entry.time_us).isoformat(),
                "value": entry.value,
            }
            for entry in event.evidence
            if entry.stream_id in names
        ],
        simulated=target.simulated,
        opened_at=at_time(event.at_us),
        noticed_at=now,
    )


def _opens(event: Event) -> bool:
    return event.change is Change.OPENED


def _loudest(events: Sequence[Event]) -> Severity:
    return max((event.severity for event in events), key=lambda s: s.rank)


def at_time(time_us: int) -> datetime:
    """Return microseconds since 1970 UTC as an aware datetime."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)
