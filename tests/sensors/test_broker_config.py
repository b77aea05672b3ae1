"""The generated files are tried with the Mosquitto that is installed."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from sensors.broker_config import (
    BrokerNameTaken,
    Files,
    Listener,
    TlsFiles,
    access_list,
    configuration,
    exportable,
    ingest_users,
    password_file,
)
from sensors.passwords import hash_secret
from store.credentials import Access
from tests.sensors.broker import free_port
from tests.sensors.conftest import until

COLLAR = Access("c1", "f1", False, (hash_secret("new-c1"), hash_secret("old-c1")))
OTHER = Access("c2", "f1", False, (hash_secret("secret-c2"),))
GATEWAY = Access("g1", "f1", True, (hash_secret("secret-g1"),))
ABROAD = Access("c3", "f2", False, (hash_secret("secret-c3"),))
DEVICES = [COLLAR, OTHER, GATEWAY, ABROAD]


def test_rights_of_each_kind_of_user() -> None:
    assert access_list([COLLAR, GATEWAY], ["heitu-ingest"]) == (
        "user heitu-ingest\n"
        "topic read farm/+/+/up\n"
        "topic read farm/+/+/state\n"
        "topic write farm/+/+/down/#\n"
        "topic read application/+/device/+/event/up\n"
        "topic read v3/+/devices/+/up\n"
        "\n"
        "user heitu-monitor\n"
        "topic read $SYS/#\n"
        "\n"
        "user c1\n"
        "topic write farm/f1/c1/up\n"
        "topic write farm/f1/c1/state\n"
        "topic read farm/f1/c1/down/#\n"
        "\n"
        "user g1\n"
        "topic write farm/f1/+/up\n"
        "topic write farm/f1/+/state\n"
        "topic read farm/f1/+/down/#\n"
    )


def test_password_file_has_the_newest_credential() -> None:
    text = password_file([COLLAR], [("heitu-ingest", "of-ingest")])
    first, second = text.splitlines()
    assert first == f"c1:{COLLAR.hashes[0]}"
    assert second.startswith("heitu-ingest:$7$101$")
    assert "of-ingest" not in text


@pytest.mark.parametrize(
    "name",
    ["a:b", "a b", "a\nuser c2", "a\ttab", "x\x00y", "l\u2028s", "\u00a0", "a\x7f"],
)
def test_names_that_would_break_the_files_are_left_out(name: str) -> None:
    by_id = Access(name, "f1", False, COLLAR.hashes)
    by_farm = Access("c9", name, False, COLLAR.hashes)
    assert exportable([COLLAR, by_id, by_farm]) == ([COLLAR], [name, "c9"])


def test_chinese_names_stay() -> None:
    device = Access("项圈一", "梨树", False, COLLAR.hashes)
    assert exportable([device]) == ([device], [])


@pytest.mark.parametrize("name", ["heitu-ingest", "heitu-ingest-2", "heitu-monitor"])
def test_device_cannot_take_the_name_of_a_service(name: str) -> None:
    with pytest.raises(BrokerNameTaken, match="重名"):
        exportable([Access(name, "f1", False, COLLAR.hashes)])


def test_workers_have_a_user_each() -> None:
    assert ingest_users(1) == ["heitu-ingest"]
    assert ingest_users(3) == ["heitu-ingest", "heitu-ingest-2", "heitu-ingest-3"]


def test_listeners_with_and_without_tls() -> None:
    files = Files(Path("/c/passwords"), Path("/c/acl"), Path("/c/state"))
    tls = TlsFiles(Path("/k/cert"), Path("/k/key"), Path("/k/ca"))
    text = configuration(
        [Listener("::1", 1883), Listener("0.0.0.0", 8883, tls)], files, user="mqtt"
    )
    lines = text.splitlines()
    assert (
        lines[-9:]
        == [
            "listener 1883 ::1",
            "use_username_as_clientid true",
            "",
            "listener 8883 0.0.0.0",
            "use_username_as_clientid true",
            "certfile /k/cert",
            "keyfile /k/key",
            "tls_version tlsv1.2",
            "cafile /k/ca",
            "require_certificate true",
        ][-9:]
    )
    assert "listener 1883 ::1" in lines
    assert {
        "user mqtt",
        "allow_anonymous false",
        "password_file /c/passwords",
        "acl_file /c/acl",
        "persistence_location /c/state/",
        "max_queued_messages 1000000",
    } <= set(lines)


@pytest.fixture
def mosquitto(private_folder: Path) -> Iterator[int]:
    """Port of a Mosquitto with the generated configuration."""
    program = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
    if program is None:
        pytest.skip("Mosquitto is not installed")
    files = Files(*(private_folder / name for name in ("passwords", "acl", "state")))
    files.state.mkdir()
    port = free_port()
    services = [("heitu-ingest", "of-ingest"), ("heitu-monitor", "of-monitor")]
    files.passwords.write_text(password_file(DEVICES, services))
    files.access_list.write_text(access_list(DEVICES, ["heitu-ingest"]))
    config = private_folder / "mosquitto.conf"
    config.write_text(
        configuration(
            [Listener("127.0.0.1", port)],
            files,
            user="root" if os.geteuid() == 0 else None,
        )
    )
    with (private_folder / "log").open("w") as log:
        process = subprocess.Popen([program, "-c", config], stdout=log, stderr=log)
        try:
            until(lambda: process.poll() is None and answers(port))
            yield port
        finally:
            process.terminate()
            process.wait(30)


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return False
    return True


class Client:
    """Remembers what a paho client was told."""

    def __init__(self, user: str, secret: str) -> None:
        self.answer: ReasonCode | None = None
        self.heard: list[str] = []
        self.published: dict[int, ReasonCode] = {}
        self.subscribed = False
        self.paho = mqtt.Client(
            CallbackAPIVersion.VERSION2, "any-id", protocol=mqtt.MQTTv5
        )
        self.paho.username_pw_set(user, secret)
        self.paho.on_connect = lambda _c, _u, _f, answer, _p: setattr(
            self, "answer", answer
        )
        self.paho.on_message = lambda _c, _u, message: self.heard.append(message.topic)
        self.paho.on_subscribe = lambda *_: setattr(self, "subscribed", True)
        self.paho.on_publish = lambda _c, _u, mid, answer, _p: (
            self.published.__setitem__(mid, answer)
        )

    def publish(self, topic: str) -> bool:
        """Whether a message is taken."""
        mid = self.paho.publish(topic, b"{}", qos=1).mid
        until(lambda: mid in self.published)
        return not self.published[mid].is_failure

    def listen(self, topic: str) -> None:
        self.subscribed = False
        self.paho.subscribe(topic, qos=1)
        until(lambda: self.subscribed)


@contextmanager
def connected(port: int, user: str, secret: str) -> Iterator[Client]:
    client = Client(user, secret)
    client.paho.connect("127.0.0.1", port)
    client.paho.loop_start()
    try:
        until(lambda: client.answer is not None)
        yield client
    finally:
        client.paho.disconnect()
        client.paho.loop_stop()


def test_device_writes_only_what_is_its_own(mosquitto: int) -> None:
    with connected(mosquitto, "c1", "new-c1") as collar:
        assert collar.publish("farm/f1/c1/up")
        assert collar.publish("farm/f1/c1/state")
        for topic in (
            "farm/f1/c2/up",
            "farm/f2/c1/up",
            "farm/f1/c1/down/command",
            "v1/devices/me/telemetry",
            "application/a/device/c2/event/up",
        ):
            assert not collar.publish(topic), topic


def test_device_hears_only_its_own(mosquitto: int) -> None:
    with (
        connected(mosquitto, "c1", "new-c1") as collar,
        connected(mosquitto, "heitu-ingest", "of-ingest") as ingest,
        connected(mosquitto, "c2", "secret-c2") as other,
    ):
        collar.listen("#")
        assert ingest.publish("farm/f1/c2/down/command")
        assert other.publish("farm/f1/c2/up")
        assert ingest.publish("farm/f1/c1/down/command")
        until(lambda: bool(collar.heard))
    assert collar.heard == ["farm/f1/c1/down/command"]


def test_ingest_hears_all_by_a_shared_subscription(mosquitto: int) -> None:
    with (
        connected(mosquitto, "heitu-ingest", "of-ingest") as ingest,
        connected(mosquitto, "c1", "new-c1") as collar,
        connected(mosquitto, "c3", "secret-c3") as abroad,
    ):
        ingest.listen("$share/ingest/farm/+/+/up")
        assert collar.publish("farm/f1/c1/up")
        assert abroad.publish("farm/f2/c3/up")
        until(lambda: len(ingest.heard) == 2)
    assert sorted(ingest.heard) == ["farm/f1/c1/up", "farm/f2/c3/up"]


def test_monitor_reads_the_brokers_counters_and_no_readings(mosquitto: int) -> None:
    with (
        connected(mosquitto, "heitu-monitor", "of-monitor") as monitor,
        connected(mosquitto, "heitu-ingest", "of-ingest") as ingest,
        connected(mosquitto, "c1", "new-c1") as collar,
    ):
        for topic in ("farm/#", "$SYS/broker/publish/messages/dropped"):
            monitor.listen(topic)
        ingest.listen("$SYS/#")
        ingest.listen("farm/+/+/up")
        assert collar.publish("farm/f1/c1/up")
        assert not monitor.publish("farm/f1/c1/down/command")
        until(lambda: bool(monitor.heard) and bool(ingest.heard))
    assert set(monitor.heard) == {"$SYS/broker/publish/messages/dropped"}
    assert ingest.heard == ["farm/f1/c1/up"]


def test_gateway_speaks_for_its_farm(mosquitto: int) -> None:
    with connected(mosquitto, "g1", "secret-g1") as gateway:
        assert gateway.publish("farm/f1/c1/up")
        assert not gateway.publish("farm/f2/c3/up")


@pytest.mark.parametrize(
    ("user", "secret"),
    [("c1", "old-c1"), ("c1", "secret-c2"), ("nobody", "new-c1"), ("c1", "")],
)
def test_wrong_secret_is_refused(mosquitto: int, user: str, secret: str) -> None:
    with connected(mosquitto, user, secret) as client:
        assert client.answer is not None
        assert client.answer.is_failure


def test_clients_with_one_client_id_do_not_meet(mosquitto: int) -> None:
    with (
        connected(mosquitto, "c1", "new-c1") as collar,
        connected(mosquitto, "c2", "secret-c2") as other,
    ):
        assert other.publish("farm/f1/c2/up")
        assert collar.publish("farm/f1/c1/up")
