"""What can go wrong between a source of imagery and the archive.

::

    IngestError
    └── SourceError
        ├── SourceUnreadable    a file that cannot be decoded, or not completely
        ├── ClipOutside         the place and the file do not meet
        ├── SourceUnreachable   no answer
        ├── SourceDenied        401 or 403: who asks may not have it
        ├── SourceMissing       404 or 410: it is not there any more
        ├── SourceBusy          429 or 5xx, longer than we are ready to wait
        ├── SourceCutOff        fewer bytes than announced, again and again
        ├── SourceChanged       the file changed between two of its parts
        ├── ChecksumDiffers     the file is not the one that the item describes
        ├── SceneBusy           another run is at work on it
        ├── SourceStopped       the run was asked to end
        └── OfferStale          a scene of the plan that the source no longer offers
"""

from ingest.errors import IngestError

__all__ = [
    "ChecksumDiffers",
    "ClipOutside",
    "OfferStale",
    "SceneBusy",
    "SourceBusy",
    "SourceChanged",
    "SourceCutOff",
    "SourceDenied",
    "SourceError",
    "SourceMissing",
    "SourceStopped",
    "SourceUnreachable",
    "SourceUnreadable",
]


class SourceError(IngestError):
    """A scene or a part of it is not to be had; `href` names it, without secrets."""

    def __init__(self, message: str, *, href: str) -> None:
        super().__init__(message)
        self.href = href


class SourceUnreadable(SourceError):
    """A file that cannot be decoded, or not completely."""


class ClipOutside(SourceError):
    """The place that is wanted and the pixels of the file do not meet."""


class SourceUnreachable(SourceError):
    """The server gives no answer."""


class SourceDenied(SourceError):
    """The server refuses: wrong or missing credentials, or an expired signature."""


class SourceMissing(SourceError):
    """The server has no such file any more."""


class SourceBusy(SourceError):
    """The server puts us off for longer than we are ready to wait."""


class SourceCutOff(SourceError):
    """The server sends fewer bytes than it announces, again and again."""


class SourceChanged(SourceError):
    """The file at the source changed between two of its parts."""


class ChecksumDiffers(SourceError):
    """The bytes are not those that the item describes."""


class SceneBusy(SourceError):
    """Another run is at work on the scene."""


class SourceStopped(SourceError):
    """The run was asked to end before this was there."""


class OfferStale(SourceError):
    """A scene of the archive or of a plan that the source no longer offers."""
