"""Quality flags of readings as they come: the QARTOD tests on streams."""

from sensors.quality.errors import LimitsInvalid, StreamNotAdded
from sensors.quality.limits import Limits, limits_for
from sensors.quality.streaming import HISTORY, Flags, History, Quality

__all__ = [
    "HISTORY",
    "Flags",
    "History",
    "Limits",
    "LimitsInvalid",
    "Quality",
    "StreamNotAdded",
    "limits_for",
]
