"""Raster products: list, TileJSON, tiles, and the value at a point."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import numpy as np
import rasterio
from fastapi import APIRouter, Query, Request
from rio_tiler.errors import PointOutsideBounds
from rio_tiler.io import Reader
from titiler.core.models.mapbox import TileJSON

from api import schemas
from api.catalogue import RasterProduct
from api.errors import PointOutside
from api.problems import PROBLEM_RESPONSES
from api.raster_file import reading_options
from api.services import UseServices
from api.tiles import WEB_MERCATOR, UseProduct, tile_router
from raster.remote import gdal_path

router = APIRouter(prefix="/products", tags=["products"], responses=PROBLEM_RESPONSES)
router.include_router(tile_router(), prefix="/{product_id}")

UseLon = Annotated[float, Query(ge=-180, le=180, description="WGS 84 degrees")]
UseLat = Annotated[float, Query(ge=-90, le=90, description="WGS 84 degrees")]


@router.get("")
def products(request: Request, services: UseServices) -> schemas.Products:
    """List all raster products."""
    return schemas.Products(
        products=[_listed(request, row) for row in services.catalogue.products()]
    )


def _listed(request: Request, product: RasterProduct) -> schemas.Product:
    address = request.url_for("tilejson", product_id=product.id)
    return schemas.Product(tilejson=str(address), **asdict(product))


@contextmanager
def _reading(product: RasterProduct) -> Iterator[Reader]:
    """Open the product's file."""
    with (
        rasterio.Env(**reading_options()),
        Reader(gdal_path(product.href), tms=WEB_MERCATOR) as cog,
    ):
        yield cog


@router.get("/{product_id}/tilejson.json", response_model_exclude_none=True)
def tilejson(request: Request, product: UseProduct) -> TileJSON:
    """Return where the tiles are (TileJSON 3.0); their address names the run."""
    with _reading(product) as cog:
        minzoom, maxzoom = cog.minzoom, cog.maxzoom
    tiles = (
        f"{request.base_url}products/{product.id}/tiles/{WEB_MERCATOR.id}"
        f"/{{z}}/{{x}}/{{y}}.png?run={product.run_id}"
    )
    return TileJSON(
        name=f"{product.title_zh} · {product.title_en}",
        tiles=[tiles],
        minzoom=minzoom,
        maxzoom=maxzoom,
        bounds=list(product.bbox),
    )


@router.get("/{product_id}/point")
def point(product: UseProduct, lon: UseLon, lat: UseLat) -> schemas.PointValue:
    """Return the value of the pixel at a point."""
    with _reading(product) as cog:
        try:
            stored = cog.point(lon, lat).array[0]
        except PointOutsideBounds as exc:
            what = f"product {product.id!r}"
            raise PointOutside(what, lon=lon, lat=lat) from exc
    if stored is np.ma.masked:
        return schemas.PointValue(value=None, unit=product.unit, status="no-data")
    value = round(float(stored) * product.scale, 6)
    known = next((one for one in product.classes if one.value == value), None)
    return schemas.PointValue(
        value=value,
        unit=product.unit,
        status="ok",
        name_en=None if known is None else known.name_en,
        name_zh=None if known is None else known.name_zh,
    )
