"""Copernicus Data Space Ecosystem: Sentinel-2 L2A as ESA's own JPEG 2000 files.

Each band comes once for every resolution ("B02_10m", "B02_20m"), of which the native
one is taken. Its asset lies on ``s3://eodata`` and, for whoever is signed in, at an
HTTPS alternate. Newer items state scale and offset, older ones leave it to the
processing baseline (``processing:version``).
"""

from collections.abc import Mapping, Sequence
from typing import Final

import pystac

from ingest.offer import SceneOffer
from ingest.stac_api.bands import checked_href, mission_bands, state_offset
from ingest.stac_api.items import offer_of
from ingest.stac_api.provider import Provider
from raster.mission import SENTINEL_2

__all__ = ["COPERNICUS", "offer"]


def offer(item: pystac.Item, letters: Sequence[str] = ()) -> SceneOffer:
    """Read an item, of which the bands of some letters have to be good.

    Raises
    ------
    ItemUnusable, AssetMissing, OffsetUnknown
        It does not say what it has to, or contradicts itself.
    """
    state_offset(item)
    bands = mission_bands(item, SENTINEL_2, letters, href=_https)
    return offer_of(item, source=COPERNICUS.name, bands=bands)


def _https(item: pystac.Item, key: str) -> str:
    """Address of the HTTPS alternate (STAC alternate assets extension)."""
    fields = item.assets[key].extra_fields
    alternate = fields.get("alternate")
    https = alternate.get("https") if isinstance(alternate, Mapping) else None
    found = https.get("href") if isinstance(https, Mapping) else item.assets[key].href
    return checked_href(item, key, found)


COPERNICUS: Final = Provider(
    name="copernicus",
    url="https://stac.dataspace.copernicus.eu/v1",
    collections={"sentinel-2-l2a": SENTINEL_2},
    offer=offer,
    # Items of sentinel-2-l2a are long: the server gives 200 of them at most.
    page_size=100,
    access="bearer",
    token_url=(
        "https://identity.dataspace.copernicus.eu/auth/realms/CDSE"
        "/protocol/openid-connect/token"
    ),
    secured=("https://*.dataspace.copernicus.eu",),
)
