"""Devices in: MQTT broker, payloads, and the ingest that stores each reading once."""

from sensors.broker import Broker, free_port
from sensors.counts import Counts, Outcome
from sensors.errors import (
    BrokerFailed,
    BrokerPortTaken,
    BrokerUnreachable,
    DeviceKindUnknown,
    IngestStalled,
    PayloadInvalid,
    PublishFailed,
    QuantityUnknown,
    SensorsError,
)
from sensors.feed import Feed
from sensors.payload import Message, parse
from sensors.publisher import Outgoing, Publisher, Sent, publish
from sensors.quantities import (
    DEVICE_KINDS,
    QUANTITIES,
    DeviceKind,
    Quantity,
    device_kind,
    quantity,
    stream_specs,
)
from sensors.simulated import message_at, messages, readings_at, village
from sensors.subscriber import Subscriber

__all__ = [
    "DEVICE_KINDS",
    "QUANTITIES",
    "Broker",
    "BrokerFailed",
    "BrokerPortTaken",
    "BrokerUnreachable",
    "Counts",
    "DeviceKind",
    "DeviceKindUnknown",
    "Feed",
    "IngestStalled",
    "Message",
    "Outcome",
    "Outgoing",
    "PayloadInvalid",
    "PublishFailed",
    "Publisher",
    "Quantity",
    "QuantityUnknown",
    "SensorsError",
    "Sent",
    "Subscriber",
    "device_kind",
    "free_port",
    "message_at",
    "messages",
    "parse",
    "publish",
    "quantity",
    "readings_at",
    "stream_specs",
    "village",
]
