"""What a client said: the events that `ServerConnection.receive` returns."""

from dataclasses import dataclass
from typing import TypeAlias

from sensors.mqtt.codes import ReasonCode

__all__ = [
    "Connect",
    "Disconnect",
    "Event",
    "Failed",
    "Ping",
    "PubAck",
    "Publish",
    "Subscribe",
    "Unsubscribe",
    "Will",
]


@dataclass(slots=True)
class Will:
    """The message a client leaves for the case that it goes without a DISCONNECT.

    ``delay_s``: seconds that the server may wait before it publishes it; 0 in 3.1.1.
    """

    topic: str
    payload: bytes
    qos: int
    retain: bool
    delay_s: int = 0


@dataclass(slots=True)
class Connect:
    """A client asks to be let in; nothing in it is verified.

    Attributes
    ----------
    client_id
        Empty where the server is to choose one.
    username, password
        None where absent; the password is not part of the `repr`.
    clean_start
        The client wants no earlier session (3.1.1: Clean Session).
    keep_alive
        Seconds; silence of one and a half times this ends the connection, 0 never.
    protocol_level
        4 for MQTT 3.1.1, 5 for MQTT 5.0.
    will
        Message for the case that the client vanishes.
    session_expiry
        Seconds the client wants its session kept after the connection, 0xFFFFFFFF for
        ever; for 3.1.1 that is what Clean Session 0 means.
    receive_maximum
        QoS 1 messages the client takes before it has acknowledged the first.
    maximum_packet_size
        Bytes of the largest packet the client takes; None without a limit.
    """

    client_id: str
    username: str | None
    password: bytes | None
    clean_start: bool
    keep_alive: int
    protocol_level: int
    will: Will | None = None
    session_expiry: int = 0
    receive_maximum: int = 65_535
    maximum_packet_size: int | None = None

    def __repr__(self) -> str:
        return (
            f"Connect(client_id={self.client_id!r}, username={self.username!r}, "
            f"protocol_level={self.protocol_level})"
        )


# The one event made for every reading that comes in.
@dataclass(slots=True)
class Publish:
    """A message from the client; to be acknowledged where it has a ``packet_id``.

    ``qos`` is 0 or 1, ``packet_id`` None for QoS 0 and else 1 to 65,535. ``retain`` is
    only ever true in 3.1.1, where this server takes the message and keeps nothing.
    """

    topic: str
    payload: bytes
    qos: int
    packet_id: int | None
    retain: bool
    dup: bool


@dataclass(slots=True)
class PubAck:
    """The client has a message that was sent to it, or refuses it (>= 0x80)."""

    packet_id: int
    reason: ReasonCode


@dataclass(slots=True)
class Subscribe:
    """The client asks for topics: well-formed (filter, largest QoS) pairs."""

    packet_id: int
    filters: list[tuple[str, int]]


@dataclass(slots=True)
class Unsubscribe:
    """The client wants these filters no more."""

    packet_id: int
    filters: list[str]


@dataclass(slots=True)
class Ping:
    """The client is alive and wants to hear the same."""


@dataclass(slots=True)
class Disconnect:
    """The client goes; the last event.

    Its will is dropped, except with DISCONNECT_WITH_WILL or a failure (>= 0x80)
    (MQTT 5.0 §3.14.4).
    """

    reason: ReasonCode = ReasonCode.SUCCESS


@dataclass(slots=True)
class Failed:
    """The client broke the protocol or asked for what there is not; the last event.

    Send `ServerConnection.farewell` of the reason and close. ``message`` says, in
    English and Chinese, what was wrong.
    """

    reason: ReasonCode
    message: str


Event: TypeAlias = (
    Connect | Publish | PubAck | Subscribe | Unsubscribe | Ping | Disconnect | Failed
)
