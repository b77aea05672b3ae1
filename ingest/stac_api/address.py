"""Addresses that others wrote: of files in items, of an API on the command line."""

from urllib.parse import urlsplit

from ingest.http import shown

__all__ = ["is_web_address", "shown_address"]


def is_web_address(href: object) -> bool:
    """Whether something is an address that can be asked over HTTP."""
    if not isinstance(href, str):
        return False
    try:
        parts = urlsplit(href)
        # Read for its error: a port is a number up to 65535.
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def shown_address(href: object) -> str:
    """Give any address for a message, as `ingest.http.shown`."""
    try:
        return shown(str(href))
    except ValueError:
        return "an address that cannot be read"
