"""`heitu yield-map`: yield maps of a place from the archive and the estimates."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import shapely
import xarray as xr
from numpy.typing import NDArray

from api.errors import ApiError
from api.lineage import Recipe, checksums, outlines_checksum
from api.maps import peak_line, run_of
from api.place import Place
from api.platform import load_counties
from api.progress import Stages
from api.raster_file import open_raster
from api.season_product import SeasonRequest
from api.seasons import YearSeason, season_window
from api.yield_map_ground import (
    PartOfGround,
    counties_in,
    find_ground,
    part_of,
    window_of,
)
from api.yield_map_item import product_id, publish
from api.yield_map_light import INPUTS, Light, season_light
from api.yield_map_make import (
    POTENTIAL,
    Counties,
    YieldMap,
    counties_of,
    cut_to,
    make_yield_map,
)
from api.yield_map_truth import Truth, truth_of_files, truth_of_store
from ingest.archive import PRODUCTS, Archive
from models.pixel_yield import PeakIndex
from raster.files import remove
from raster.grid import lonlat_bounds
from raster.product import check_product_id, write_season
from store import Store, estimates, runs
from store.estimates import Estimate

__all__ = ["NoEstimates", "YieldMapJob", "make_yield_maps"]


class NoEstimates(ApiError):
    """Nothing says what the pixels should add up to."""

    def __init__(self, crop: str, year: int, run: str | None) -> None:
        of_run = "" if run is None else f" of run {run}"
        super().__init__(
            f"no county yields of {crop} in {year}{of_run} are stored: make them with "
            f"`heitu yields estimate --year {year}`"
            f" · 库中没有 {year} 年 {crop} 的县级单产，请先运行 "
            f"`heitu yields estimate --year {year}`"
        )


@dataclass(frozen=True, kw_only=True)
class YieldMapJob:
    """What yield maps are wanted.

    Attributes
    ----------
    year, crops
        One map a crop.
    place
        None for the whole province. Maps are made of whole counties and cut to it.
    crop_map
        Id of a product, or name of its grid; None for the finest that covers the place.
    collection
        Scenes; None for the finest that cover most of the place.
    run
        Whose estimates; None for those that count.
    samples
        Files of crop cuts, or of cleaned combine points.
    stored_cuts
        Whether the stored crop cuts serve as well.
    name
        Of the products, after ``yield-CROP-YEAR-``; None for place and grid.
    """

    store: Store
    archive: Archive
    year: int
    crops: Sequence[str]
    place: Place | None = None
    crop_map: str | None = None
    collection: str | None = None
    run: str | None = None
    samples: Sequence[Path] = ()
    stored_cuts: bool = False
    name: str | None = None
    made: dict[str, pystac.Item] = field(default_factory=dict)

    @cached_property
    def ground(self) -> PartOfGround:
        """Crop shares and counties."""
        counties = counties_in(self.place, load_counties(self.store))
        return find_ground(self.archive, counties, named=self.crop_map)

    @cached_property
    def season(self) -> YearSeason:
        """The season below the maps."""
        outline = shapely.box(*lonlat_bounds(self.ground.geobox))
        where = Place("ground", "the counties", "各县", outline)
        start, end = season_window(self.year)
        request = SeasonRequest(
            archive=self.archive,
            place=where,
            start=start,
            end=end,
            collection=self.collection,
            options={},
        )
        collection, _ = request.scenes
        return YearSeason(
            archive=self.archive,
            ground=self.ground,
            collection=collection,
            year=self.year,
        )

    @cached_property
    def light(self) -> Light:
        """Weather of light use."""
        return season_light(self.store, self.season)

    @property
    def suffix(self) -> str:
        """What tells these maps from others of the crop and year."""
        if self.name is not None:
            return self.name
        metres = f"{abs(self.ground.geobox.resolution.x):g}m"
        return metres if self.place is None else f"{self.place.key}-{metres}"

    @cached_property
    def canopy(self) -> Recipe:
        """What all maps follow: scenes, crop map, counties and weather."""
        items = [*self.season.items, self.ground.crop_map]
        return Recipe(
            kind="canopy",
            inputs={
                **checksums(items),
                "counties": outlines_checksum(self.ground.counties),
                **self.light.inputs,
            },
            parameters={
                "year": self.year,
                "collection": self.season.collection,
                "transform": list(self.ground.geobox.affine)[:6],
                "shape": list(self.ground.geobox.shape),
                "growth": [self.light.start.isoformat(), self.light.end.isoformat()],
            },
            simulated=self.season.simulated or self.light.simulated,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """One map, and all that it is made of but the canopy."""

    crop: str
    name: str
    counties: Counties
    line: PeakIndex | None
    truth: Truth | None
    recipe: Recipe


def make_yield_maps(
    job: YieldMapJob, folder: Path, stages: Stages
) -> dict[str, pystac.Item]:
    """Make the maps that are not there yet; returns crop -> product.

    Interrupted, it goes on from the finished blocks when it is called again.

    Parameters
    ----------
    job
        What maps.
    folder
        Where the canopy grows until the maps are whole.

    Raises
    ------
    NoEstimates, CropMapMissing, NoScenesThere, PlaceInvalid, SamplesInvalid
    raster.RasterError
        As of `raster.product.write_season`; NoClearPixel where no pixel was seen.
    ingest.IngestError, models.ModelError, store.StoreError
    """
    wanted = [_wanted(job, crop) for crop in job.crops]
    missing = [
        one for one in wanted if run_of(job.archive, one.name) != one.recipe.run_id
    ]
    if missing:
        computed = _canopy(job, folder, stages)
        with stages.stage("Yield maps", "单产图", total=len(missing)) as advance:
            for one in missing:
                _make(job, one, computed)
                advance()
        job.archive.refresh_links()
        remove(folder / _canopy_name(job))
    return {one.crop: job.archive.item(PRODUCTS, one.name) for one in wanted}


def _wanted(job: YieldMapJob, crop: str) -> _Wanted:
    rows = _estimates(job, crop)
    counties = counties_of(rows, job.ground.codes)
    line = peak_line(job.store, _yield_runs(job.store, rows), crop=crop)
    truth = _truth(job, crop)
    name = product_id(crop, job.year, job.suffix)
    check_product_id(name)
    basis = {f"estimates/{run_id}": run_id for run_id in {row.run_id for row in rows}}
    recipe = Recipe(
        kind="yield-map",
        inputs={
            **job.canopy.inputs,
            **basis,
            **({} if truth is None else truth.inputs),
        },
        parameters={
            **job.canopy.parameters,
            "crop": crop,
            "counties": [row.county for row in rows],
            "bounds": None if job.place is None else list(job.place.bounds),
            "peak_line": line and [line.slope, line.intercept],
            "potential": POTENTIAL[crop],
        },
        simulated=job.canopy.simulated
        or counties.simulated
        or (truth is not None and truth.simulated),
    )
    return _Wanted(
        crop=crop, name=name, counties=counties, line=line, truth=truth, recipe=recipe
    )


def _estimates(job: YieldMapJob, crop: str) -> list[Estimate]:
    """Return the yields that count, or the run's, of the counties below the map."""
    with job.store.connection() as conn:
        if job.run is None:
            found = estimates.find(
                conn, crop=crop, year=job.year, measure="yield", level="county"
            )
        else:
            found = estimates.of_run(conn, job.run)
    rows = [
        row
        for row in found
        if (row.crop, row.year, row.measure) == (crop, job.year, "yield")
        and row.county in job.ground.codes
    ]
    if not rows:
        raise NoEstimates(crop, job.year, job.run)
    return rows


