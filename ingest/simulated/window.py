"""The 10 m window: where it lies, its parcels as a surface and as field polygons."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from odc.geo.geom import BoundingBox
from pyproj import Transformer
from rasterio.features import shapes
from scipy import ndimage

from ingest.simulated.errors import GridNotCovered
from ingest.simulated.land_cover import COVERS, CROPS
from ingest.simulated.landscape import (
    SHIFT_LIMIT,
    VIGOUR_LIMITS,
    Landscape,
    Surface,
    sample,
)
from ingest.simulated.noise import Float32, fractal_tile, generator, roll_to_shape
from ingest.simulated.parcels import PIXEL, TILE, Layout, lay_out
from store.counties import County
from store.fields import Field

__all__ = ["WINDOW_COUNTY", "WINDOW_SIZE", "Window", "field_rows", "make_window"]

Outline = TypeVar("Outline", shapely.Polygon, shapely.MultiPolygon)

WINDOW_COUNTY = "220322"  # 梨树县
WINDOW_CRS = "EPSG:32651"  # UTM zone 51 N
WINDOW_NEAR = (124.34, 43.31)  # degrees; the county town
WINDOW_SIZE = 1536  # pixels a side
SEARCH_STEP = 400.0  # m
COARSE = 8  # pixels; the landscape is read at this step and interpolated
# A window of the plain has at least a river, shelter belts and villages. Assumed.
LEAST = {"water": 0.006, "forest": 0.015, "built": 0.06}
MOST = {"grass": 0.07}  # the rest of the meadows is made villages and woods
PARCEL_VIGOUR = 0.07  # sd between neighbouring fields, assumed
INSIDE_VIGOUR = 0.035  # sd inside a field, assumed
PARCEL_SHIFT = 2.0  # days, sd of sowing between fields, assumed
PARCEL_SOIL = 0.06  # sd of soil brightness between fields (tillage), assumed
FIELD_SQUARE = 420  # pixels a side of the middle whose parcels get polygons
FIELD_HA = (0.5, 6.0)  # smaller cuttings and larger leftovers get no polygon
SMOOTHING = 9.0  # m, takes the pixel stairs off the polygons
# Invented village names.
VILLAGES = (
    ("东岗", "Donggang"), ("西河", "Xihe"), ("柳树", "Liushu"), ("新立", "Xinli"),
    ("双山", "Shuangshan"), ("太平", "Taiping"), ("平安", "Ping'an"),
    ("靠山", "Kaoshan"), ("大房", "Dafang"), ("三棵树", "Sankeshu"),
    ("榆林", "Yulin"), ("河湾", "Hewan"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Window:
    """The window's pixels for the renderer, and its parcels."""

    surface: Surface
    layout: Layout


def make_window(
    seed: int, landscape: Landscape, counties: Sequence[County]
) -> Window | None:
    """Build the window; None when the world does not hold the window's county."""
    places = {county.code: i for i, county in enumerate(counties)}
    if WINDOW_COUNTY not in places:
        return None
    position = places[WINDOW_COUNTY]
    geobox = _place(counties[position])
    coarse = sample(landscape, geobox.zoom_out(COARSE), [counties[position]])
    layout = lay_out(seed, _shape(geobox), _shares(coarse))
    return Window(_surface(seed, geobox, coarse, layout, position), layout)


def field_rows(window: Window, *, county: str, year: int) -> list[Field]:
    """Polygons of the parcels in the middle of the window.

    Parameters
    ----------
    year
        Season the crops are of.

    Returns
    -------
    list of Field
        Geometry in EPSG:4326, area_ha of that polygon on the ground, simulated.
    """
    to_lonlat = Transformer.from_crs(WINDOW_CRS, "EPSG:4326", always_xy=True)
    outlines = dict(sorted(_outlines(window).items()))
    # Neighbours keep their common border, where simplifying alone would overlap.
    plain_shapes = shapely.coverage_simplify(list(outlines.values()), SMOOTHING)
    rows = []
    for number, plain in zip(outlines, plain_shapes, strict=True):
        block = int(window.layout.block[number])
        zh, en = VILLAGES[block % len(VILLAGES)]
        rows.append(
            Field(
                field_id=f"sim-{county}-{number:05d}",
                county=county,
                name_zh=f"模拟 {zh}村{number}号地",
                name_en=f"Simulated {en} field {number}",
                crop=CROPS[window.layout.crop[number]],
                year=year,
                geometry=_reproject(plain, to_lonlat),
                area_ha=round(plain.area / 10_000, 3),
                simulated=True,
            )
        )
    return rows


def _shape(geobox: GeoBox) -> tuple[int, int]:
    return geobox.shape.y, geobox.shape.x


