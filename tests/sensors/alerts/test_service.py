"""Rules over a store: what is evaluated, remembered and told, and by whom."""

import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from sensors.alerts import (
    Condition,
    Flaps,
    Formula,
    Group,
    Input,
    Rule,
    Scope,
    Severity,
    Silence,
    Threshold,
)
from sensors.alerts.recording import at_time
from sensors.alerts.service import AlertService
from store import Store, alerts, devices, rules
from store.alerts import Alert
from tests.sensors.alerts.conftest import START, Farm
from tests.sensors.conftest import until

HOT = Threshold("above", 30, clear=28, critical=40)


def ruled(
    condition: Condition,
    scope: Scope | None = None,
    *,
    name: str = "hot",
    group: Group | None = None,
    remind_s: float | None = None,
) -> Rule:
    return Rule(
        name=name,
        condition=condition,
        scope=scope or Scope(quantity="air_temperature"),
        severity=Severity.WARNING,
        text_zh="{thing} 气温 {value}",
        text_en="{thing} is at {value} on {farm}",
        flaps=Flaps(openings=100),
        group=group or Group(openings=100),
        remind_s=remind_s,
    )


def service(farm: Farm) -> AlertService:
    return AlertService(farm.store, clock=farm.clock)


def turn(farm: Farm, minute: float, *, by: AlertService | None = None) -> bool:
    farm.minute = minute
    return (by or service(farm)).evaluate()


def found(farm: Farm, *, settled: bool = True) -> list[Alert]:
    with farm.store.connection() as conn:
        return alerts.find(conn, settled=settled, limit=1000)


def test_an_alert_opens_with_its_readings_and_clears(farm: Farm) -> None:
    farm.put(ruled(HOT))
    farm.write("station-1", [(1, 20), (2, 31.5)])
    turn(farm, 3)
    (alert,) = found(farm)
    assert alert.text_en == "at-station-1 is at 31.5 on meadow"
    assert alert.text_zh == "at-station-1 气温 31.5"
    assert (alert.farm, alert.device_id) == ("meadow", "station-1")
    assert alert.opened_at.isoformat() == "2026-07-01T00:02:00+00:00"
    assert alert.evidence == [
        {
            "stream_id": farm.stream("station-1"),
            "device_id": "station-1",
            "quantity": "air_temperature",
            "time": "2026-07-01T00:02:00+00:00",
            "value": 31.5,
        }
    ]
    farm.write("station-1", [(4, 27)])
    turn(farm, 5)
    (alert,) = found(farm)
    assert alert.cleared_at is not None
    assert alert.cleared_because == "settled"


def test_each_turn_by_another_process_gives_what_one_gives(farm: Farm) -> None:
    farm.put(ruled(HOT))
    for minute, value in enumerate([20, 31, 29, 31, 27, 35, 41, 20], start=1):
        farm.write("station-1", [(minute, value)])
        # A new service remembers nothing of its own.
        turn(farm, minute)
        turn(farm, minute)
    lives = [(a.opened_at.minute, a.cleared_at, a.severity) for a in found(farm)]
    assert [(m, c and c.minute, s) for m, c, s in lives] == [
        (6, 8, "critical"),
        (2, 5, "warning"),
    ]


def test_what_came_while_nobody_looked_is_evaluated_afterwards(farm: Farm) -> None:
    farm.put(ruled(HOT))
    turn(farm, 0)
    farm.write("station-1", [(1, 31), (2, 20), (3, 32), (4, 20)])
    turn(farm, 600)
    assert [(a.opened_at.minute, a.cleared_at is None) for a in found(farm)] == [
        (3, False),
        (1, False),
    ]


def test_readings_before_the_rule_was_made_do_not_count(farm: Farm) -> None:
    farm.write("station-1", [(1, 99)])
    farm.minute = 2
    farm.put(ruled(HOT))
    turn(farm, 3)
    assert found(farm) == []


