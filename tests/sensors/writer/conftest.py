"""A store with three devices of two farms, and a source that remembers."""

import json
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest

from sensors.delivery import Delivery
from sensors.quantities import stream_specs
from sensors.writer import Writer
from store import Store, devices
from store.devices import Device, StreamSpec

SECOND = 1_000_000
# 2026-11-23T06:00:00Z
NOON_US = 1_795_413_600 * SECOND


class Recorder:
    """A source: keeps what was settled, in order."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.deliveries: list[Delivery] = []
        self.calls = 0

    def settled(self, deliveries: Sequence[Delivery]) -> None:
        with self._changed:
            self.calls += 1
            self.deliveries += deliveries
            self._changed.notify_all()

    def wait(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.deliveries) >= count, 30)


def probe(
    device_id: str, *, farm: str = "lishu", kind: str = "soil-probe", external: str = ""
) -> Device:
    return Device(
        device_id=device_id,
        farm=farm,
        name_zh=device_id,
        name_en=device_id,
        kind=kind,
        lon=124.3,
        lat=43.3,
        county="220322",
        simulated=True,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        external_id=external or None,
    )


SOIL = [
    StreamSpec("soil_moisture", "m3/m3", "plot-1"),
    StreamSpec("soil_temperature", "Cel", "plot-1"),
    StreamSpec("battery", "V", "plot-1"),
    StreamSpec("soil_temperature", "Cel", "plot-1", "0.2"),
]


@pytest.fixture
def farm_store(store: Store) -> Store:
    """Store with p1 and p2 of farm lishu, and p3 of farm dehui."""
    with store.connection() as conn:
        devices.add(conn, probe("p1"), SOIL)
        devices.add(conn, probe("p2", external="70B3D57ED0000001"), SOIL)
        devices.add(
            conn, probe("p3", farm="dehui"), stream_specs("soil-probe", thing="q")
        )
    return store


@pytest.fixture
def writer(farm_store: Store) -> Iterator[Writer]:
    with Writer(farm_store) as running:
        yield running


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def message(
    recorder: Recorder,
    body: object,
    *,
    device: str = "p1",
    farm: str = "lishu",
    topic: str | None = None,
    publisher: tuple[str, str] | None = None,
    received_us: int = NOON_US,
) -> Delivery:
    """Make a delivery; `publisher` is the device id and farm of its credential."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    device_id, vouched = publisher or (None, None)
    return Delivery(
        topic or f"farm/{farm}/{device}/up",
        payload,
        received_us,
        recorder,
        None,
        device_id,
        vouched,
    )


def moist(
    recorder: Recorder,
    minute: int,
    value: float = 0.2,
    *,
    device: str = "p1",
    farm: str = "lishu",
    publisher: tuple[str, str] | None = None,
    **extra: object,
) -> Delivery:
    """Make a delivery of one reading, at a minute before noon."""
    body = {
        "ts": f"2026-11-23T05:{minute:02}:00Z",
        "readings": {"soil_moisture": value},
        **extra,
    }
    return message(recorder, body, device=device, farm=farm, publisher=publisher)
