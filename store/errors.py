"""Errors of the store.

StoreError
├── DatabaseUnavailable
│   └── DatabaseFull
├── DatabaseTooOld
├── DatabaseNewer
├── MigrationChanged
├── MigrationFailed
├── ServerStartFailed
├── DataFolderUnusable
├── DataFolderLocked
├── RowRefused
├── RunInvalid
├── RunConflict
├── RunUnknown
├── CountyUnknown
├── DeviceExists
├── DeviceUnknown
├── CommandConflict
├── CommandUnknown
└── StreamUnknown

`store.series`, `store.alerts`, `store.rules` and `store.notifications` have more of
their own.
"""

from collections.abc import Sequence


class StoreError(Exception):
    """Base of every error raised by the store."""


class DatabaseUnavailable(StoreError):
    """The database cannot be reached, refuses us, or stopped answering."""


class DatabaseFull(DatabaseUnavailable):
    """The database server has no disk space left."""


class DatabaseTooOld(StoreError):
    """The database server is older than PostgreSQL 15."""


class DatabaseNewer(StoreError):
    """The database was migrated by a newer version of the platform."""


class MigrationChanged(StoreError):
    """A migration that is already applied has another text in the code."""


class MigrationFailed(StoreError):
    """A migration could not be applied; nothing of it was kept."""


class ServerStartFailed(StoreError):
    """The embedded PostgreSQL could not be created or started."""


class DataFolderUnusable(StoreError):
    """The data folder cannot be created, read or written, or holds something else."""


class DataFolderLocked(StoreError):
    """Another process runs the platform in this data folder; ``pid`` names it."""

    def __init__(self, message: str, *, pid: int | None) -> None:
        super().__init__(message)
        self.pid = pid


class RowRefused(StoreError):
    """A row broke a rule of the database (range, uniqueness, reference)."""


class RunInvalid(StoreError):
    """The ingredients of a run cannot be written as canonical JSON."""


class RunConflict(StoreError):
    """A run with this id but other ingredients is already stored."""


class RunUnknown(StoreError):
    """No run has this id."""


class CountyUnknown(StoreError):
    """No county has this code."""


class DeviceExists(StoreError):
    """A device with this id is already registered."""


class DeviceUnknown(StoreError):
    """No device has this id."""


class StreamUnknown(StoreError):
    """Readings name streams that do not exist; ``stream_ids`` lists them."""

    def __init__(self, message: str, *, stream_ids: Sequence[int]) -> None:
        super().__init__(message)
        self.stream_ids = tuple(stream_ids)


class CommandConflict(StoreError):
    """A command with this id but another content exists."""


class CommandUnknown(StoreError):
    """No command has this id."""
