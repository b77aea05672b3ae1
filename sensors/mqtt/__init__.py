"""The protocol of MQTT 3.1.1 and 5.0, server side: bytes in, events out, no I/O.

Written against the OASIS standards "MQTT Version 3.1.1" (2014) and "MQTT Version 5.0"
(2019); rules are cited by their numbers there, [MQTT-3.1.2-1].
"""

from sensors.mqtt.codes import PacketType, ReasonCode
from sensors.mqtt.connection import ServerConnection
from sensors.mqtt.errors import ProtocolViolated
from sensors.mqtt.events import (
    Connect,
    Disconnect,
    Event,
    Failed,
    Ping,
    PubAck,
    Publish,
    Subscribe,
    Unsubscribe,
    Will,
)

__all__ = [
    "Connect",
    "Disconnect",
    "Event",
    "Failed",
    "PacketType",
    "Ping",
    "ProtocolViolated",
    "PubAck",
    "Publish",
    "ReasonCode",
    "ServerConnection",
    "Subscribe",
    "Unsubscribe",
    "Will",
]
