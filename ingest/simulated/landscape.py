"""The land: what covers every place, the same whichever grid looks at it.

Smooth fields live on a 1 km lattice in the province's equal-area projection. A grid
samples them between the nodes, so 250 m and 1 km pictures show one landscape.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from odc.geo.geom import BoundingBox
from pyproj import Transformer
from scipy import ndimage, sparse

from ingest.simulated.errors import GridNotCovered
from ingest.simulated.land_cover import COVERS, cover_of
from ingest.simulated.noise import Float32, generator, smooth_field
from raster.grid import ALBERS_CHINA
from raster.zonal import zone_index
from store.counties import County

__all__ = ["Landscape", "Surface", "make_landscape", "province_geobox", "sample"]

NODE = 1000.0  # m between nodes
MARGIN = 30  # nodes around the counties, wider than the border's blending
BORDER = 5.0  # nodes, width over which one county's land blends into the next
FITTING_ROUNDS = 14
# Width of the noise in nodes, fine and coarse; correlation length is twice that.
FINE, COARSE = 2.5, 9.0
ROUGHNESS = {  # spread of the logarithm of each cover's share, assumed
    "maize": 0.45,
    "rice": 1.3,
    "soybean": 0.9,
    "forest": 1.3,
    "grass": 0.9,
    "water": 1.6,
    "built": 1.0,
}
RIVER = {"rice": 2.2, "water": 2.6, "grass": 0.5, "forest": -1.2}  # pull, assumed
RIVER_WIDTH = 0.16  # in standard deviations of the relief field, assumed
# Villages and fields lie in the valleys, forest on the hills. Assumed.
VALLEY = {"maize": 0.7, "rice": 0.9, "soybean": 0.4, "built": 0.8, "forest": -0.9}
VIGOUR_SPREAD = 0.10  # sd of the smooth part of pixel vigour, assumed
VIGOUR_LIMITS = (0.55, 1.45)
SHIFT_SPREAD = 2.5  # days, sd of sowing dates inside a county, assumed
SHIFT_LIMIT = 6  # days
# Soils are sandy and bright in the west, black in the centre. Assumed.
BRIGHT_WEST, BLACK_EAST = (122.0, 1.55), (125.0, 0.95)


@dataclass(frozen=True, slots=True)
class Landscape:
    """Fields on the lattice.

    Attributes
    ----------
    geobox
        The lattice, ALBERS_CHINA; nodes are its pixel centres.
    fields
        float32 (covers + 3, y, x): shares of `COVERS` in 0..1, vigour (mean 1),
        shift of the calendar in days, brightness of the soil.
    """

    geobox: GeoBox
    fields: Float32


@dataclass(frozen=True, slots=True)
class Surface:
    """What the pixels of one grid hold on every date; only pixels inside counties.

    Attributes
    ----------
    geobox
        The grid.
    index
        Position of each held pixel in the flattened grid, int32 (pixels,).
    county
        Position of the pixel's county in the world's list, int16 (pixels,).
    cover
        Shares of `COVERS` in 0..1, float32 (covers, pixels).
    vigour
        Multiplier of leaf area and yield, float32 (pixels,).
    shift
        Days by which the pixel is ahead of its county's calendar, int8 (pixels,).
    soil
        Brightness of bare soil, float32 (pixels,).
    """

    geobox: GeoBox
    index: NDArray[np.int32]
    county: NDArray[np.int16]
    cover: Float32
    vigour: Float32
    shift: NDArray[np.int8]
    soil: Float32

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the grid."""
        return self.geobox.shape.y, self.geobox.shape.x

    def spread(
        self, values: NDArray[np.generic], *, outside: float
    ) -> NDArray[np.generic]:
        """Put values of the held pixels on the grid (y, x), `outside` elsewhere."""
        if outside == 0:  # untouched zeros cost no memory traffic
            grid = np.zeros(self.shape, dtype=values.dtype)
        else:
            grid = np.full(self.shape, outside, dtype=values.dtype)
        grid.reshape(-1)[self.index] = values
        return grid


