"""The demo's growth: one dekad of its season against the simulated years before."""

from collections.abc import Iterable
from datetime import date

from api.growth_product import GrowthProduct, finished_growth, make_growth
from api.growth_publish import is_published, publish
from api.growth_request import GrowthRequest
from api.growth_share import crop_share
from api.growth_tables import (
    counties_in,
    province,
    table_path,
    write_table,
    zone_table,
)
from api.platform import Platform
from api.progress import Stages

__all__ = ["grade_province"]


def grade_province(
    platform: Platform,
    stages: Stages,
    *,
    day: date,
    past: int,
    crops: Iterable[str],
) -> None:
    """Grade crops in every county and publish the maps, as `heitu growth` does.

    Raises
    ------
    ingest.IngestError, raster.RasterError
        Scenes or the archive fail.
    """
    request = GrowthRequest(
        archive=platform.archive, place=province(), day=day, past=past
    )
    folder = platform.data / "growth"
    product = finished_growth(request, folder)
    if product is None:
        progress = stages.counter("Growth", "长势评级")
        product = make_growth(request, folder, progress=progress)
    with stages.stage("Growth of counties", "县域长势"):
        for crop in crops:
            _tell(product, crop)


def _tell(product: GrowthProduct, crop: str) -> None:
    request = product.request
    path = table_path(product, f"counties-{crop}")
    if path.exists() and is_published(product, crop=crop):
        return
    share = crop_share(request.archive, crop, request.geobox, year=request.day.year)
    table = zone_table(product, counties_in(request.place), share=share, crop=crop)
    write_table(table, path)
    publish(product, share=share, crop=crop)