def _yield_runs(store: Store, rows: Sequence[Estimate]) -> list[str]:
    with store.connection() as conn:
        names = sorted({row.run_id for row in rows})
        return [run_id for run_id in names if runs.exists(conn, run_id)]


def _truth(job: YieldMapJob, crop: str) -> Truth | None:
    if job.samples:
        return truth_of_files(job.samples, crop=crop, year=job.year)
    if job.stored_cuts:
        return truth_of_store(job.store, crop=crop, year=job.year)
    return None


def _canopy_name(job: YieldMapJob) -> str:
    return f"canopy-{job.year}-{job.suffix}"


def _canopy(job: YieldMapJob, folder: Path, stages: Stages) -> xr.Dataset:
    """Compute peak and light use block by block on disk, then read them."""
    lazy = job.season.lazy(("peak", *INPUTS))
    layers = job.light.layers(lazy, ground=job.ground)
    item = write_season(
        layers.assign_attrs(run=job.canopy.run_id),
        folder,
        product_id=_canopy_name(job),
        properties={
            "heitu:year": job.year,
            "heitu:run": job.canopy.run_id,
            "heitu:simulated": job.canopy.simulated,
        },
        progress=stages.counter("Blocks", "分块"),
    )
    names = [str(name) for name in layers.data_vars]
    return xr.Dataset({name: (("y", "x"), _read(item, name)) for name in names})


def _read(item: pystac.Item, name: str) -> NDArray[np.int16]:
    with open_raster(item.assets[name].href) as source:
        cells: NDArray[np.int16] = source.read(1)
        return cells


def _make(job: YieldMapJob, one: _Wanted, computed: xr.Dataset) -> None:
    made: YieldMap = make_yield_map(
        computed,
        job.ground,
        one.counties,
        crop=one.crop,
        line=one.line,
        whole=job.light.whole,
        truth=one.truth,
    )
    geobox: Any = job.ground.geobox
    if job.place is not None:
        window = window_of(geobox, job.place.bounds)
        if window is not None:
            made, geobox = cut_to(made, window.toslices()), part_of(geobox, window)
    publish(
        job.archive,
        one.name,
        made,
        geobox=geobox,
        places=job.ground.counties,
        counties=one.counties,
        recipe=one.recipe,
        crop=one.crop,
        year=job.year,
    )
    with job.store.connection() as conn:
        runs.save(conn, one.recipe.finished())
