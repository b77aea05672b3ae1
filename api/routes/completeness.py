"""What of the scenes of a county and a season is there."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from api import schemas
from api.problems import PROBLEM_RESPONSES
from api.seasons import season_window
from api.services import UseServices
from ingest.completeness import DekadReport, completeness
from ingest.searches import read_searches

router = APIRouter(tags=["scenes"], responses=PROBLEM_RESPONSES)


@router.get("/completeness")
def county_completeness(
    services: UseServices,
    county: Annotated[str, Query(description="GB/T 2260 code, six digits")],
    year: Annotated[int, Query(ge=1972, le=2200)],
    mission: Annotated[Literal["sentinel-2", "landsat", "hls"], Query()] = "sentinel-2",
) -> schemas.Completeness:
    """Return expected, present and missing scenes and the clear share of each dekad.

    Expected is what catalogues said they have when `heitu ingest scenes` asked them;
    where nobody asked for the whole county and dekad, it is null.
    """
    services.counties.require(county)
    found = services.counties.by_code()[county]
    catalogue = services.catalogue
    items = [
        item for name in catalogue.scene_collections() for item in catalogue.items(name)
    ]
    searches = read_searches(services.searches) if services.searches else []
    start, end = season_window(year)
    rows = completeness(
        items, searches, found.geometry, start=start, end=end, mission=mission
    )
    return schemas.Completeness(
        county=county,
        name_zh=found.name_zh,
        name_en=found.name_en,
        year=year,
        dekads=[_dekad(row) for row in rows],
    )


def _dekad(row: DekadReport) -> schemas.DekadScenes:
    return schemas.DekadScenes(
        start=row.step.start,
        end=row.step.end,
        expected=row.expected,
        cloudy=row.cloudy,
        present=row.present,
        missing=list(row.missing),
        clear_share=row.clear_share,
        complete=row.complete,
        simulated=row.simulated,
    )
