"""Errors of the quality tests.

SensorsError
├── LimitsInvalid
└── StreamNotAdded
"""

from sensors.errors import SensorsError

__all__ = ["LimitsInvalid", "StreamNotAdded"]


class LimitsInvalid(SensorsError):
    """Limits that contradict each other."""


class StreamNotAdded(SensorsError):
    """A reading of a stream whose limits nobody gave."""
