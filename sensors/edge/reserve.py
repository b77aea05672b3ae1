"""Space kept free for the moment when the disk is full: deleting needs some too."""

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["Reserve"]


class Reserve:
    """A file that only takes up room, so that it can be given up.

    SQLite writes what it deletes into its log first. On a disk without any room left
    nothing could be deleted, and room would never come.

    Parameters
    ----------
    path
        The file.
    size
        Bytes.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size
        self._held = path.is_file() and path.stat().st_size == size

    @property
    def held(self) -> bool:
        """Whether the space is kept."""
        return self._held

    def take(self) -> bool:
        """Keep the space; False when the disk has it not."""
        if not self._held:
            try:
                with self._path.open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, self._size)
            except OSError:
                self.release()
            else:
                self._held = True
        return self._held

    def release(self) -> None:
        """Give the space up."""
        self._held = False
        with suppress(FileNotFoundError):
            self._path.unlink()
