"""From seasons and county estimates to yield maps in the archive."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from api.ground import Ground
from api.lineage import Recipe, simulated
from api.raster_file import open_raster
from api.seasons import YearSeason, season_run
from api.yield_map_item import UNCERTAINTY, product_id, publish
from api.yield_map_light import INPUTS, Light, drawn, season_light
from api.yield_map_make import POTENTIAL, Counties, counties_of, make_yield_map
from ingest.archive import PRODUCTS, Archive
from ingest.errors import ItemInvalid, ItemUnknown
from models.errors import ShapeMismatch
from models.features import CROPS
from models.pixel_yield import NoRelation, PeakIndex, fit_peak
from store import Store, estimates, features, runs, statistics

__all__ = ["county_map_run", "peak_line", "product_id", "run_of", "window_map_run"]


def county_map_run(
    store: Store, year_season: YearSeason, *, grid: str, estimate_run: str
) -> dict[str, str]:
    """Map yields whose pixels add up to the county estimates; returns crop -> product.

    Pixels follow light use x harvest index where a county has daily weather, else the
    peak of NDVI; see `models.pixel_yield`.
    """
    archive, year, ground = year_season.archive, year_season.year, year_season.ground
    light = season_light(store, year_season)
    lines = {crop: peak_line(store, [estimate_run], crop=crop) for crop in CROPS}
    by_crop = _estimated(store, estimate_run, year, ground.codes)
    recipe = _recipe(
        store,
        year_season,
        light,
        grid=grid,
        basis={"estimates": estimate_run},
        lines=lines,
        made_up=any(counties.simulated for counties in by_crop.values()),
    )
    wanted = {crop: product_id(crop, year, grid) for crop in CROPS}
    if _all_made(archive, wanted.values(), recipe.run_id):
        return wanted
    computed = _computed(year_season, light)
    for crop, name in wanted.items():
        counties = by_crop[crop]
        made = make_yield_map(
            computed,
            ground,
            counties,
            crop=crop,
            line=lines[crop],
            whole=light.whole,
        )
        publish(
            archive,
            name,
            made,
            geobox=ground.geobox,
            places=ground.counties,
            counties=counties,
            recipe=recipe,
            crop=crop,
            year=year,
        )
    with store.connection() as conn:
        runs.save(conn, recipe.finished())
    return wanted


def window_map_run(
    store: Store,
    year_season: YearSeason,
    *,
    grid: str,
    county_maps: Mapping[str, str],
) -> dict[str, str]:
    """Map yields of a finer window so that it agrees with the county maps below it.

    A window is only part of a county, so no estimate belongs to it: for each crop the
    finer pixels of each county get the mean, and the deviation, that the county map
    has over the same ground.
    """
    archive, year, ground = year_season.archive, year_season.year, year_season.ground
    light = season_light(store, year_season)
    basis = {name: run_of(archive, name) or "" for name in county_maps.values()}
    recipe = _recipe(
        store,
        year_season,
        light,
        grid=grid,
        basis=basis,
        lines={},
        made_up=simulated(archive.item(PRODUCTS, name) for name in basis),
    )
    wanted = {crop: product_id(crop, year, grid) for crop in county_maps}
    if _all_made(archive, wanted.values(), recipe.run_id):
        return wanted
    computed = _computed(year_season, light)
    for crop, name in wanted.items():
        counties = _below(archive, county_maps[crop], ground, crop)
        made = make_yield_map(
            computed, ground, counties, crop=crop, line=None, whole=light.whole
        )
        publish(
            archive,
            name,
            made,
            geobox=ground.geobox,
            places=ground.counties,
            counties=counties,
            recipe=recipe,
            crop=crop,
            year=year,
            shown=np.unique(ground.zones).tolist(),
        )
    with store.connection() as conn:
        runs.save(conn, recipe.finished())
    return wanted


def peak_line(
    store: Store, estimate_runs: Sequence[str], *, crop: str
) -> PeakIndex | None:
    """Fit the peak's line to the counties and years that estimates were learnt from.

    None where too few of them have a peak and a yield, or yields do not rise with it.
    """
    with store.connection() as conn:
        behind = [runs.get(conn, run_id) for run_id in estimate_runs]
        seasons = [
            source
            for run in behind
            for name, source in run.inputs.items()
            if name.startswith("season/")
        ]
        seen = features.find(conn, run_ids=seasons)
        known = statistics.find(conn, crop=crop)
    yields = {(row.county, row.year): row.yield_t_ha for row in known}
    mine = seen[seen["crop"] == crop]
    keys = zip(mine["county"], mine["year"], strict=True)
    measured = np.array([yields.get(key) for key in keys], np.float64)
    try:
        return fit_peak(mine["peak"].to_numpy(), measured)
    except (NoRelation, ShapeMismatch):
        return None


def run_of(archive: Archive, product: str) -> str | None:
    """Return the run of a product; None where it has to be made, or made again."""
    try:
        item = archive.item(PRODUCTS, product)
    except (ItemUnknown, ItemInvalid):
        return None
    run: str = item.properties["heitu:run"]
    return run


def _recipe(
    store: Store,
    year_season: YearSeason,
    light: Light,
    *,
    grid: str,
    basis: Mapping[str, str],
    lines: Mapping[str, PeakIndex | None],
    made_up: bool,
) -> Recipe:
    return Recipe(
        kind="yield-map",
        inputs={"season": season_run(store, year_season), **light.inputs, **basis},
        parameters={
            "grid": grid,
            "year": year_season.year,
            "index": ["light_use", "peak"],
            "growth": [light.start.isoformat(), light.end.isoformat()],
            "peak_line": {
                crop: line and [line.slope, line.intercept]
                for crop, line in lines.items()
            },
            "potential": dict(POTENTIAL),
        },
        simulated=year_season.simulated or light.simulated or made_up,
    )


def _estimated(
    store: Store, run_id: str, year: int, codes: Sequence[str]
) -> dict[str, Counties]:
    """Return the run's yields by crop, in the order of `codes`."""
    with store.connection() as conn:
        found = estimates.of_run(conn, run_id)
    return {
        crop: counties_of(
            [one for one in found if (one.crop, one.year) == (crop, year)], codes
        )
        for crop in CROPS
    }


