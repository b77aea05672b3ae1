"""A provider of imagery behind a STAC API, as data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pystac

from ingest.offer import SceneOffer
from raster.mission import Mission

__all__ = ["Access", "OfferReader", "Provider"]

Access = Literal["open", "sas", "bearer"]
"""Files for everybody; with a signature in the query; with a token in a header."""

OfferReader = Callable[[pystac.Item, Sequence[str]], SceneOffer]
"""Reads an item of a provider; the bands of some letters (none = all) must be good."""


@dataclass(frozen=True, slots=True)
class Provider:
    """Where a provider's API is, and how its items are read.

    Attributes
    ----------
    name : str
        As the command line takes it.
    url : str
        Landing page of the STAC API.
    collections : mapping of str to Mission or None
        By collection id, the usual one first; None where the bands have no letters.
    offer : callable
        Reader of its dialect.
    page_size : int
        Items a page; what the server is known to bear.
    access : str
        How its files are asked for.
    token_url : str
        Where signatures or tokens come from.
    secured : tuple of str
        Origins (RFC 6454) that get the token, and nobody else: "https://*.example.org",
        a pattern as in fnmatch.
    """

    name: str
    url: str
    collections: Mapping[str, Mission | None]
    offer: OfferReader
    page_size: int = 100
    access: Access = "open"
    token_url: str = ""
    secured: tuple[str, ...] = ()
