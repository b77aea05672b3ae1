"""Errors of replaying.

SensorsError
└── ReplayError
    ├── RecordingInvalid
    └── ResumeImpossible
"""

from sensors.errors import SensorsError

__all__ = ["RecordingInvalid", "ReplayError", "ResumeImpossible"]


class ReplayError(SensorsError):
    """Anything that goes wrong before a recording is published."""


class RecordingInvalid(ReplayError):
    """A file that is no recording, or a row of it that cannot be read."""


class ResumeImpossible(ReplayError):
    """What was begun was another recording, or the same with other settings."""
