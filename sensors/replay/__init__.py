"""Recorded readings once more, as if their devices published them now."""

from sensors.replay.errors import RecordingInvalid, ReplayError, ResumeImpossible
from sensors.replay.plan import (
    Disturbance,
    Message,
    Planned,
    messages,
    outgoing,
    plan,
)
from sensors.replay.player import Bookmark, fingerprint, play
from sensors.replay.recording import Reading, Recording, read_recording

__all__ = [
    "Bookmark",
    "Disturbance",
    "Message",
    "Planned",
    "Reading",
    "Recording",
    "RecordingInvalid",
    "ReplayError",
    "ResumeImpossible",
    "fingerprint",
    "messages",
    "outgoing",
    "plan",
    "play",
    "read_recording",
]
