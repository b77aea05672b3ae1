"""A thread whose turns fail says so, and not too often."""

import logging

import pytest

from sensors.turns import FaultLog
from store import DatabaseUnavailable

logger = logging.getLogger(__name__)


def test_a_fault_is_said_with_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    FaultLog(logger, "alerts").say(ValueError("broken"))
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert "ValueError: broken" in caplog.text


def test_a_database_that_is_away_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    FaultLog(logger, "alerts").say(DatabaseUnavailable("gone"))
    assert [r.getMessage() for r in caplog.records] == [
        "alerts: gone; tried again later"
    ]
    assert caplog.records[0].exc_info is None


def test_it_is_said_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = 100.0
    faults = FaultLog(logger, "alerts", clock=lambda: now)
    for now in (100.0, 101.0, 159.9, 160.0, 161.0):  # noqa: B007
        faults.say(ValueError("broken"))
    assert len(caplog.records) == 2
