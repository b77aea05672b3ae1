"""Alerts in the store: opened once, acknowledged once, found."""

from datetime import UTC, datetime, timedelta

import pytest

from store import Store, alerts
from store.alerts import AlertUnknown, NewAlert
from store.errors import RowRefused

AT = datetime(2026, 7, 1, tzinfo=UTC)


def new(key: str = "stream:1", *, minute: int = 0, severity: str = "info") -> NewAlert:
    at = AT + timedelta(minutes=minute)
    return NewAlert(
        rule_id=1,
        rule="heat",
        key=key,
        kind="threshold",
        farm="meadow",
        device_id="station-1",
        thing="barn",
        severity=severity,
        text_zh="热",
        text_en="Hot",
        value=41.0,
        evidence=[],
        simulated=False,
        opened_at=at,
        noticed_at=at,
    )


def opened(store: Store, alert: NewAlert, *, summary_id: int | None = None) -> int:
    with store.connection() as conn:
        return alerts.open_alert(conn, alert, summary_id=summary_id)


def test_a_second_open_alert_of_a_target_is_refused(store: Store) -> None:
    number = opened(store, new())
    with pytest.raises(RowRefused, match="alert_open_once"):
        opened(store, new())
    with store.connection() as conn:
        assert alerts.clear(conn, number, at=AT, now=AT, because="settled")
        assert not alerts.clear(conn, number, at=AT, now=AT, because="settled")
    opened(store, new())


def test_the_first_acknowledgement_stays(store: Store) -> None:
    number = opened(store, new())
    with store.connection() as conn:
        alerts.acknowledge(conn, number, by="Li", note="going", at=AT)
        again = alerts.acknowledge(conn, number, by="Bo", note="", at=AT)
        changes = alerts.history(conn, number)
    assert (again.acknowledged_by, again.note) == ("Li", "going")
    assert [c.change for c in changes] == ["opened", "acknowledged"]


def test_a_summary_is_acknowledged_with_its_alerts(store: Store) -> None:
    summary = opened(store, new("summary:meadow"))
    member = opened(store, new(), summary_id=summary)
    with store.connection() as conn:
        alerts.acknowledge(conn, summary, by="Li", note="", at=AT)
        assert alerts.get(conn, member).acknowledged_by == "Li"


def test_an_unknown_alert_is_an_error(store: Store) -> None:
    with store.connection() as conn:
        with pytest.raises(AlertUnknown, match="number 7"):
            alerts.get(conn, 7)
        with pytest.raises(AlertUnknown):
            alerts.acknowledge(conn, 7, by="Li", note="", at=AT)


def test_alerts_are_found_by_severity_and_above_newest_first(store: Store) -> None:
    opened(store, new("stream:1", minute=1))
    opened(store, new("stream:2", minute=2, severity="critical"))
    opened(store, new("stream:3", minute=3, severity="warning"))
    with store.connection() as conn:
        found = alerts.find(conn, severity="warning", limit=10)
        elsewhere = alerts.find(conn, farm="plain", limit=10)
        newest = alerts.find(conn, limit=1)
    assert [a.severity for a in found] == ["warning", "critical"]
    assert elsewhere == []
    assert [a.severity for a in newest] == ["warning"]


def test_an_alert_is_settled_when_cleared_and_acknowledged(store: Store) -> None:
    number = opened(store, new())
    with store.connection() as conn:
        alerts.clear(conn, number, at=AT, now=AT, because="settled")
        assert len(alerts.find(conn, limit=10)) == 1
        alerts.acknowledge(conn, number, by="Li", note="", at=AT)
        assert alerts.find(conn, limit=10) == []
        assert len(alerts.find(conn, settled=True, limit=10)) == 1


def test_a_severity_only_rises(store: Store) -> None:
    number = opened(store, new(severity="critical"))
    with store.connection() as conn:
        alerts.escalate(conn, number, "warning", at=AT, now=AT)
        assert alerts.get(conn, number).severity == "critical"
        assert len(alerts.history(conn, number)) == 1
