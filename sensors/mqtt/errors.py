"""Errors of the MQTT protocol.

SensorsError
└── ProtocolViolated
"""

from sensors.errors import SensorsError
from sensors.mqtt.codes import ReasonCode

__all__ = ["ProtocolViolated", "malformed", "protocol_error"]


class ProtocolViolated(SensorsError):
    """A packet that the standard forbids, or that asks for what there is not.

    Never leaves `ServerConnection.receive`, which turns it into a `Failed` event.
    """

    def __init__(self, reason: ReasonCode, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def malformed(message: str) -> ProtocolViolated:
    """Return the error of bytes that are no MQTT (MQTT 5.0 §4.13.1)."""
    return ProtocolViolated(ReasonCode.MALFORMED_PACKET, message)


def protocol_error(message: str) -> ProtocolViolated:
    """Return the error of a packet that may not come here (MQTT 5.0 §4.13.1)."""
    return ProtocolViolated(ReasonCode.PROTOCOL_ERROR, message)
