"""Errors of imagery behind a STAC API.

::

    IngestError
    ├── WantedInvalid               a place, time, band or collection that cannot be
    ├── ItemUnusable                one item that must not reach the archive
    └── SourceError
        └── StacError
            ├── ApiInvalid          answers that are not those of a STAC API
            ├── ApiRefuses          a search or a token that the server will not give
            ├── PagingEndless       pages that never come to an end
            └── SearchIncomplete    fewer or more scenes than the server counts

Servers that are busy or do not answer: `ingest.source_errors`.
"""

from ingest.errors import IngestError
from ingest.source_errors import SourceError

__all__ = [
    "ApiInvalid",
    "ApiRefuses",
    "ItemUnusable",
    "PagingEndless",
    "SearchIncomplete",
    "StacError",
    "WantedInvalid",
]


class WantedInvalid(IngestError):
    """A place, time, band or collection that cannot be searched."""


class ItemUnusable(IngestError):
    """An item that does not say what it has to, or says two things at once."""

    def __init__(self, message: str, *, item_id: str) -> None:
        super().__init__(message)
        self.item_id = item_id


class StacError(SourceError):
    """A STAC API cannot be searched."""


class ApiInvalid(StacError):
    """An answer that is not one of a STAC API."""


class ApiRefuses(StacError):
    """The server understands and refuses, with this HTTP status."""

    def __init__(self, message: str, *, href: str, status: int) -> None:
        super().__init__(message, href=href)
        self.status = status


class PagingEndless(StacError):
    """Page after page without anything new."""


class SearchIncomplete(StacError):
    """The scenes received are not the scenes counted."""

    def __init__(self, message: str, *, href: str, seen: int, matched: int) -> None:
        super().__init__(message, href=href)
        self.seen = seen
        self.matched = matched
