"""`heitu season`: the season of a place, from the archive to a product on disk."""

import hashlib
import json
import math
import os
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

from api.errors import NoScenesThere, PeriodUnknown
from api.lineage import Recipe, checksums, code_version, simulated
from api.place import Place
from api.seasons import season_window
from ingest.archive import PRODUCTS, Archive
from raster.errors import GridInvalid
from raster.grid import ALBERS_CHINA, geobox_for
from raster.product import check_product_id, write_season
from raster.product_check import is_whole, read_product
from raster.season import SEASON_VARIABLES, season

__all__ = [
    "SeasonProduct",
    "SeasonRequest",
    "finished_season",
    "make_season",
    "window_of",
]

_METRES_PER_DEGREE = 111_320

MOSTLY = 0.5

# Options that a product's id names, and the block size, which makes no other season.
_NAMED = {"step", "composite", "index", "seasons", "cloud_buffer", "chunk"}


def window_of(
    year: int | None, *, start: date | None = None, end: date | None = None
) -> tuple[date, date]:
    """Return first and last day: those given, or of a year's growing season.

    Raises
    ------
    PeriodUnknown
        Neither a year nor both days, a year beside days, or the last is before the
        first.
    """
    if year is not None and start is None and end is None:
        return season_window(year)
    if year is not None or start is None or end is None:
        raise PeriodUnknown(
            "when? Give either --year, or --start and --end"
            " · 请给出 --year，或同时给出 --start 和 --end，两者只选其一"
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
        Scenes to take; None for the finest that cover most of the place, or else the
        finest of all.
    resolution
        Pixel size in metres; None for that of the scenes.
    verify
        Compare the scenes' files with their checksums. No part of the run: the same
        bytes make the same product, looked at or not.
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
    verify: bool = True
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
        # Fine scenes of one corner make no map of a county.
        best = min(
            there,
            key=lambda name: (
                self._cover(there[name]) < MOSTLY,
                min(map(_resolution, there[name])),
            ),
        )
        return best, there[best]

    def _cover(self, items: Sequence[pystac.Item]) -> float:
        """Share of the place that lies within some item's bounds."""
        place = shapely.box(*self.place.bounds)
        boxes = [shapely.box(*item.bbox) for item in items if item.bbox is not None]
        seen = shapely.intersection(place, shapely.union_all(boxes))
        return float(shapely.area(seen) / shapely.area(place))

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
            verify=self.verify,
            **self.options,
        )
        # A scene that is replaced while the work rests makes another run: blocks of
        # the two must not meet in one product, nor verified ones and others.
        return lazy.assign_attrs(run=self.recipe.run_id, **self._unverified())

    def sources(self, folder: Path) -> dict[str, str]:
        """Item file of each scene by its id, as seen from a product's folder."""
        hrefs = {item.id: item.get_self_href() or "" for item in self.scenes[1]}
        return {name: _href(href, folder) for name, href in hrefs.items()}

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
            **{f"heitu:{name}": bool(no) for name, no in self._unverified().items()},
        }

    def _unverified(self) -> dict[str, int]:
        # A number, since netCDF knows no booleans.
        return {} if self.verify else {"verified": 0}


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


def finished_season(request: SeasonRequest, folder: Path) -> SeasonProduct | None:
    """Return the very product that is asked for, if it is in the folder already.

    It is of the same run, all its files have their checksums, and its scenes were
    verified if that is asked.
    """
    item = read_product(folder, request.product_id)
    if item is None or item.properties.get("heitu:run") != request.recipe.run_id:
        return None
    if request.verify and item.properties.get("heitu:verified") is False:
        return None
    return _product(request, item, folder) if is_whole(item) else None


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
    item = write_season(
        lazy,
        folder,
        product_id=request.product_id,
        properties=request.properties(),
        sources=request.sources(folder / request.product_id),
        progress=progress,
    )
    return _product(request, item, folder)


def _product(request: SeasonRequest, item: pystac.Item, folder: Path) -> SeasonProduct:
    collection, items = request.scenes
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


def _href(href: str, folder: Path) -> str:
    """Relative, so that archive and products can move together."""
    if "://" in href:
        return href
    try:
        return Path(os.path.relpath(href, folder)).as_posix()
    except ValueError:  # on another drive
        return Path(href).as_posix()


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
