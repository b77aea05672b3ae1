"""A platform, an edge agent's configuration and farm devices, all on the loopback."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from sensors.delivery import Delivery
from sensors.endpoint import Endpoint, Principal, StaticAuthenticator, Tls
from sensors.passwords import hash_secret
from tests.sensors.broker import free_port

FARM = "f1"
GATEWAY = "gw"
SECRET = "upstream-secret"
LOCAL_SECRET = "local-secret"
DEVICES = ("a", "b", "fan", "lora")


class Platform:
    """The platform's door; keeps what comes, can go away and come back."""

    def __init__(self) -> None:
        self.port = free_port()
        self.farm = FARM
        self.tls: Tls | None = None
        self.taken: list[Delivery] = []
        self.settling = True
        self._changed = threading.Condition()
        self._endpoint: Endpoint | None = None

    def put(self, deliveries: Sequence[Delivery]) -> bool:
        with self._changed:
            self.taken.extend(deliveries)
            self._changed.notify_all()
        if self.settling:
            deliveries[0].source.settled(deliveries)
        return True

    def on_room(self, callback: Callable[[], None]) -> None:
        pass

    def open(self) -> None:
        principal = Principal(GATEWAY, self.farm, gateway=True)
        authenticator = StaticAuthenticator({GATEWAY: (SECRET.encode(), principal)})
        self._endpoint = Endpoint(
            self,
            authenticator,
            port=None if self.tls else self.port,
            tls=self.tls,
            tls_port=self.port,
        )
        self._endpoint.start()

    def close(self) -> None:
        if self._endpoint is not None:
            self._endpoint.stop(timeout=0.0)
        self._endpoint = None

    @property
    def endpoint(self) -> Endpoint:
        assert self._endpoint is not None
        return self._endpoint

    def wait_for(self, condition: Callable[[], bool], *, timeout: float = 30.0) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, timeout), self.topics[-5:]

    @property
    def messages(self) -> list[tuple[str, bytes]]:
        """What devices said; the gateway's own reports left out."""
        own = f"farm/{FARM}/{GATEWAY}/state"
        return [(each.topic, each.payload) for each in self.taken if each.topic != own]

    @property
    def topics(self) -> list[str]:
        return [each.topic for each in self.taken]

    @property
    def payloads(self) -> list[bytes]:
        return [payload for _, payload in self.messages]


class Device:
    """A device of the farm on paho, which sends again what is not acknowledged."""

    def __init__(self, name: str, port: int) -> None:
        self.acknowledged = 0
        self.refusals = 0
        self.heard: list[tuple[str, bytes]] = []
        self.changed = threading.Condition()
        self._subscribed = threading.Event()
        self.client = Client(
            CallbackAPIVersion.VERSION2, client_id=name, clean_session=True
        )
        self.client.username_pw_set(name, LOCAL_SECRET)
        self.client.max_inflight_messages_set(100)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = self._on_connect
        self.client.on_publish = self._on_publish
        self.client.on_message = self._on_message
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.connect("127.0.0.1", port, keepalive=30)
        self.client.loop_start()

    def publish(self, topic: str, payload: bytes) -> None:
        self.client.publish(topic, payload, qos=1)

    def listen(self, topic: str) -> None:
        self.client.subscribe(topic, qos=1)
        assert self._subscribed.wait(10.0)

    def wait_for(self, condition: Callable[[], bool], *, timeout: float = 30.0) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, timeout)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def _on_connect(
        self, client: Client, userdata: object, flags: object, reason: Any, *_: object
    ) -> None:
        self.refusals += reason.is_failure

    def _on_publish(self, *_: object) -> None:
        with self.changed:
            self.acknowledged += 1
            self.changed.notify_all()

    def _on_message(self, client: Client, userdata: object, message: Any) -> None:
        with self.changed:
            self.heard.append((message.topic, message.payload))
            self.changed.notify_all()


def write_config(
    folder: Path, platform_port: int, *, local_port: int = 0, more: str = ""
) -> Path:
    """Write a configuration with its files; `more` is put between top and tables."""
    (folder / "gateway.secret").write_text(f"{SECRET}\n")
    (folder / "devices.passwd").write_text(
        "".join(f"{name}:{hash_secret(LOCAL_SECRET)}\n" for name in DEVICES)
    )
    path = folder / "edge.toml"
    path.write_text(
        f"""
farm = "{FARM}"
gateway = "{GATEWAY}"
folder = "queue"
down_after_s = 0

[upstream]
host = "127.0.0.1"
port = {platform_port}
tls = false
password_file = "gateway.secret"

[local]
port = {local_port}
credentials = "devices.passwd"
gateways = ["lora"]
{more}
"""
    )
    return path


def reading(seq: int, value: float = 1.0, *, device: str = "a") -> tuple[str, bytes]:
    """One message with its own time."""
    minute, second = divmod(seq % 3_600, 60)
    return (
        f"farm/{FARM}/{device}/up",
        b'{"seq":%d,"ts":"2026-01-01T%02d:%02d:%02dZ","readings":{"co2":%r}}'
        % (seq, seq // 3_600, minute, second, value),
    )
