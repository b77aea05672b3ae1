"""Publishing a plan at its pace, and remembering how far it came."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Event
from time import monotonic

from sensors.publisher import Outgoing, Publisher
from sensors.replay.errors import ResumeImpossible

__all__ = ["Bookmark", "fingerprint", "play"]

# Seconds between two looks whether to stop, and between two bookmarks.
_GLANCE = 0.2


def play(
    planned: Iterable[tuple[int, Outgoing]],
    publisher: Publisher,
    *,
    speed: float,
    skip: int = 0,
    stop: Event | None = None,
    progress: Callable[[int], None] | None = None,
) -> bool:
    """Publish messages in order, each when it is due, and wait for the last of them.

    Parameters
    ----------
    planned
        Due times in microseconds, never falling, and messages.
    publisher
        Connected.
    speed
        Seconds of the recording in a second; 0: as fast as the broker takes them.
    skip
        So many were acknowledged before.
    stop
        Set it to end early, from another thread or a signal's handler.
    progress
        Called now and then with the number acknowledged, those skipped counted.

    Returns
    -------
    bool
        Whether all was published and acknowledged; False after `stop`.

    Raises
    ------
    PublishFailed
        The broker refuses a message or stops acknowledging.
    """
    stop = stop or Event()
    tell = progress or (lambda _: None)
    began: tuple[float, int] | None = None
    told = monotonic()
    for due_us, message in islice(planned, skip, None):
        now = monotonic()
        began = began or (now, due_us)
        if speed > 0:
            due = began[0] + (due_us - began[1]) / 1e6 / speed
            while now < due and not stop.wait(min(due - now, _GLANCE)):
                now = monotonic()
        if stop.is_set():
            break
        publisher.send(message)
        if now - told > _GLANCE:
            tell(skip + publisher.acknowledged)
            told = now
    publisher.wait()
    tell(skip + publisher.acknowledged)
    return not stop.is_set()


def fingerprint(path: Path, settings: Mapping[str, object]) -> str:
    """Return what tells one replay from another: its file and its settings."""
    digest = hashlib.sha256(path.read_bytes())
    digest.update(json.dumps(settings, sort_keys=True).encode())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Bookmark:
    """A small file that says how far a replay was acknowledged."""

    path: Path
    fingerprint: str

    def read(self) -> int:
        """Return how many messages were acknowledged; 0 where nothing was begun.

        Raises
        ------
        ResumeImpossible
            It is of another replay, or no bookmark.
        """
        try:
            document = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return 0
        except (OSError, ValueError) as error:
            raise self._impossible("cannot be read") from error
        match document:
            case {"replay": self.fingerprint, "acknowledged": int(count)} if count >= 0:
                return count
            case {"replay": str()}:
                raise self._impossible("is of another file or of other settings")
        raise self._impossible("is no bookmark of a replay")

    def write(self, acknowledged: int) -> None:
        """Say how far it came; whole or not at all."""
        fresh = self.path.with_name(f"{self.path.name}.new")
        fresh.write_text(
            json.dumps({"replay": self.fingerprint, "acknowledged": acknowledged}),
            encoding="utf-8",
        )
        os.replace(fresh, self.path)

    def _impossible(self, why: str) -> ResumeImpossible:
        return ResumeImpossible(
            f"{self.path} {why}: give the same file and options as before, or remove"
            " it to begin anew · 无法续传：请使用相同的文件与选项，或删除该文件重新开始"
        )
