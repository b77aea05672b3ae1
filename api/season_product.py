"""`heitu season`: the season of a place, from the archive to a product on disk."""

import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import pystac
import shapely
import xarray as xr
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pystac.extensions.projection import ProjectionExtension

from api.errors import NoScenesThere, PeriodUnknown, PlaceInvalid
from api.lineage import Recipe, checksums, code_version, simulated
from api.seasons import season_window
from ingest.archive import PRODUCTS, Archive
from ingest.boundaries import jilin_counties
from ingest.catalogue import item_file
from ingest.county_names import COUNTY_NAMES
from raster.errors import GridInvalid
from raster.grid import ALBERS_CHINA, geobox_for
from raster.product import check_product_id, write_season
from raster.season import SEASON_VARIABLES, season

__all__ = [
    "Place",
    "SeasonProduct",
    "SeasonRequest",
    "make_season",
    "place_in_box",
    "place_of_county",
    "place_of_field",
    "window_of",
]

Bounds = tuple[float, float, float, float]

_METRES_PER_DEGREE = 111_320

# What a product's id may not hold.
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")

# Options that a product's id names, and the block size, which makes no other season.
_NAMED = {"step", "composite", "index", "seasons", "cloud_buffer", "chunk"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a season is: `key` goes into the product's id.

    `bounds` is (west, south, east, north) in degrees, WGS 84.
    """

    key: str
    name_en: str
    name_zh: str
    bounds: Bounds


def place_of_county(code: str) -> Place:
    """Return the rectangle around a county of Jilin.

    Parameters
    ----------
    code
        GB/T 2260 code, e.g. "220184", or the county's Chinese name.

    Raises
    ------
    PlaceInvalid
        No such county.
    ingest.IngestError
        The county outlines are not installed, or are not the ones checked.
    """
    codes = {name_zh: key for key, (name_zh, _) in COUNTY_NAMES.items()}
    wanted = codes.get(code, code)
    if wanted not in COUNTY_NAMES:
        near = [key for key in COUNTY_NAMES if key[:4] == code[:4]] or [*COUNTY_NAMES]
        known = ", ".join(f"{key} {COUNTY_NAMES[key][0]}" for key in near)
        raise PlaceInvalid(
            f"{code!r} is no county of Jilin; give its GB/T 2260 code or Chinese name,"
            f" one of {known} · 吉林省没有 {code!r}，请填写以上代码或名称之一"
        )
    name_zh, name_en = COUNTY_NAMES[wanted]
    (county,) = (c for c in jilin_counties() if c.code == wanted)
    return Place(wanted, name_en, name_zh, _bounds(county.geometry))


def place_in_box(bounds: Bounds) -> Place:
    """Return a rectangle (west, south, east, north) in degrees, WGS 84.

    Raises
    ------
    PlaceInvalid
        It is empty, or no longitudes and latitudes.
    """
    west, south, east, north = bounds
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise PlaceInvalid(
            f"no rectangle from west {west:g}, south {south:g} to east {east:g}, north "
            f"{north:g}: give degrees of WGS 84 in this order, e.g. 124.2 43.1 124.5 "
            "43.3 · 经纬度范围无效，请按 西 南 东 北 的顺序填写（WGS 84，度）"
        )
    # A hundred-thousandth of a degree is a metre.
    corners = "_".join(f"{number:.5f}".rstrip("0").rstrip(".") for number in bounds)
    degrees = f"{west:g}-{east:g}°E {south:g}-{north:g}°N"
    return Place(f"box_{corners}", degrees, degrees, bounds)


def place_of_field(path: Path) -> Place:
    """Return the rectangle around the polygons of a GeoJSON file, named as the file.

    Raises
    ------
    PlaceInvalid
        The file is missing, is not GeoJSON, or holds no polygon in degrees.
    """
    try:
        shape = shapely.from_geojson(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, shapely.errors.GEOSException) as exc:
        raise _unreadable(path, str(exc)) from exc
    if not shapely.area(shape) > 0:
        raise _unreadable(path, "no polygon in it")
    west, south, east, north = _bounds(shape)
    if not (west >= -180 and east <= 180 and south >= -90 and north <= 90):
        raise _unreadable(path, f"{west:g} {south:g} {east:g} {north:g} are no degrees")
    slug = _UNSAFE.sub("-", path.stem).strip("-._")
    # Fields of two farms may bear one name, and Chinese ones leave no letters.
    digest = hashlib.sha256(shape.normalize().wkb).hexdigest()[:8]
    key = "-".join(part for part in ("field", slug, digest) if part)
    return Place(key, path.stem, path.stem, (west, south, east, north))


def _unreadable(path: Path, why: str) -> PlaceInvalid:
    return PlaceInvalid(
        f"{path} does not say where the field is ({why}): give a GeoJSON file with its "
        "polygon in longitude and latitude, WGS 84"
        f" · 无法从 {path} 读取地块，请提供经纬度（WGS 84）多边形的 GeoJSON 文件"
    )


def _bounds(shape: shapely.Geometry) -> Bounds:
    west, south, east, north = map(float, shape.bounds)
    return west, south, east, north


def window_of(
    year: int | None, *, start: date | None = None, end: date | None = None
) -> tuple[date, date]:
    """Return first and last day: of a year's growing season where not given.

    Raises
    ------
    PeriodUnknown
        No year and not both days, or the last is before the first.
    """
    if year is not None:
        first, last = season_window(year)
        start, end = start or first, end or last
    if start is None or end is None:
        raise PeriodUnknown(
            "when? Give a year, or the first and the last day · 请给出年份，或起止日期"
        )
    if end < start:
        raise PeriodUnknown(
            f"the season ends {end}, before it starts {start}: change one of the two"
            f" · 结束日期 {end} 早于开始日期 {start}，请更正"
        )
    return start, end


@dataclass(frozen=True, kw_only=True)
class SeasonRequest:
    """What season is wanted; what is left out follows from the scenes.

    Attributes
    ----------
    start, end
        First and last day, both included.
    collection
        Scenes to take; None for the finest that cover some of the place.
    resolution
        Pixel size in metres; None for that of the scenes.
    options
        Further keywords of `raster.season.season`, e.g. step and variables.
    name
        Id of the product; None for one made of the others.
    """

    archive: Archive
    place: Place
    start: date
    end: date
    collection: str | None = None
    resolution: float | None = None
    options: Mapping[str, Any]
    name: str | None = None

    @cached_property
    def scenes(self) -> tuple[str, list[pystac.Item]]:
        """Name of the collection, and its items of the place and time, oldest first.

        Raises
        ------
        NoScenesThere
            There are none; the message says what there is instead.
        ingest.IngestError
            An item cannot be read.
        """
        names = [name for name in self.archive.collections() if name != PRODUCTS]
        if self.collection is not None and self.collection not in names:
            raise _unknown(self.collection, names)
        wanted = names if self.collection is None else [self.collection]
        found = {name: self._items(name, self.start, self.end) for name in wanted}
        there = {name: items for name, items in found.items() if items}
        if not there:
            raise self._nothing_there(wanted)
        finest = min(there, key=lambda name: min(map(_resolution, there[name])))
        return finest, there[finest]

    def _items(
        self, collection: str, start: date | None = None, end: date | None = None
    ) -> list[pystac.Item]:
        return self.archive.items(
            collection, start=start, end=end, bbox=self.place.bounds
        )

    def _nothing_there(self, collections: Sequence[str]) -> NoScenesThere:
        items = [item for name in collections for item in self._items(name)]
        years = sorted({item.datetime.year for item in items if item.datetime})
        known = ", ".join(map(str, years))
        return NoScenesThere(
            f"the archive has no scenes of {self.place.name_en} from {self.start} to "
            f"{self.end}; years it has there: {known or 'none'}. Choose another time or"
            " place, or ingest scenes first"
            f" · 档案中没有{self.place.name_zh} {self.start} 至 {self.end} 的影像，该处"
            f"已有年份：{known or '无'}，请更换时段、地点或先导入影像"
        )

    @cached_property
    def geobox(self) -> GeoBox:
        """The rectangle around the place on the scenes' grid.

        Where they lie in several UTM zones, or in none, in Albers equal area.

        Raises
        ------
        NoScenesThere, ingest.IngestError
            As of `scenes`.
        raster.GridInvalid
            The scenes do not tell their pixel size, and none was given.
        """
        collection, items = self.scenes
        resolution = self.resolution or min(map(_resolution, items))
        if not math.isfinite(resolution):
            raise _no_pixel_size(collection, items[0].id)
        grids = {_crs(item) for item in items}
        crs = grids.pop() if len(grids) == 1 else None
        if crs is None or not crs.projected:
            crs = CRS(ALBERS_CHINA)
        return geobox_for(self.place.bounds, crs=str(crs), resolution=resolution)

    @property
    def product_id(self) -> str:
        """Name of the product: a season that is asked otherwise has another one.

        What differs from the default is named, places to the metre. Variables, and
        settings that have no word, are six digits of the run: new scenes, code or
        blocks then change the name too, else the same product is replaced.
        """
        if self.name is not None:
            return self.name
        own_window = season_window(self.end.year) == (self.start, self.end)
        days = f"{self.start:%Y%m%d}-{self.end:%Y%m%d}"
        step = self.options.get("step", "dekad")
        parts = (
            "season",
            self.place.key,
            str(self.end.year) if own_window else days,
            self.scenes[0],
            f"{self.resolution:g}m" if self.resolution else None,
            f"{step}d" if isinstance(step, int) else step,
            *self._choices(),
        )
        return "-".join(part for part in parts if part)

    def _choices(self) -> Iterator[str]:
        """Name the options that are not the default, but for the step."""
        options = self.options
        if (composite := options.get("composite", "median")) != "median":
            yield composite
        if (index := options.get("index", "ndvi")) != "ndvi":
            yield index
        if (seasons := options.get("seasons", 1)) != 1:
            yield f"{seasons}seasons"
        if (metres := options.get("cloud_buffer", 0)) != 0:
            yield f"{metres:g}mcloud"
        others = set(options) - _NAMED
        if set(options.get("variables", SEASON_VARIABLES)) == {*SEASON_VARIABLES}:
            others.discard("variables")
        if others:
            # Of the choice alone: more scenes make another run of the same product.
            chosen = {name: options[name] for name in sorted(others)}
            text = json.dumps(chosen, default=sorted)
            yield hashlib.sha256(text.encode()).hexdigest()[:6]

    @cached_property
    def recipe(self) -> Recipe:
        """What the product is made from: every scene with its checksum."""
        collection, items = self.scenes
        return Recipe(
            kind="season",
            inputs=checksums(items),
            parameters={
                "collection": collection,
                "place": [self.place.key, *self.place.bounds],
                "window": [self.start.isoformat(), self.end.isoformat()],
                "grid": [str(self.geobox.crs), *self.geobox.affine[:6]],
                "options": dict(self.options),
            },
            simulated=simulated(items),
        )

    def dataset(self) -> xr.Dataset:
        """Lay out the season, lazy.

        Raises
        ------
        NoScenesThere, ingest.IngestError
            As of `scenes`.
        raster.RasterError
            As of `raster.season.season`, or the name cannot be a product's.
        """
        if self.name is not None:
            check_product_id(self.name)
        lazy = season(
            self.scenes[1],
            self.geobox,
            start=self.start,
            end=self.end,
            **self.options,
        )
        # A scene that is replaced while the work rests makes another run: blocks of
        # the two must not meet in one product.
        return lazy.assign_attrs(run=self.recipe.run_id)

    def sources(self, folder: Path) -> dict[str, str]:
        """Item file of each scene by its id, as seen from a product's folder."""
        collection, items = self.scenes
        scenes = self.archive.root / collection
        files = {item.id: item_file(scenes / item.id) for item in items}
        return {name: _href(path, folder) for name, path in files.items()}

    def properties(self) -> dict[str, Any]:
        """Item properties beyond those that follow from the season itself.

        The run is in no database: inputs, parameters and code version, of which its
        id is the checksum, stand beside it.
        """
        place, year = self.place, self.end.year
        return {
            "title": f"Season of {place.name_en}, {self.start} to {self.end}",
            "heitu:title_zh": f"{place.name_zh}生长季（{self.start} 至 {self.end}）",
            "heitu:year": year,
            "heitu:place": place.key,
            "heitu:collection": self.scenes[0],
            "heitu:run": self.recipe.run_id,
            "heitu:inputs": dict(self.recipe.inputs),
            "heitu:parameters": dict(self.recipe.parameters),
            "heitu:code_version": code_version(),
            "heitu:simulated": self.recipe.simulated,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SeasonProduct:
    """A season that was written."""

    item: pystac.Item
    folder: Path
    collection: str
    scenes: int
    shape: tuple[int, int]
    resolution: float

    def __str__(self) -> str:
        """Say in one line what it is, in both languages."""
        rows, columns = self.shape
        size = f"{columns} x {rows}"
        metres = f"{self.resolution:g}"
        clear = self.item.properties.get("heitu:never_clear_share")
        seen = "" if clear is None else f"{100 * (1 - clear):.3g} %"
        made_up = self.item.properties["heitu:simulated"]
        return (
            f"{self.scenes} scenes of {self.collection}, {size} pixels of {metres} m"
            f"{seen and f', {seen} seen clear'}{', simulated' if made_up else ''}"
            f" · {self.scenes} 景影像，{size} 像元（{metres} 米）"
            f"{seen and f'，晴空覆盖 {seen}'}{'，模拟数据' if made_up else ''}"
        )


def make_season(
    request: SeasonRequest,
    lazy: xr.Dataset,
    folder: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> SeasonProduct:
    """Compute a season and write it as a product, by whoever dask computes with.

    Interrupted, it goes on from the finished blocks when it is called again.

    Parameters
    ----------
    request, lazy
        What season, and its `dataset`.
    folder
        The product becomes a folder in it, in place of one of the same id.
    progress
        Called with (blocks done, blocks in all).

    Raises
    ------
    raster.RasterError
        As of `raster.product.write_season`.
    """
    collection, items = request.scenes
    item = write_season(
        lazy,
        folder,
        product_id=request.product_id,
        properties=request.properties(),
        sources=request.sources(folder / request.product_id),
        progress=progress,
    )
    return SeasonProduct(
        item=item,
        folder=folder / item.id,
        collection=collection,
        scenes=len(items),
        shape=(request.geobox.height, request.geobox.width),
        resolution=abs(request.geobox.resolution.x),
    )


def _unknown(collection: str, names: Sequence[str]) -> NoScenesThere:
    known = ", ".join(names)
    return NoScenesThere(
        f"the archive has no scenes {collection!r}, only {known or 'none at all'}: "
        "choose one of these, or ingest them first"
        f" · 档案中没有影像集 {collection!r}，现有：{known or '无'}，请选择或先导入"
    )


def _href(path: Path, folder: Path) -> str:
    """Relative, so that archive and products can move together."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # on another drive
        return path.as_posix()


def _no_pixel_size(collection: str, item_id: str) -> GridInvalid:
    return GridInvalid(
        f"scenes of {collection}, as {item_id}, tell no pixel size (proj:transform or "
        "gsd): give --resolution in metres, or take another --collection"
        f" · 影像集 {collection} 的影像（如 {item_id}）没有像元大小（proj:transform 或 "
        "gsd），请用 --resolution 给出分辨率（米），或改用其他 --collection"
    )


def _resolution(item: pystac.Item) -> float:
    """Pixel size of a scene's finest grid in metres; infinite if it is not told."""
    transform = item.properties.get("proj:transform")
    if not transform:
        return float(item.common_metadata.gsd or math.inf)
    crs = _crs(item)
    in_metres = crs is not None and crs.projected
    return abs(float(transform[0])) * (1 if in_metres else _METRES_PER_DEGREE)


def _crs(item: pystac.Item) -> CRS | None:
    if not ProjectionExtension.has_extension(item):
        return None
    text = ProjectionExtension.ext(item).crs_string
    return None if text is None else CRS(text)
