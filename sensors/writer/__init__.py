"""From delivered messages to committed rows: every accepted message exactly once."""

from sensors.writer.replaying import Replayed, replay_quarantine
from sensors.writer.writer import Writer

__all__ = ["Replayed", "Writer", "replay_quarantine"]
