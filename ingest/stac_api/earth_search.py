"""Earth Search of Element 84: Sentinel-2 L2A as COGs on Amazon S3, for everybody.

Bands go by common names ("red", "nir"; beside them "red-jp2") and state scale and
offset. ``sentinel-2-c1-l2a`` has the numbers as ESA made them. In ``sentinel-2-l2a``
the offset was taken out of most files, which ``earthsearch:boa_offset_applied`` says,
not always rightly: `raster.calibration` refuses the doubtful ones.
"""

from collections.abc import Sequence
from typing import Final

import pystac

from ingest.offer import SceneOffer
from ingest.stac_api.bands import check_baseline, mission_bands, web_href
from ingest.stac_api.items import offer_of
from ingest.stac_api.provider import Provider
from raster.mission import SENTINEL_2

__all__ = ["EARTH_SEARCH", "offer"]


def offer(item: pystac.Item, letters: Sequence[str] = ()) -> SceneOffer:
    """Read an item, of which the bands of some letters have to be good.

    Raises
    ------
    ItemUnusable, AssetMissing, OffsetUnknown
        It does not say what it has to, or contradicts itself.
    """
    check_baseline(item)
    bands = mission_bands(item, SENTINEL_2, letters, href=web_href)
    return offer_of(item, source=EARTH_SEARCH.name, bands=bands)


EARTH_SEARCH: Final = Provider(
    name="earth-search",
    url="https://earth-search.aws.element84.com/v1",
    collections={"sentinel-2-c1-l2a": SENTINEL_2, "sentinel-2-l2a": SENTINEL_2},
    offer=offer,
)
