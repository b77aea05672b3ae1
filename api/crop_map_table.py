"""The features of sites: the season engine asked only for the pixels they lie in."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial

import numpy as np
import pandas as pd
import pystac
import shapely
import xarray as xr
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from api.crop_map_samples import Site
from api.errors import NoScenesThere
from api.lineage import checksums, simulated
from api.place import place_in_box
from api.season_product import SeasonRequest
from ingest.archive import Archive
from models.crop_map.features import FeaturePlan
from models.crop_map.samples import Kind, Remark
from raster.blocks import run_tasks
from raster.errors import NoScenes
from raster.grid import lonlat_bounds
from raster.season import season

__all__ = ["SampleTable", "Sampler"]

Double = NDArray[np.floating]

# Pixels a side: sites of one cell are read together.
_CELL = 256
# Degrees around the sites, so that a single point is a rectangle.
_MARGIN = 0.005


@dataclass(frozen=True, slots=True)
class SampleTable:
    """Samples with their features, and what they were made from.

    Attributes
    ----------
    rows : as `models.crop_map.samples` describes them
    remarks : sites that gave no sample, and why
    inputs : checksum of every scene by its id
    simulated : whether any site or scene is
    """

    rows: pd.DataFrame
    remarks: tuple[Remark, ...]
    inputs: Mapping[str, str]
    simulated: bool


@dataclass(frozen=True, slots=True)
class _Pixels:
    """Pixels of one grid that sites gave: rows, columns, and whose they are."""

    row: NDArray[np.int64]
    column: NDArray[np.int64]
    site: NDArray[np.int64]


@dataclass(kw_only=True)
class Sampler:
    """Reads the features of sites from the archive.

    Attributes
    ----------
    archive, collection, resolution, verify
        As of `api.season_product.SeasonRequest`.
    plan
        The features.
    per_place
        Most pixels of one polygon; evenly spread over it.
    """

    archive: Archive
    plan: FeaturePlan
    collection: str | None = None
    resolution: float | None = None
    verify: bool = True
    per_place: int = 9
    _remarks: list[Remark] = field(default_factory=list)

    def table(
        self,
        sites: Sequence[Site],
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> SampleTable:
        """Compute the features of all sites; a year without scenes is remarked on.

        Parameters
        ----------
        progress
            Called with (cells done, cells in all) of each year.

        Raises
        ------
        NoScenesThere
            No year of the sites has scenes there.
        raster.RasterError, ingest.IngestError
            A scene cannot be used.
        """
        self._remarks = []
        parts: list[pd.DataFrame] = []
        inputs: dict[str, str] = {}
        made_up = any(site.simulated for site in sites)
        missing: NoScenesThere | None = None
        for year in sorted({site.year for site in sites}):
            own = [site for site in sites if site.year == year]
            request = self._request(own, year)
            try:
                items = request.scenes[1]
            except NoScenesThere as exc:
                missing = exc
                self._remarks += [_no_scenes(site) for site in own]
                continue
            parts += self._of_year(request, own, progress)
            inputs |= checksums(items)
            made_up |= simulated(items)
        if not parts:
            raise missing or _no_sites()
        rows = pd.concat(parts, ignore_index=True)
        return SampleTable(rows, tuple(self._remarks), inputs, made_up)

    def _request(self, sites: Sequence[Site], year: int) -> SeasonRequest:
        west, south, east, north = shapely.total_bounds([s.geometry for s in sites])
        box = (west - _MARGIN, south - _MARGIN, east + _MARGIN, north + _MARGIN)
        start, end = self.plan.window(year)
        return SeasonRequest(
            archive=self.archive,
            place=place_in_box(box),
            start=start,
            end=end,
            collection=self.collection,
            resolution=self.resolution,
            verify=self.verify,
            options={},
        )

    def _of_year(
        self,
        request: SeasonRequest,
        sites: Sequence[Site],
        progress: Callable[[int, int], None] | None,
    ) -> list[pd.DataFrame]:
        """Return the rows of each cell with sites; a cell without scenes has none."""
        grid, items = request.geobox, request.scenes[1]
        pixels = _pixels(grid, sites, self.per_place)
        lost = set(range(len(sites))) - set(pixels.site.tolist())
        self._remarks += [_too_small(sites[i]) for i in sorted(lost)]
        cells = list(_cells(pixels))
        found: list[tuple[NDArray[np.int64], pd.DataFrame | None]] = []

        def tick() -> None:
            if progress is not None:
                progress(len(found), len(cells))

        lay_out = _Layout(self.plan, request.start, request.end, self.verify)
        tasks = (
            partial(_sampled, lay_out, items, grid, pixels, chosen) for chosen in cells
        )
        run_tasks(tasks, record=found.append, tick=tick)
        parts = []
        for chosen, features in found:
            whose = [sites[i] for i in pixels.site[chosen]]
            if features is None:
                self._remarks += [_no_scenes(site) for site in dict.fromkeys(whose)]
            else:
                parts.append(_rows(grid, pixels, chosen, whose, features))
        return parts


@dataclass(frozen=True, slots=True)
class _Layout:
    """What is the same for all cells of a year."""

    plan: FeaturePlan
    start: date
    end: date
    verify: bool

    def __call__(self, items: Sequence[pystac.Item], window: GeoBox) -> xr.Dataset:
        """Compute the season of a window.

        Raises
        ------
        NoScenes
            None of the items touches it.
        """
        lazy = season(
            items,
            window,
            start=self.start,
            end=self.end,
            variables=self.plan.variables,
            step=self.plan.step,
            index=self.plan.index,
            verify=self.verify,
        )
        # A cell is one task; the cells run side by side.
        return lazy.compute(scheduler="synchronous")


def _sampled(
    lay_out: _Layout,
    items: Sequence[pystac.Item],
    grid: GeoBox,
    pixels: _Pixels,
    chosen: NDArray[np.int64],
) -> tuple[NDArray[np.int64], pd.DataFrame | None]:
    """Compute the features of the chosen pixels of one cell; None without scenes."""
    row, column = pixels.row[chosen], pixels.column[chosen]
    top, left = int(row.min()), int(column.min())
    window = grid[top : int(row.max()) + 1, left : int(column.max()) + 1]
    near = _near(items, lonlat_bounds(window))
    try:
        cube = lay_out(near, window) if near else None
    except NoScenes:
        cube = None
    if cube is None:
        return chosen, None
    planes = lay_out.plan.planes(cube)
    places = (row - top) * window.width + (column - left)
    names = list(lay_out.plan.names)
    table = pd.DataFrame(planes.values(places), columns=names)
    return chosen, table.assign(clear=planes.clear[places])


def _near(
    items: Iterable[pystac.Item], bounds: tuple[float, float, float, float]
) -> list[pystac.Item]:
    west, south, east, north = bounds
    return [
        item
        for item in items
        if item.bbox is None
        or (
            item.bbox[0] <= east
            and west <= item.bbox[2]
            and item.bbox[1] <= north
            and south <= item.bbox[3]
        )
    ]


def _pixels(grid: GeoBox, sites: Sequence[Site], most: int) -> _Pixels:
    """Find the pixel of each point, and some whole pixels of each polygon."""
    crs = grid.crs
    assert crs is not None
    project = Transformer.from_crs("EPSG:4326", str(crs), always_xy=True)
    found: list[NDArray[np.int64]] = []
    for number, site in enumerate(sites):
        shape = shapely.transform(site.geometry, project.transform, interleaved=False)
        # In pixels of the grid, where the middle of pixel 0 is 0.5.
        flat = shapely.transform(
            shape, partial(_moved, ~grid.affine), interleaved=False
        )
        some = _of_polygon(flat, most) if flat.area > 0 else _of_point(flat)
        found.append(np.column_stack([some, np.full(len(some), number)]))
    every = np.concatenate(found)
    return _Pixels(every[:, 0], every[:, 1], every[:, 2])


def _moved(affine: Affine, x: Double, y: Double) -> tuple[Double, Double]:
    a, b, c, d, e, f = affine[:6]
    return a * x + b * y + c, d * x + e * y + f


def _of_point(point: shapely.Geometry) -> NDArray[np.int64]:
    (x, y), *_ = shapely.get_coordinates(point).tolist()
    return np.array([[math.floor(y), math.floor(x)]], np.int64)


def _of_polygon(polygon: shapely.Geometry, most: int) -> NDArray[np.int64]:
    """Rows and columns of pixels wholly inside, evenly spread over them."""
    west, south, east, north = np.floor(polygon.bounds).astype(int)
    rows, columns = np.mgrid[south : north + 1, west : east + 1].reshape(2, -1)
    inside = shapely.contains(
        polygon, shapely.box(columns, rows, columns + 1, rows + 1)
    )
    places = np.flatnonzero(inside)
    if places.size > most:
        places = places[np.linspace(0, places.size - 1, most).round().astype(int)]
    return np.column_stack([rows[places], columns[places]]).astype(np.int64)


def _cells(pixels: _Pixels) -> Iterator[NDArray[np.int64]]:
    """Give the pixels of each cell, cells in the order of the grid."""
    keys = np.column_stack([pixels.row // _CELL, pixels.column // _CELL])
    _, number = np.unique(keys, axis=0, return_inverse=True)
    for cell in range(int(number.max()) + 1 if number.size else 0):
        yield np.flatnonzero(number == cell)


def _rows(
    grid: GeoBox,
    pixels: _Pixels,
    chosen: NDArray[np.int64],
    sites: Sequence[Site],
    features: pd.DataFrame,
) -> pd.DataFrame:
    """Add what is known of each pixel to its features."""
    row, column = pixels.row[chosen], pixels.column[chosen]
    east, north = _moved(grid.affine, column + 0.5, row + 0.5)
    crs = grid.crs
    assert crs is not None
    back = Transformer.from_crs(str(crs), "EPSG:4326", always_xy=True)
    lon, lat = back.transform(east, north)
    return features.assign(
        sample=[
            site.name if site.geometry.area == 0 else f"{site.name} {x:.0f} {y:.0f}"
            for site, x, y in zip(sites, east, north, strict=True)
        ],
        lon=lon,
        lat=lat,
        year=[site.year for site in sites],
        label=[site.label for site in sites],
        place=[site.name for site in sites],
    )


def _told(site: Site, kind: Kind, reason: str) -> Remark:
    middle = shapely.point_on_surface(site.geometry)
    return Remark(site.name, middle.x, middle.y, site.year, site.label, kind, reason)


def _no_scenes(site: Site) -> Remark:
    reason = f"no scene of {site.year} covers it · {site.year} 年没有覆盖此处的影像"
    return _told(site, "outside", reason)


def _too_small(site: Site) -> Remark:
    reason = "no whole pixel lies inside it · 地块内没有完整像元"
    return _told(site, "small", reason)


def _no_sites() -> NoScenesThere:
    return NoScenesThere(
        "no sample gave a pixel: all are smaller than a pixel, or there are none; give "
        "points, or larger fields"
        " · 没有样本落入像元：样本为空或地块小于一个像元，请提供样点或更大的地块"
    )