def test_more_readings_than_one_turn_takes_wait_for_the_next(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sensors.alerts.service.MOST_ROWS", 1)
    monkeypatch.setattr("sensors.alerts.service.LEAST_PER_STREAM", 3)
    farm.put(ruled(HOT))
    farm.write("station-1", [(m, 31 if m % 2 else 20) for m in range(1, 11)])
    by = service(farm)
    turns = 1
    while turn(farm, 60, by=by):
        turns += 1
    assert turns == 4
    assert len(found(farm)) == 5


def test_a_formula_sees_its_streams_in_step_however_many_wait(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sensors.alerts.service.MOST_ROWS", 1)
    monkeypatch.setattr("sensors.alerts.service.LEAST_PER_STREAM", 3)
    both = Formula(
        expression="t + rh > 100",
        inputs={"t": Input("air_temperature"), "rh": Input("relative_humidity")},
    )
    farm.put(ruled(both, Scope(farm="meadow")))
    # Ever 99, but 109 where a humidity met a temperature of another time.
    farm.write("station-1", [(m, 39 - m % 2 * 10) for m in range(1, 11)])
    farm.write(
        "station-1",
        [(m, 60 + m % 2 * 10) for m in range(1, 11)],
        quantity="relative_humidity",
    )
    by = service(farm)
    while turn(farm, 60, by=by):
        pass
    assert found(farm) == []
    farm.write("station-1", [(61, 50)])
    turn(farm, 62, by=by)
    (alert,) = found(farm)
    assert [entry["value"] for entry in alert.evidence] == [50, 60]


def test_a_silent_device_is_told_once_and_comes_back(farm: Farm) -> None:
    farm.add("station-2")
    farm.write("station-1", [(0, 20)])
    farm.minute = 5
    farm.put(ruled(Silence(1800), Scope(kind="weather-station"), name="silent"))
    turn(farm, 20)
    assert found(farm) == []
    turn(farm, 31)
    turn(farm, 32)
    (alert,) = found(farm)
    assert (alert.kind, alert.device_id) == ("silence", "station-1")
    # Heard before the rule was made; the other was never heard: silent from minute 20.
    assert alert.opened_at.minute == 30
    turn(farm, 51)
    assert {a.device_id for a in found(farm)} == {"station-1", "station-2"}
    farm.write("station-1", [(52, 20)])
    turn(farm, 53)
    assert [a.device_id for a in found(farm, settled=False) if not a.cleared_at] == [
        "station-2"
    ]


def test_acknowledging_stops_reminders_and_a_cleared_one_stays_visible(
    farm: Farm,
) -> None:
    farm.put(ruled(HOT, remind_s=3600))
    farm.write("station-1", [(1, 31)])
    turn(farm, 1)
    turn(farm, 70)
    (alert,) = found(farm)
    with farm.store.connection() as conn:
        alerts.acknowledge(
            conn, alert.alert_id, by="Li", note="on my way", at=alert.noticed_at
        )
    turn(farm, 200)
    with farm.store.connection() as conn:
        changes = alerts.history(conn, alert.alert_id)
    assert [c.change for c in changes] == ["opened", "reminded", "acknowledged"]
    assert (changes[2].by, changes[2].note) == ("Li", "on my way")
    farm.write("station-1", [(201, 20)])
    turn(farm, 202)
    assert found(farm, settled=False) == []
    farm.write("station-1", [(203, 31), (204, 20)])
    turn(farm, 205)
    (unanswered,) = found(farm, settled=False)
    assert unanswered.cleared_at is not None


def test_a_changed_or_removed_rule_clears_its_alerts(farm: Farm) -> None:
    farm.put(ruled(HOT))
    farm.write("station-1", [(1, 31)])
    turn(farm, 2)
    farm.put(ruled(Threshold("above", 50)))
    by = service(farm)
    turn(farm, 3, by=by)
    (alert,) = found(farm)
    assert alert.cleared_because == "rule changed"
    farm.write("station-1", [(4, 55)])
    turn(farm, 5, by=by)
    with farm.store.connection() as conn:
        rules.remove(conn, "hot")
    turn(farm, 6, by=by)
    assert [a.cleared_because for a in found(farm)] == ["rule changed"] * 2


def test_a_rule_that_cannot_be_read_does_not_stop_the_others(farm: Farm) -> None:
    farm.put(ruled(HOT))
    with farm.store.connection() as conn:
        rules.put(conn, name="a", body={"odd": 1}, at=at_time(farm.clock()), by="test")
    farm.write("station-1", [(1, 31)])
    turn(farm, 2)
    assert len(found(farm)) == 1


def test_two_hundred_devices_are_told_as_one(farm: Farm) -> None:
    with_channel(farm)
    for number in range(200):
        farm.add(f"field-{number}", farm="plain")
    farm.put(ruled(HOT, group=Group(openings=5, window_s=600)))
    for number in range(200):
        farm.write(f"field-{number}", [(1, 31)])
    by = service(farm)
    turn(farm, 2, by=by)
    (summary,) = found(farm)
    assert (summary.kind, summary.farm, summary.value) == ("summary", "plain", 200)
    assert summary.text_en == ("200 alerts of rule hot on plain within a short time")
    assert notifications(farm) == ["opened"]
    with farm.store.connection() as conn:
        members = alerts.find(conn, summary_id=summary.alert_id, limit=1000)
    assert len(members) == 200
    # One gets worse: the summary does too. All but one end: it stays.
    farm.write("field-0", [(3, 41)])
    for number in range(1, 200):
        farm.write(f"field-{number}", [(4, 20)])
    turn(farm, 5, by=by)
    assert [(a.severity, a.cleared_at) for a in found(farm)] == [("critical", None)]
    farm.write("field-0", [(6, 20)])
    turn(farm, 7, by=by)
    assert found(farm)[0].cleared_at is not None
    assert notifications(farm) == ["opened", "escalated", "cleared"]


def test_a_storm_that_comes_slowly_is_folded_from_the_limit_on(farm: Farm) -> None:
    with_channel(farm)
    for number in range(9):
        farm.add(f"field-{number}", farm="plain")
    farm.put(ruled(HOT, group=Group(openings=3, window_s=600)))
    by = service(farm)
    for number in range(9):
        farm.write(f"field-{number}", [(number + 1, 31)])
        turn(farm, number + 1, by=by)
    assert [a.kind for a in found(farm)] == ["summary"] + ["threshold"] * 3
    assert notifications(farm) == ["opened"] * 4


def with_channel(farm: Farm) -> None:
    with farm.store.connection() as conn:
        conn.execute(
            "INSERT INTO notification_channel (name, kind, address, language, severity,"
            " per_hour, created_at) VALUES ('w', 'webhook', 'http://x', 'en', 'info',"
            " 60, now())"
        )


def notifications(farm: Farm) -> Sequence[str]:
    with farm.store.connection() as conn:
        rows = conn.execute(
            "SELECT change FROM notification JOIN alert_change USING (change_id)"
            " ORDER BY notification_id"
        ).fetchall()
    return [change for (change,) in rows]


def test_simulated_devices_raise_simulated_alerts(farm: Farm) -> None:
    farm.add("demo", simulated=True)
    farm.put(ruled(HOT))
    farm.write("demo", [(1, 31)])
    turn(farm, 2)
    assert [a.simulated for a in found(farm)] == [True]


def test_while_one_transaction_evaluates_another_does_not(farm: Farm) -> None:
    farm.put(ruled(HOT))
    farm.write("station-1", [(1, 31)])
    with farm.store.connection() as conn:
        assert rules.take_turn(conn) is not None
        turn(farm, 2)
        assert found(farm) == []
    turn(farm, 2)
    assert len(found(farm)) == 1


def test_a_process_that_remembers_an_old_turn_reads_the_states_anew(farm: Farm) -> None:
    farm.put(ruled(HOT))
    first, second = service(farm), service(farm)
    turn(farm, 0, by=first)
    farm.write("station-1", [(1, 31)])
    turn(farm, 1, by=second)
    turn(farm, 2, by=first)
    assert [a.cleared_at is None for a in found(farm)] == [True]
    farm.write("station-1", [(3, 20)])
    turn(farm, 3, by=first)
    turn(farm, 3, by=second)
    assert [a.cleared_at is None for a in found(farm)] == [False]


def test_while_nobody_stores_anything_no_stream_is_read(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm.put(ruled(HOT))
    farm.put(ruled(Silence(1800), Scope(kind="weather-station"), name="silent"))
    farm.write("station-1", [(0, 20)])
    by, reads = service(farm), counted(monkeypatch)
    turn(farm, 1, by=by)
    assert len(reads) == 1
    reads.clear()
    for minute in range(2, 30):
        turn(farm, minute, by=by)
    assert reads == []
    # The clock goes on all the same.
    turn(farm, 31, by=by)
    assert [a.kind for a in found(farm)] == ["silence"]
    assert reads == []
    farm.write("station-1", [(32, 31)])
    turn(farm, 33, by=by)
    assert {a.kind for a in found(farm)} == {"silence", "threshold"}


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets an entry whenever the streams are read."""
    reads: list[int] = []
    read = alerts.new_readings

    def counting(*arguments: Any, **named: Any) -> list[Any]:
        rows = read(*arguments, **named)
        reads.append(len(rows))
        return rows

    monkeypatch.setattr(alerts, "new_readings", counting)
    return reads


def test_what_was_written_past_the_ingest_is_found_a_little_later(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm.put(ruled(HOT))
    by = service(farm)
    turn(farm, 0, by=by)
    monkeypatch.setattr(farm, "commit", lambda conn: None)
    farm.write("station-1", [(1, 31)])
    turn(farm, 2, by=by)
    assert found(farm) == []
    monkeypatch.setattr("sensors.alerts.service.LOOK_S", 0)
    turn(farm, 3, by=by)
    assert len(found(farm)) == 1


def test_a_device_that_is_added_later_is_ruled_at_once(farm: Farm) -> None:
    farm.put(ruled(HOT))
    by = service(farm)
    turn(farm, 0, by=by)
    farm.add("station-2")
    farm.write("station-2", [(1, 31)])
    turn(farm, 2, by=by)
    assert [a.device_id for a in found(farm)] == ["station-2"]


def test_the_alert_of_a_device_that_moved_is_cleared_and_opens_at_the_new_place(
    farm: Farm,
) -> None:
    farm.put(ruled(HOT))
    farm.write("station-1", [(1, 31)])
    turn(farm, 2)
    with farm.store.connection() as conn:
        devices.move(
            conn, "station-1", thing="yard", since=START + timedelta(minutes=3)
        )
    turn(farm, 4)
    assert [a.cleared_because for a in found(farm)] == ["rule changed"]
    with farm.store.connection() as conn:
        (moved,) = (s for s in rules.streams(conn) if s.quantity == "air_temperature")
    assert moved.thing == "yard"


def test_a_move_to_come_changes_nothing_yet(farm: Farm) -> None:
    with farm.store.connection() as conn:
        conn.execute("UPDATE stream SET since = now() - interval '1 day'")
        for day in (3, 2):
            conn.execute(
                "INSERT INTO stream (device_id, quantity, unit, thing, since)"
                " VALUES ('station-1', 'air_temperature', 'Cel', 'yard',"
                " now() + %s * interval '1 day')",
                [day],
            )
        things = {s.quantity: s.thing for s in rules.streams(conn)}
    assert things["air_temperature"] == "at-station-1"


def test_the_thread_evaluates_by_itself_and_stops(farm: Farm) -> None:
    farm.put(ruled(HOT))
    with AlertService(farm.store, period=0.01, clock=farm.clock) as running:
        farm.write("station-1", [(1, 31)])
        farm.minute = 2
        until(lambda: len(found(farm)) == 1)
        assert running.running
    assert not running.running


PROGRAM = """
import sys
from sensors.alerts.service import AlertService
from store.database import Store
AlertService(Store(sys.argv[1]), period=0.001)._run()
"""


def test_a_killed_process_misses_nothing_and_opens_nothing_twice(farm: Farm) -> None:
    farm.put(ruled(HOT))
    for killed in range(3):
        opened = len(found(farm))
        with subprocess.Popen([sys.executable, "-c", PROGRAM, farm.store.url]) as child:
            for step in range(20):
                at = killed * 100 + step * 2
                farm.write("station-1", [(at + 1, 31), (at + 2, 20)])
                if step == 5:
                    until(partial(_more_than, farm, opened))
                    child.kill()
    turn(farm, 1000)
    lives = [(a.opened_at, a.cleared_at) for a in found(farm)]
    assert len(lives) == len({opened_at for opened_at, _ in lives}) == 60
    assert all(cleared is not None for _, cleared in lives)


def _more_than(farm: Farm, number: int) -> bool:
    return len(found(farm)) > number


def test_the_store_is_the_only_memory(store: Store) -> None:
    """A service on a store without rules does nothing and asks for nothing."""
    assert AlertService(store).evaluate() is False


def test_a_fault_of_one_turn_does_not_end_the_thread(
    farm: Farm, caplog: pytest.LogCaptureFixture
) -> None:
    faults: list[Exception] = [ValueError("broken"), OSError("no file")]

    def broken() -> int:
        if faults:
            raise faults.pop(0)
        return farm.clock()

    farm.put(ruled(HOT))
    farm.minute = 3
    farm.write("station-1", [(2, 31)])
    with AlertService(farm.store, period=0.01, clock=broken) as running:
        until(lambda: bool(found(farm)) or not running.running)
        assert running.running
    assert "ValueError: broken" in caplog.text
