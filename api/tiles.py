"""Map tiles of products, by titiler."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import morecantile
from attrs import define
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.routing import APIRoute
from rio_tiler.colormap import cmap
from rio_tiler.types import ColorMapType
from titiler.core.dependencies import DefaultDependency
from titiler.core.factory import TilerFactory

from api.catalogue import RasterProduct
from api.errors import ProductRunChanged
from api.raster_file import reading_options
from api.services import UseServices
from raster.remote import gdal_path

__all__ = ["WEB_MERCATOR", "UseProduct", "tile_router"]

WEB_MERCATOR = morecantile.tms.get("WebMercatorQuad")

_FOR_EVER = "public, max-age=31536000, immutable"

RunId = Annotated[
    str | None,
    Query(
        pattern="^[0-9A-Za-z._-]{1,64}$",
        description="Run the product must be of; its answer then never changes",
    ),
]


def product_of(
    product_id: Annotated[
        str, Path(pattern="^[0-9A-Za-z][0-9A-Za-z._-]{0,127}$", description="Product")
    ],
    services: UseServices,
) -> RasterProduct:
    """Return the product that the path names.

    Raises
    ------
    ProductUnknown
        The archive has none of this id.
    """
    return services.catalogue.product(product_id)


UseProduct = Annotated[RasterProduct, Depends(product_of)]


def _file_of(
    product: UseProduct,
    z: Annotated[int, Path(ge=0, le=24)],
    format: Annotated[Literal["png"], Path()],
    run: RunId = None,
    tilesize: Annotated[int, Query(ge=64, le=1024)] = 256,
) -> str:
    """Return the product's file; narrows titiler's own wider parameters."""
    if run is not None and run != product.run_id:
        raise ProductRunChanged(product.id, asked=run, current=product.run_id)
    return gdal_path(product.href)


def _colormap(product: UseProduct) -> ColorMapType:
    if product.classes:
        return {one.value: (*_rgb(one.colour), 255) for one in product.classes}
    return cmap.get(product.colormap)


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


@dataclass
class _Render(DefaultDependency):
    """Stored integers at the two ends of the colour map; None: classes as they are."""

    rescale: list[tuple[float, float]] | None


def _render(product: UseProduct) -> _Render:
    if product.classes:
        return _Render(rescale=None)
    low, high = (value / product.scale for value in product.range)
    return _Render(rescale=[(low, high)])


class _TileRoute(APIRoute):
    """Lets a tile be kept for ever when its address names the run."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Add the header to what the route answers."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            response = await handler(request)
            if "run" in request.query_params:
                response.headers["Cache-Control"] = _FOR_EVER
            return response

        return handle


@define(kw_only=True)
class _ProductTiler(TilerFactory):
    """titiler's factory with its tile route alone.

    Clients choose no band, expression, colour map or file: all come from the product,
    so that a tile shows what its legend says.
    """

    def register_routes(self) -> None:
        """Register the tile with an extension, not the one without."""
        self.tile()  # type: ignore[no-untyped-call]
        self.router.routes = [
            route
            for route in self.router.routes
            if isinstance(route, APIRoute) and route.path.endswith(".{format}")
        ]


def tile_router() -> APIRouter:
    """Return the router of ``/tiles/WebMercatorQuad/{z}/{x}/{y}.png``.

    A tile is an 8-bit PNG, transparent where the product has no data. A tile beyond the
    product's bounds is a 404, which map libraries draw as nothing.
    """
    tiler = _ProductTiler(
        router=APIRouter(route_class=_TileRoute),
        path_dependency=_file_of,
        layer_dependency=DefaultDependency,
        dataset_dependency=DefaultDependency,
        tile_dependency=DefaultDependency,
        process_dependency=lambda: None,
        colormap_dependency=_colormap,
        render_dependency=_render,  # type: ignore[arg-type]
        environment_dependency=reading_options,
        supported_tms=morecantile.TileMatrixSets({WEB_MERCATOR.id: WEB_MERCATOR}),
    )
    return tiler.router
