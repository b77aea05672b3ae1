"""What can go wrong between Sentinel Hub and the archive.

::

    IngestError
    ├── HubSettingInvalid       an address or credential that cannot be used
    └── SourceError
        ├── SourceUnreachable   no answer
        ├── SourceCutOff        the body ends too early, again and again
        ├── SourceDenied
        │   ├── HubLoginRefused     client id and secret, or the token, are refused
        │   └── HubQuotaUsedUp      no processing units are left in the account
        ├── SourceBusy
        │   ├── HubRateLimited      429, longer than we are ready to wait
        │   └── HubFailing          5xx, again and again
        ├── HubRequestRefused   the service does not accept what is asked
        ├── HubAnswerInvalid    an answer that is not of the service's form
        ├── HubSearchIncomplete a search whose pages do not add up
        ├── SourceMissing
        │   └── HubTileMissing      the service has no such tile, or not that alone
        └── SourceUnreadable
            └── HubPieceInvalid     pixels of another size, type, grid or meaning
                └── HubPieceEmpty   no data where the footprint has some
"""

from ingest.errors import IngestError
from ingest.source_errors import (
    SourceBusy,
    SourceDenied,
    SourceError,
    SourceMissing,
    SourceUnreadable,
)

__all__ = [
    "HubAnswerInvalid",
    "HubFailing",
    "HubLoginRefused",
    "HubPieceEmpty",
    "HubPieceInvalid",
    "HubQuotaUsedUp",
    "HubRateLimited",
    "HubRequestRefused",
    "HubSearchIncomplete",
    "HubSettingInvalid",
    "HubTileMissing",
]


class HubSettingInvalid(IngestError):
    """An address, a credential or a number that cannot be used."""


class HubLoginRefused(SourceDenied):
    """The service refuses the client id and secret, or the token it just gave."""


class HubQuotaUsedUp(SourceDenied):
    """The account has no processing units or requests left."""


class HubRateLimited(SourceBusy):
    """The service puts us off; `retry_after` are the seconds it asks for, if any."""

    def __init__(
        self, message: str, *, href: str, retry_after: float | None = None
    ) -> None:
        super().__init__(message, href=href)
        self.retry_after = retry_after


class HubFailing(SourceBusy):
    """The service fails again and again."""


class HubRequestRefused(SourceError):
    """The service does not accept what is asked."""


class HubAnswerInvalid(SourceError):
    """An answer that is not of the form that the service documents."""


class HubSearchIncomplete(SourceError):
    """A search whose pages do not add up."""


class HubTileMissing(SourceMissing):
    """The service has no such tile at that time, or not that tile alone."""


class HubPieceInvalid(SourceUnreadable):
    """Pixels that are not of the size, type, grid or meaning that were asked for."""


class HubPieceEmpty(HubPieceInvalid):
    """A piece without any data where the footprint says that there is some."""
