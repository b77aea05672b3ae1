"""Counties and the fields in them."""

from typing import Annotated

import shapely
from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from api import schemas
from api.problems import PROBLEM_RESPONSES
from api.services import UseServices
from store import fields

router = APIRouter(tags=["places"], responses=PROBLEM_RESPONSES)


class GeoJSONResponse(JSONResponse):
    """A body that is GeoJSON (RFC 7946) text already."""

    media_type = "application/geo+json"

    def render(self, content: bytes) -> bytes:
        """Leave the text as it is."""
        return content


@router.get(
    "/counties",
    response_model=schemas.CountyCollection,
    response_class=GeoJSONResponse,
)
def counties(services: UseServices) -> Response:
    """All counties, WGS 84; feature id and `code` are GB/T 2260."""
    return GeoJSONResponse(services.counties.geojson())


@router.get(
    "/fields", response_model=schemas.FieldCollection, response_class=GeoJSONResponse
)
def field_collection(
    services: UseServices,
    county: Annotated[str | None, Query(description="GB/T 2260 code")] = None,
) -> Response:
    """Fields of one county or of all, WGS 84."""
    if county is not None:
        services.counties.require(county)
    with services.store.connection() as conn:
        rows = fields.find(conn, county=county)
    collection = schemas.FieldCollection.model_validate(
        {"type": "FeatureCollection", "features": [_feature(row) for row in rows]}
    )
    return GeoJSONResponse(collection.model_dump_json().encode())


def _feature(field: fields.Field) -> dict[str, object]:
    return {
        "type": "Feature",
        "id": field.field_id,
        "properties": schemas.FieldProperties.model_validate(field),
        "geometry": shapely.geometry.mapping(field.geometry),
    }
