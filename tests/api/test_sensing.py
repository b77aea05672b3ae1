"""What belongs to the door for devices, beside the door."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from api.errors import SettingInvalid
from api.sensing import open_listening
from api.sensor_settings import SensorSettings
from api.settings import Settings
from sensors.publisher import Publisher
from store import Store, presence, quarantine
from store.quarantine import Refused
from tests.api.probe import probe_login
from tests.sensors.broker import free_port
from tests.sensors.conftest import until


@contextmanager
def door(store: Store, data: Path) -> Iterator[int]:
    """Open a door on a port of its own; yields the port."""
    settings = Settings(data=data, mqtt_port=free_port())
    with open_listening(store, settings, SensorSettings()) as (endpoint, _):
        yield endpoint.port


def online(store: Store) -> int:
    with store.connection() as conn:
        return presence.online(conn)


def test_second_door_leaves_the_sessions_of_the_first_alone(
    store: Store, tmp_path: Path
) -> None:
    with door(store, tmp_path) as port:
        device = Publisher(host="127.0.0.1", port=port, login=probe_login(store))
        device.start()
        until(lambda: online(store) == 1)
        with door(store, tmp_path):
            assert online(store) == 1
        assert online(store) == 1
        device.stop()
    assert online(store) == 0


def test_quarantine_is_bounded(
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    now_us = round(datetime.now(UTC).timestamp() * 1e6)
    hundred_days_us = timedelta(days=100) // timedelta(microseconds=1)
    with store.connection() as conn:
        times = [now_us - hundred_days_us, now_us - 2, now_us - 1, now_us]
        quarantine.add(
            conn, [Refused(str(n), b"?", "bad", t) for n, t in enumerate(times)]
        )
    monkeypatch.setattr("api.sensing.QUARANTINE_MESSAGES", 2)
    with door(store, tmp_path):
        until(lambda: "2 old messages dropped" in caplog.text)
    with store.connection() as conn:
        assert [kept.topic for kept in quarantine.newest(conn, 9)] == ["3", "2"]


@pytest.mark.parametrize("given", ["mqtt_tls_certificate", "mqtt_tls_key"])
def test_half_of_a_certificate_is_refused(
    store: Store, tmp_path: Path, given: str
) -> None:
    half = SensorSettings.model_validate({given: tmp_path / "one.pem"})
    settings = Settings(data=tmp_path, mqtt_port=0)
    with (
        pytest.raises(SettingInvalid, match="belong together"),
        open_listening(store, settings, half),
    ):
        pass