def _all_made(archive: Archive, names: Iterable[str], run_id: str) -> bool:
    return all(run_of(archive, name) == run_id for name in names)


def _computed(year_season: YearSeason, light: Light) -> xr.Dataset:
    """Return the peak and the light use, eager.

    Both come with the season's metrics where it was told to derive them.
    """
    if year_season.derive is not None:
        return year_season.metrics
    lazy = year_season.lazy(("peak", *INPUTS))
    return year_season.compute(light.layers(lazy, ground=year_season.ground))


def _below(archive: Archive, product: str, ground: Ground, crop: str) -> Counties:
    """Return what a county map says of each county's part of a finer grid."""
    fraction = drawn(ground.known_fraction(CROPS.index(crop)))
    return Counties(
        values=_means_below(archive, product, "data", ground, fraction),
        sds=_means_below(archive, product, UNCERTAINTY, ground, fraction),
        reasons={},
        simulated=False,
    )


def _means_below(
    archive: Archive,
    product: str,
    asset: str,
    ground: Ground,
    fraction: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Means of a coarser map over the finer pixels of each county, by crop share."""
    assets, count = archive.item(PRODUCTS, product).assets, len(ground.codes)
    if asset not in assets:
        return np.full(count, np.nan)
    with (
        open_raster(assets[asset].href) as coarse,
        WarpedVRT(
            coarse,
            crs=str(ground.geobox.crs),
            transform=ground.geobox.affine,
            height=ground.geobox.shape.y,
            width=ground.geobox.shape.x,
            resampling=Resampling.nearest,
        ) as below,
    ):
        tonnes = below.read(1, masked=True) * coarse.scales[0]
    known = ~tonnes.mask & (fraction > 0) & (ground.zones >= 0)
    zones, weight = ground.zones[known], fraction[known].astype(np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(
            np.bincount(zones, weight * tonnes.data[known], count)
            / np.bincount(zones, weight, count)
        )
