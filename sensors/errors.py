"""Errors of the sensors room.

SensorsError
├── BrokerUnreachable
├── IngestStalled
├── PayloadInvalid
├── PublishFailed
├── QuantityUnknown
├── UnitUnknown
└── DeviceKindUnknown

`sensors.mqtt`, `endpoint`, `quality`, `alerts`, `commands`, `notify`, `edge` and
`replay` have more of their own.
"""


class SensorsError(Exception):
    """Anything that goes wrong between a device and the store."""


class BrokerUnreachable(SensorsError):
    """No MQTT broker answered, or it refused the connection or the subscription."""


class IngestStalled(SensorsError):
    """The awaited number of messages was not settled in time."""


class PayloadInvalid(SensorsError):
    """A message that cannot become readings; ``reason`` says why.

    The reason is printable text without NUL or lone surrogates, whatever the bytes
    were, so that it can be stored and shown.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class PublishFailed(SensorsError):
    """The broker did not acknowledge every published message."""


class QuantityUnknown(SensorsError):
    """A quantity that is not in the table of quantities."""


class UnitUnknown(SensorsError):
    """A unit that is not known, or that measures something else."""


class DeviceKindUnknown(SensorsError):
    """A device kind that is not in the table of kinds."""
