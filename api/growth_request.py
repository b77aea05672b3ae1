"""What growth is asked for: a dekad of a place, and the same one of past years."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pystac
import xarray as xr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from api.errors import NoScenesThere, PeriodUnknown
from api.lineage import Recipe, checksums, code_version, simulated
from api.place import Place
from api.season_product import SeasonRequest
from ingest.archive import Archive
from models.growth import LAYERS, SCALES, Grading, grade_block, layer_attributes, seen
from models.growth.grading import GRADES
from models.reasons import Reason
from raster.block import CLEAR_COUNT, SMOOTH
from raster.indices import index_named
from raster.season import season
from raster.step import TimeStep, dekad_of

__all__ = ["DATES", "PAST_YEARS", "GrowthRequest", "season_start"]

PAST_YEARS = 10

DATES = ("sos", "pos", "eos")
"""Dates of the season, which the product holds of every year, as seen until then."""

# Days whose dekad can be graded: a smooth curve takes three dekads from 1 April on.
_FIRST, _LAST = (4, 21), (10, 31)

# A block holds a season of one year at a time, and one dekad of all years.
_SIDE = 512


def season_start(year: int) -> date:
    """Return the first day of the season that growth is followed from."""
    return date(year, 4, 1)


@dataclass(frozen=True, kw_only=True)
class GrowthRequest:
    """Growth of a place on a day.

    Every year is treated alike: its season is read from 1 April to the end of the
    dekad, no later scene helps a past year, and all lie on one grid.

    Attributes
    ----------
    day
        A day of the dekad (旬) that is graded.
    past
        Years before it to compare with.
    index
        Index that is compared, e.g. "ndvi".
    collection
        Scenes of every year; None for the finest of each that cover most of the place.
    resolution
        Pixel size in metres; None for that of the coarsest year.
    verify
        Compare the scenes' files with their checksums.
    name
        Id of the product; None for one made of the others.

    Raises
    ------
    PeriodUnknown
        The day lies before the third dekad of April, or after October.
    """

    archive: Archive
    place: Place
    day: date
    past: int = PAST_YEARS
    index: str = "ndvi"
    grading: Grading = field(default_factory=Grading)
    collection: str | None = None
    resolution: float | None = None
    verify: bool = True
    name: str | None = None

    def __post_init__(self) -> None:
        first, last = date(self.day.year, *_FIRST), date(self.day.year, *_LAST)
        if not first <= self.day <= last:
            raise PeriodUnknown(
                f"growth on {self.day}: the season is followed from 1 April, and a "
                f"curve takes three dekads, so choose a day from {first} to {last}"
                f" · {self.day} 不在可评级的时段内，请选择 {first} 至 {last} 之间的日期"
            )

    @property
    def dekad(self) -> TimeStep:
        """The dekad that is graded."""
        return dekad_of(self.day)

    @property
    def wanted(self) -> range:
        """Years that are asked for, this one last."""
        return range(self.day.year - self.past, self.day.year + 1)

    @cached_property
    def _found(self) -> tuple[dict[int, SeasonRequest], dict[int, Reason]]:
        requests, absent = {}, {}
        for year in self.wanted:
            asked = self._season(year)
            try:
                _ = asked.scenes
            except NoScenesThere:
                # This year without scenes is no question of growth.
                if year == self.day.year:
                    raise
                absent[year] = Reason("no imagery", "没有影像")
            else:
                requests[year] = asked
        return requests, absent

    @property
    def seasons(self) -> dict[int, SeasonRequest]:
        """The season of each year that has scenes, oldest first."""
        return self._found[0]

    @property
    def absent(self) -> dict[int, Reason]:
        """Past years that have no scenes of the place, and why."""
        return self._found[1]

    def _season(self, year: int) -> SeasonRequest:
        same_dekad = dekad_of(self._day_in(year))
        return SeasonRequest(
            archive=self.archive,
            place=self.place,
            start=season_start(year),
            end=same_dekad.end,
            collection=self.collection,
            resolution=self.resolution,
            verify=self.verify,
            options={},
        )

    def _day_in(self, year: int) -> date:
        # The first of the dekad is a day of every year, 29 February is not.
        return self.dekad.start.replace(year=year)

    @cached_property
    def geobox(self) -> GeoBox:
        """Grid of the coarsest year: finer scenes are averaged, none is blown up."""
        grids = [request.geobox for request in self.seasons.values()]
        return max(grids, key=lambda grid: abs(grid.resolution.x))

    @property
    def scale(self) -> float:
        """Value of one step of the index at rest."""
        return index_named(self.index).scale

    @property
    def product_id(self) -> str:
        """Name of the product: what differs from the defaults is in it."""
        if self.name is not None:
            return self.name
        asked = {
            "past": self.past,
            "grading": asdict(self.grading),
            "collection": self.collection,
            "resolution": self.resolution,
        }
        usual = asdict(Grading())
        plain = {"past": PAST_YEARS, "grading": usual} | dict.fromkeys(
            ("collection", "resolution")
        )
        parts = ["growth", self.place.key, f"{self.dekad.start:%Y%m%d}"]
        if self.index != "ndvi":
            parts.append(self.index)
        if asked != plain:
            text = json.dumps(asked, sort_keys=True)
            parts.append(hashlib.sha256(text.encode()).hexdigest()[:6])
        return "-".join(parts)

    @cached_property
    def items(self) -> dict[int, list[pystac.Item]]:
        """Scenes of each year that has some."""
        return {year: asked.scenes[1] for year, asked in self.seasons.items()}

    @cached_property
    def collections(self) -> dict[int, str]:
        """Name of the scenes of each year that has some."""
        return {year: asked.scenes[0] for year, asked in self.seasons.items()}

    @cached_property
    def recipe(self) -> Recipe:
        """What the growth is made from: every scene of every year."""
        scenes = [item for items in self.items.values() for item in items]
        return Recipe(
            kind="growth",
            inputs=checksums(scenes),
            parameters={
                "place": [self.place.key, *self.place.bounds],
                "dekad": [self.dekad.start.isoformat(), self.dekad.end.isoformat()],
                "years": [*self.wanted],
                "index": self.index,
                "grading": _listed(asdict(self.grading)),
                "grid": [str(self.geobox.crs), *self.geobox.affine[:6]],
                "shape": list(self.geobox.shape),
            },
            simulated=simulated(scenes),
        )

    def dataset(self) -> xr.Dataset:
        """Lay out the growth, lazy: the value and dates of each year, and the layers.

        Raises
        ------
        NoScenesThere, ingest.IngestError
            This year has no scenes, or an item cannot be read.
        raster.RasterError
            As of `raster.season.season`.
        """
        years = [self._lazy_year(year) for year in self.seasons]
        series = {
            name: _stacked([year[name] for year in years]) for name in ("value", *DATES)
        }
        layers = self._layers(series["value"])
        return self._described(series, layers, years[-1])

    def _lazy_year(self, year: int) -> xr.Dataset:
        smooth = self.index + SMOOTH
        lazy = season(
            self.items[year],
            self.geobox,
            start=season_start(year),
            end=self.seasons[year].end,
            variables=(smooth, CLEAR_COUNT, *DATES),
            index=self.index,
            chunk=min(_SIDE, max(self.geobox.shape)),
            verify=self.verify,
        )
        value = da.map_blocks(  # type: ignore[no-untyped-call]
            seen,
            lazy[smooth].data,
            lazy[CLEAR_COUNT].data,
            min_clear=self.grading.min_clear,
            dtype=np.int16,
            drop_axis=0,
        )
        return lazy.assign(value=(("y", "x"), value))

    def _layers(self, values: da.Array) -> dict[str, da.Array]:
        """One task a block grades; each layer picks its part of the result."""
        graded = partial(_graded, grading=self.grading, scale=self.scale)
        chunks = ((len(LAYERS),), *values.chunks[1:])
        stack = da.map_blocks(graded, values, dtype=np.int16, chunks=chunks)  # type: ignore[no-untyped-call]
        return {
            name: stack[i] if name in SCALES else stack[i].astype(np.uint8)
            for i, name in enumerate(LAYERS)
        }

    def _described(
        self,
        series: Mapping[str, da.Array],
        layers: Mapping[str, da.Array],
        current: xr.Dataset,
    ) -> xr.Dataset:
        days = [np.datetime64(self._day_in(year), "ns") for year in self.seasons]
        smooth = current[self.index + SMOOTH].attrs
        value = smooth | {"long_name": f"smoothed {self.index.upper()} of the dekad"}
        attributes = {"value": value} | {
            name: current[name].attrs | {"units": "day"} for name in DATES
        }
        variables: dict[str, Any] = {
            name: (("time", "y", "x"), array, attributes[name])
            for name, array in series.items()
        }
        for name, array in layers.items():
            about = layer_attributes(name, index=self.index, scale=self.scale)
            variables[name] = (("y", "x"), array, about)
        coordinates = {name: current.coords[name] for name in ("y", "x", "spatial_ref")}
        time = xr.Variable("time", days, {"standard_name": "time", "axis": "T"})
        return xr.Dataset(variables, coords={**coordinates, "time": time}).assign_attrs(
            self._attributes()
        )

    def _attributes(self) -> dict[str, Any]:
        dekad = self.dekad
        lineage = {
            "scenes": [item.id for items in self.items.values() for item in items],
            "parameters": {
                "start": dekad.start.isoformat(),
                "end": dekad.end.isoformat(),
                "years": [*self.seasons],
            },
        }
        return {
            "simulated": int(self.recipe.simulated),
            "lineage": json.dumps(lineage),
            "run": self.recipe.run_id,
        }

    def properties(self) -> dict[str, Any]:
        """Item properties of the product."""
        place, dekad = self.place, self.dekad
        return {
            "title": f"Growth of {place.name_en}, {dekad.start} to {dekad.end}, "
            "against past years",
            "heitu:title_zh": f"{place.name_zh}长势（{dekad.start} 至 {dekad.end}）"
            "与往年同期比较",
            "heitu:kind": "growth",
            "heitu:year": self.day.year,
            "heitu:place": place.key,
            "heitu:index": self.index,
            "heitu:run": self.recipe.run_id,
            "heitu:inputs": dict(self.recipe.inputs),
            "heitu:parameters": dict(self.recipe.parameters),
            "heitu:code_version": code_version(),
            "heitu:simulated": self.recipe.simulated,
            "heitu:past_years": [year for year in self.seasons if year < self.day.year],
            "heitu:absent_years": sorted(self.absent),
            "heitu:grades": [str(grade) for grade in GRADES],
            "heitu:limits": list(self.grading.cuts),
            "heitu:limits_source": "chosen, of no standard · 自定，非标准限值",
        }

    def of_index(self, index: str) -> "GrowthRequest":
        """Return the same growth of another index."""
        return replace(self, index=index, name=None)

    def sources(self, folder: Path) -> dict[str, str]:
        """Item file of each scene by its id, as seen from a product's folder."""
        found: dict[str, str] = {}
        for asked in self.seasons.values():
            found |= asked.sources(folder)
        return found


def _stacked(years: Sequence[xr.DataArray]) -> da.Array:
    """Put years (y, x) behind one another, (year, y, x), all in one block."""
    stack = da.stack([year.data for year in years])  # type: ignore[no-untyped-call]
    whole: da.Array = stack.rechunk({0: -1})
    return whole


def _graded(
    stack: NDArray[np.int16], *, grading: Grading, scale: float
) -> NDArray[np.int16]:
    """Grade a block of (year, y, x), this year last."""
    return grade_block(stack[-1], stack[:-1], grading, scale=scale)


def _listed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as JSON gives them back."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in settings.items()}
