"""Errors of the ingest room.

::

    IngestError
    ├── ArchiveError
    │   ├── ArchiveMissing
    │   ├── ArchiveFull
    │   ├── ArchiveUnreachable
    │   ├── ArchiveDenied
    │   ├── BucketMissing
    │   ├── LocationInvalid
    │   ├── NameInvalid
    │   ├── BandInvalid
    │   ├── PropertyInvalid
    │   ├── SceneExists
    │   ├── ItemUnknown
    │   └── ItemInvalid
    └── BoundariesError
        ├── BoundariesMissing
        └── BoundariesUnexpected

What belongs to one way in is drawn where it lives: `SourceError` in
`ingest.source_errors`, `StacError`, `HubSettingInvalid`, `FolderError`, `WeatherError`,
`StatisticsError` and `GroundError` in the ``errors.py`` of their packages.
"""

from pathlib import Path


class IngestError(Exception):
    """Anything that goes wrong while data are brought in."""


class ArchiveError(IngestError):
    """The scene archive cannot do what was asked."""


class ArchiveMissing(ArchiveError):
    """The folder holds no archive."""


class ArchiveFull(ArchiveError):
    """The disk filled up while an item was written; nothing of it was kept."""

    def __init__(self, message: str, *, item_id: str, path: Path) -> None:
        super().__init__(message)
        self.item_id = item_id
        self.path = path


class ArchiveUnreachable(ArchiveError):
    """Object storage gives no answer, or none that can be used."""


class ArchiveDenied(ArchiveError):
    """Credentials for object storage are missing, or refused."""


class BucketMissing(ArchiveError):
    """Object storage has no bucket of that name."""


class LocationInvalid(ArchiveError):
    """A place where no archive can lie, or that is of another kind than asked for."""


class NameInvalid(ArchiveError):
    """A collection, item or band name that cannot be a file name."""


class BandInvalid(ArchiveError):
    """A band whose array does not fit its grid, or whose grid not its item."""


class PropertyInvalid(ArchiveError):
    """An item property that is missing or has an impossible value."""


class SceneExists(ArchiveError):
    """The archive already holds an item of this id."""


class ItemUnknown(ArchiveError):
    """The archive holds no item of this id."""


class ItemInvalid(ArchiveError):
    """A file of the archive that cannot be read as what it has to be."""

    def __init__(self, message: str, *, href: str) -> None:
        super().__init__(message)
        self.href = href


class BoundariesError(IngestError):
    """The county boundaries cannot be used."""


class BoundariesMissing(BoundariesError):
    """The package that carries the county boundaries is not installed."""


class BoundariesUnexpected(BoundariesError):
    """The county boundaries differ from the checked ones."""

    def __init__(self, message: str, *, differences: tuple[str, ...]) -> None:
        super().__init__(message)
        self.differences = differences
