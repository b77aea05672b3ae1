"""A farm in the store, whose readings the tests write."""

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID, uuid4

import psycopg
import pytest

from sensors.alerts import Rule, to_json
from store import Store, devices, rules
from store.devices import Device, StreamSpec
from tests.sensors.alerts.cases import MINUTE

START = datetime(2026, 7, 1, tzinfo=UTC)
WRITER = UUID(int=1)
START_US = round(START.timestamp() * 1_000_000)


class Farm:
    """Weather stations of two farms, and a clock in minutes since `START`."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.minute = 0.0

    def clock(self) -> int:
        return START_US + round(self.minute * MINUTE)

    def add(
        self, device_id: str, *, farm: str = "meadow", simulated: bool = False
    ) -> None:
        specs = [
            StreamSpec(quantity="air_temperature", unit="Cel", thing=f"at-{device_id}"),
            StreamSpec(quantity="relative_humidity", unit="%", thing=f"at-{device_id}"),
        ]
        device = Device(
            device_id=device_id,
            farm=farm,
            name_zh="站",
            name_en="Station",
            kind="weather-station",
            lon=125.0,
            lat=44.0,
            county=None,
            simulated=simulated,
            created_at=START,
        )
        with self.store.connection() as conn:
            devices.add(conn, device, specs)

    def stream(self, device_id: str, quantity: str = "air_temperature") -> int:
        with self.store.connection() as conn:
            found = devices.streams(conn, device_id)
        return next(s.stream_id for s in found if s.quantity == quantity)

    def put(self, rule: Rule) -> None:
        at = datetime.fromtimestamp(self.clock() / 1e6, UTC)
        with self.store.connection() as conn:
            rules.put(conn, name=rule.name, body=to_json(rule), at=at, by="test")

    def write(
        self,
        device_id: str,
        points: Iterable[tuple[float, float]],
        *,
        quantity: str = "air_temperature",
        flag: int = 1,
    ) -> None:
        """Store readings as (minute, value)."""
        stream = self.stream(device_id, quantity)
        with self.store.connection() as conn:
            for minute, value in points:
                conn.execute("SELECT make_reading_week(%s)", [START])
                conn.execute(
                    "INSERT INTO reading (stream_id, time, value, flag, received_at)"
                    " VALUES (%s, %s + %s * interval '1 minute', %s, %s, now())",
                    [stream, START, minute, value, flag],
                )
            self.commit(conn)

    def commit(self, conn: psycopg.Connection) -> None:
        """Say that a writer stored something, as the ingest does."""
        conn.execute(
            "INSERT INTO ledger_writer (writer_id, batch_id) VALUES (%s, %s)"
            " ON CONFLICT (writer_id) DO UPDATE SET batch_id = excluded.batch_id",
            [WRITER, uuid4()],
        )


@pytest.fixture
def farm(store: Store) -> Farm:
    farm = Farm(store)
    farm.add("station-1")
    return farm