def province_geobox(counties: Sequence[County], resolution: float) -> GeoBox:
    """Albers grid that holds all counties."""
    to_albers = Transformer.from_crs("EPSG:4326", ALBERS_CHINA, always_xy=True)
    lonlat = shapely.get_coordinates([county.geometry for county in counties])
    x, y = to_albers.transform(lonlat[:, 0], lonlat[:, 1])
    box = BoundingBox(x.min(), y.min(), x.max(), y.max(), crs=ALBERS_CHINA)
    return GeoBox.from_bbox(box, resolution=resolution, anchor="edge")


def make_landscape(seed: int, counties: Sequence[County]) -> Landscape:
    """Lay covers, vigour and soils over the counties.

    The county means of the covers follow `land_cover` closely, except in city
    districts only a few nodes wide.
    """
    geobox = province_geobox(counties, NODE).pad(MARGIN)
    zones = zone_index(geobox, [county.geometry for county in counties])
    logits = _texture(seed, zones.shape)
    targets = np.array([cover_of(county.code).shares for county in counties])
    cover = _fit(logits, zones, targets)
    vigour = 1.0 + VIGOUR_SPREAD * _two_scales(seed, "vigour", zones.shape)
    shift = SHIFT_SPREAD * _two_scales(seed, "shift", zones.shape)
    fields = [
        np.clip(vigour, *VIGOUR_LIMITS),
        np.clip(shift, -SHIFT_LIMIT, SHIFT_LIMIT),
        _soil(seed, geobox),
    ]
    return Landscape(geobox, np.concatenate([cover, np.stack(fields)]))


def sample(landscape: Landscape, geobox: GeoBox, counties: Sequence[County]) -> Surface:
    """Read the landscape on a grid, between its nodes (bilinear).

    Raises
    ------
    GridNotCovered
        No pixel centre of the grid lies in a county.
    """
    zones = zone_index(geobox, [county.geometry for county in counties])
    index = np.flatnonzero(zones >= 0).astype(np.int32)
    if not len(index):
        raise GridNotCovered(
            f"grid {geobox.shape} in {geobox.crs} touches no county of this world: "
            "use a grid inside the counties the world was made with"
        )
    rows, columns = _node_positions(landscape.geobox, geobox, index)
    fields = _bilinear(landscape.fields, rows, columns)
    n = len(COVERS)
    return Surface(
        geobox=geobox,
        index=index,
        county=zones.reshape(-1)[index],
        cover=fields[:n],
        vigour=fields[n],
        shift=np.round(fields[n + 1]).astype(np.int8),
        soil=fields[n + 2],
    )


def _two_scales(seed: int, name: str, shape: tuple[int, ...]) -> Float32:
    y, x = shape
    return smooth_field(
        generator(seed, "landscape", name), (y, x), scales=(FINE, COARSE)
    )


def _texture(seed: int, shape: tuple[int, ...]) -> Float32:
    """Logarithm of every cover's share before the county means are met."""
    rng = generator(seed, "landscape", "relief")
    y, x = shape
    # Rivers follow a contour line of a smooth field: long, branching, winding.
    relief = smooth_field(rng, (y, x), scales=(8.0,))
    relief = relief + 0.25 * smooth_field(rng, (y, x), scales=(2.0,))
    river = np.exp(-0.5 * (relief / RIVER_WIDTH) ** 2)
    valley = np.exp(-0.5 * (relief / (4.0 * RIVER_WIDTH)) ** 2)
    layers = [
        ROUGHNESS[cover] * _two_scales(seed, cover, shape)
        + RIVER.get(cover, 0.0) * river
        + VALLEY.get(cover, 0.0) * valley
        for cover in COVERS
    ]
    return np.stack(layers).astype(np.float32)


def _fit(
    logits: Float32, zones: NDArray[np.int16], targets: NDArray[np.float64]
) -> Float32:
    """Raise or lower each county's covers until their means meet the targets.

    Iterative proportional fitting on the logarithms. A county's correction fades
    into its neighbour's over `BORDER` nodes, so that no border shows in the land.
    """
    influence, near = _influence(zones, len(targets))
    flat = logits.reshape(len(COVERS), -1)[:, near]
    inside = zones.reshape(-1)[near]
    held = inside >= 0
    counts = np.bincount(inside[held], minlength=len(targets))
    bias = np.zeros_like(targets, dtype=np.float32)
    for _ in range(FITTING_ROUNDS):
        shares = _softmax(flat + (influence @ bias).T)
        sums = [
            np.bincount(inside[held], weights=row[held], minlength=len(targets))
            for row in shares
        ]
        means = np.stack(sums, axis=1) / np.maximum(counts, 1)[:, None]
        step = np.log(targets / np.maximum(means, 1e-6))
        bias = np.clip(bias + np.clip(step, -1.5, 1.5), -12, 12).astype(np.float32)
    cover = np.zeros_like(logits)
    cover.reshape(len(COVERS), -1)[:, near] = _softmax(flat + (influence @ bias).T)
    return cover