def _place(county: County) -> GeoBox:
    """Window inside the county, as near as possible to its town.

    Raises
    ------
    GridNotCovered
        No square of the window's size fits into the county.
    """
    to_utm = Transformer.from_crs("EPSG:4326", WINDOW_CRS, always_xy=True)
    outline = _reproject(county.geometry, to_utm)
    near = np.array(to_utm.transform(*WINDOW_NEAR))
    middle = np.round(near / SEARCH_STEP) * SEARCH_STEP
    steps = np.arange(-60, 61) * SEARCH_STEP
    x, y = (v.ravel() for v in np.meshgrid(middle[0] + steps, middle[1] + steps))
    half = WINDOW_SIZE * PIXEL / 2
    shapely.prepare(outline)
    order = np.argsort(np.hypot(x - near[0], y - near[1]), kind="stable")
    for i in order:
        box = shapely.box(x[i] - half, y[i] - half, x[i] + half, y[i] + half)
        if outline.contains_properly(box):
            left, bottom, right, top = box.bounds
            bounds = BoundingBox(left, bottom, right, top, crs=WINDOW_CRS)
            return GeoBox.from_bbox(bounds, resolution=PIXEL, anchor="edge")
    raise GridNotCovered(
        f"no square of {2 * half / 1000:.1f} km fits into county {county.code}: "
        "give the county's full polygon, not a simplified one"
    )


def _reproject(geometry: Outline, transformer: Transformer) -> Outline:
    def move(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(transformer.transform(points[:, 0], points[:, 1]))

    moved: Outline = shapely.transform(geometry, move)
    return moved


def _shares(coarse: Surface) -> NDArray[np.float64]:
    """Mean cover of the window; crops exactly as the landscape has them."""
    shares: NDArray[np.float64] = coarse.cover.mean(axis=1).astype(np.float64)
    crops = shares[: len(CROPS)].sum()
    least = np.array([LEAST.get(cover, 0.0) for cover in COVERS])
    most = np.array([MOST.get(cover, 1.0) for cover in COVERS])
    rest = np.clip(shares, least, most)[len(CROPS) :]
    shares[len(CROPS) :] = rest / rest.sum() * (1.0 - crops)
    return shares


def _surface(
    seed: int, geobox: GeoBox, coarse: Surface, layout: Layout, county: int
) -> Surface:
    rng = generator(seed, "window", "surface")
    shape = _shape(geobox)
    tile = fractal_tile(rng, TILE, slope=1.0, longest=30.0)
    inside = 1.0 + INSIDE_VIGOUR * roll_to_shape(tile, rng, shape)
    vigour = _fine(coarse, coarse.vigour) * inside
    vigour *= _by_parcel(rng, layout, PARCEL_VIGOUR)
    days = _fine(coarse, coarse.shift.astype(np.float32))
    days += PARCEL_SHIFT / PARCEL_SOIL * (_by_parcel(rng, layout, PARCEL_SOIL) - 1.0)
    soil = _fine(coarse, coarse.soil) * _by_parcel(rng, layout, PARCEL_SOIL)
    cover = np.zeros((len(COVERS), layout.cover.size), dtype=np.float32)
    cover[layout.cover.reshape(-1), np.arange(layout.cover.size)] = 1.0
    return Surface(
        geobox=geobox,
        index=np.arange(layout.cover.size, dtype=np.int32),
        county=np.full(layout.cover.size, county, dtype=np.int16),
        cover=cover,
        vigour=np.clip(vigour, *VIGOUR_LIMITS).reshape(-1),
        shift=np.round(np.clip(days, -SHIFT_LIMIT, SHIFT_LIMIT))
        .astype(np.int8)
        .reshape(-1),
        soil=soil.reshape(-1),
    )


def _fine(coarse: Surface, values: Float32) -> Float32:
    grid = np.asarray(coarse.spread(values, outside=1.0), dtype=np.float32)
    return np.asarray(
        ndimage.zoom(grid, COARSE, order=1, grid_mode=True, mode="nearest")
    )


def _by_parcel(rng: np.random.Generator, layout: Layout, spread: float) -> Float32:
    """Factor of mean 1 that is constant in a parcel, 1 outside parcels."""
    factor = 1.0 + spread * rng.standard_normal(len(layout.crop)).clip(-2.5, 2.5)
    # NO_PARCEL is -1 and picks the last element.
    return np.append(factor, 1.0).astype(np.float32).take(layout.parcel, mode="wrap")


def _outlines(window: Window) -> dict[int, shapely.Polygon]:
    """Polygon in UTM of each parcel that lies whole in the middle square."""
    parcel, geobox = window.layout.parcel, window.surface.geobox
    first = (WINDOW_SIZE - FIELD_SQUARE) // 2
    middle = slice(first, first + FIELD_SQUARE)
    part = np.ascontiguousarray(parcel[middle, middle])
    count = len(window.layout.crop)
    total = np.bincount(parcel[parcel >= 0], minlength=count)
    whole = np.bincount(part[part >= 0], minlength=count) == total
    low, high = (hectares * 10_000 / PIXEL**2 for hectares in FIELD_HA)
    whole &= (total >= low) & (total <= high)
    mask = (part >= 0) & whole.take(part, mode="wrap")
    transform = geobox.affine * Affine.translation(first, first)
    outlines: dict[int, shapely.Polygon] = {}
    for geometry, number in shapes(part, mask=mask, transform=transform):
        polygon = shapely.geometry.shape(geometry)
        # A road or pond may cut a parcel; the largest piece keeps its number.
        if polygon.area >= low * PIXEL**2:
            known = outlines.get(int(number))
            if known is None or polygon.area > known.area:
                outlines[int(number)] = polygon
    return outlines
