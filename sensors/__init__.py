"""Devices in: the door, payloads, quality, alerts, commands and the one writer.

The parts are imported from their own modules; only the errors are here, so that a small
process (an edge agent, a listener) loads no more than it uses.
"""

from sensors.errors import (
    BrokerUnreachable,
    DeviceKindUnknown,
    IngestStalled,
    PayloadInvalid,
    PublishFailed,
    QuantityUnknown,
    SensorsError,
    UnitUnknown,
)

__all__ = [
    "BrokerUnreachable",
    "DeviceKindUnknown",
    "IngestStalled",
    "PayloadInvalid",
    "PublishFailed",
    "QuantityUnknown",
    "SensorsError",
    "UnitUnknown",
]