def _softmax(logits: Float32) -> Float32:
    shares = np.exp(logits - logits.max(axis=0))
    return np.asarray(shares / shares.sum(axis=0), dtype=np.float32)


def _influence(
    zones: NDArray[np.int16], count: int
) -> tuple[sparse.csr_array, NDArray[np.intp]]:
    """Weight of each county at each node near the counties; rows add up to 1."""
    reach = int(3 * BORDER)
    rows, columns, weights = [], [], []
    for county, box in enumerate(ndimage.find_objects(zones + 1, max_label=count)):
        if box is None:  # a district smaller than a node
            continue
        top, left = (max(0, part.start - reach) for part in box)
        bottom, right = (part.stop + reach for part in box)
        inside = (zones[top:bottom, left:right] == county).astype(np.float32)
        soft = ndimage.gaussian_filter(inside, BORDER, mode="constant", truncate=3.0)
        y, x = np.nonzero(soft > 1e-3)
        rows.append((y + top) * zones.shape[1] + x + left)
        columns.append(np.full(len(y), county))
        weights.append(soft[y, x])
    where = np.concatenate(rows)
    near, position = np.unique(where, return_inverse=True)
    data = np.concatenate(weights)
    data /= np.bincount(position, weights=data)[position]
    shape = (len(near), count)
    matrix = sparse.csr_array(
        (data.astype(np.float32), (position, np.concatenate(columns))), shape=shape
    )
    return matrix, near


def _soil(seed: int, geobox: GeoBox) -> Float32:
    x, y = (geobox.coordinates[name].values for name in ("x", "y"))
    grid_x, grid_y = np.meshgrid(x, y)
    to_lonlat = Transformer.from_crs(geobox.crs, "EPSG:4326", always_xy=True)
    lon, _ = to_lonlat.transform(grid_x[::8, ::8], grid_y[::8, ::8])
    lon = ndimage.zoom(lon, 8, order=1, grid_mode=True, mode="nearest")
    lon = lon[: len(y), : len(x)]
    points, values = zip(BRIGHT_WEST, BLACK_EAST, strict=True)
    texture = 0.08 * _two_scales(seed, "soil", lon.shape)
    return np.asarray(np.interp(lon, points, values) + texture, dtype=np.float32)


def _node_positions(
    lattice: GeoBox, geobox: GeoBox, index: NDArray[np.int32]
) -> tuple[Float32, Float32]:
    """Row and column of pixel centres on the lattice, in nodes."""
    row, column = np.divmod(index, geobox.shape.x)
    x, y = _transform(geobox.affine, column + 0.5, row + 0.5)
    if geobox.crs != lattice.crs:
        to_lattice = Transformer.from_crs(geobox.crs, lattice.crs, always_xy=True)
        x, y = to_lattice.transform(x, y)
    columns, rows = _transform(~lattice.affine, x, y)
    return (
        np.asarray(rows - 0.5, dtype=np.float32),
        np.asarray(columns - 0.5, dtype=np.float32),
    )


def _transform(
    affine: Affine, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a, b, c, d, e, f = tuple(affine)[:6]
    return a * x + b * y + c, d * x + e * y + f


def _bilinear(fields: Float32, rows: Float32, columns: Float32) -> Float32:
    y0 = np.clip(rows.astype(np.int32), 0, fields.shape[1] - 2)
    x0 = np.clip(columns.astype(np.int32), 0, fields.shape[2] - 2)
    down, right = rows - y0, columns - x0
    corner = y0 * fields.shape[2] + x0
    out = np.zeros((len(fields), len(rows)), dtype=np.float32)
    for dy in (0, 1):
        for dx in (0, 1):
            weight = (down if dy else 1 - down) * (right if dx else 1 - right)
            where = corner + dy * fields.shape[2] + dx
            for layer, field in zip(out, fields, strict=True):
                layer += weight * field.reshape(-1).take(where)
    return out
