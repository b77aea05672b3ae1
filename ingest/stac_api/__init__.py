"""Imagery behind STAC APIs: complete searches, and items that can be believed.

- `source` scenes of a collection of a provider: the way in
- `earth_search`, `planetary_computer`, `copernicus` the providers, a dialect each
- `search`, `paging` all items of a place and time, or an error
- `items`, `bands` an item read with suspicion
- `outline` a county in few vertices
- `access`, `patience` tokens, and asking again
"""

from typing import Final

from ingest.stac_api.access import Credentials
from ingest.stac_api.copernicus import COPERNICUS
from ingest.stac_api.earth_search import EARTH_SEARCH
from ingest.stac_api.planetary_computer import PLANETARY_COMPUTER
from ingest.stac_api.provider import Provider
from ingest.stac_api.source import StacFound, StacSource

__all__ = [
    "COPERNICUS",
    "EARTH_SEARCH",
    "PLANETARY_COMPUTER",
    "PROVIDERS",
    "Credentials",
    "Provider",
    "StacFound",
    "StacSource",
]

PROVIDERS: Final = {
    provider.name: provider
    for provider in (EARTH_SEARCH, PLANETARY_COMPUTER, COPERNICUS)
}
"""All providers by name."""
