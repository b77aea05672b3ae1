"""Errors of the edge agent.

SensorsError
└── EdgeError
    ├── ClockUnset
    ├── ConfigInvalid
    └── QueueUnusable
"""

from sensors.errors import SensorsError

__all__ = ["ClockUnset", "ConfigInvalid", "EdgeError", "QueueUnusable"]


class EdgeError(SensorsError):
    """Anything that goes wrong with the edge agent itself."""


class ClockUnset(EdgeError):
    """The gateway's clock was never set: times of receipt would be wrong."""


class ConfigInvalid(EdgeError):
    """The configuration, or a file that it names, cannot be used."""


class QueueUnusable(EdgeError):
    """The queue's file is no queue, is damaged, or is open in another process."""
