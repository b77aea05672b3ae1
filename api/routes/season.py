"""The season of a pixel."""

from typing import Annotated

from fastapi import APIRouter, Query

from api import schemas
from api.problems import PROBLEM_RESPONSES
from api.routes.products import UseLat, UseLon
from api.season_point import season_at
from api.services import UseServices

router = APIRouter(tags=["seasons"], responses=PROBLEM_RESPONSES)


@router.get("/season")
def season(
    services: UseServices,
    lon: UseLon,
    lat: UseLat,
    year: Annotated[int, Query(ge=1900, le=2200)],
) -> schemas.SeasonCurve:
    """Return NDVI from April to October of the finest scenes that cover the point."""
    return season_at(services.catalogue, lon=lon, lat=lat, year=year)
