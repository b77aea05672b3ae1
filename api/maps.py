"""From seasons and county estimates to yield maps in the archive."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from api.ground import Ground
from api.lineage import Recipe
from api.raster_file import open_raster
from api.seasons import YearSeason, season_run
from ingest.archive import Archive, BandData
from ingest.errors import ItemInvalid, ItemUnknown
from models.features import CROPS
from models.yield_map import NODATA, SCALE, quantise, scale_to_mean, yield_map
from store import Store, estimates, runs

__all__ = ["county_map_run", "product_id", "window_map_run"]

# A pixel with less of the crop than this is not drawn: its season is another's.
SMALLEST_FRACTION = 0.1

# Ends of the colour scale, t/ha: the same for every grid and year, to compare them.
YIELD_RANGE = {"maize": (4.0, 12.0), "rice": (6.0, 10.0), "soybean": (1.0, 3.0)}

CROP_ZH = {"maize": "玉米", "rice": "水稻", "soybean": "大豆"}


def product_id(crop: str, year: int, grid: str) -> str:
    """Return the id of a yield map in the archive."""
    return f"yield-{crop}-{year}-{grid}"


def county_map_run(
    store: Store, year_season: YearSeason, *, grid: str, estimate_run: str
) -> dict[str, str]:
    """Map yields whose pixels add up to the county estimates; returns crop -> product.

    Pixels follow the season's NDVI integral within each county.
    """
    archive, year = year_season.archive, year_season.year
    basis = {"estimates": estimate_run}
    recipe = _recipe(store, year_season, grid=grid, basis=basis)
    wanted = {crop: product_id(crop, year, grid) for crop in CROPS}
    if _all_made(archive, wanted.values(), recipe.run_id):
        return wanted
    index, ground = _canopy_index(year_season), year_season.ground
    for crop, name in wanted.items():
        fraction = _drawn(ground.fraction(CROPS.index(crop)))
        values = _county_values(store, crop, year, ground.codes, estimate_run)
        tonnes = yield_map(index, fraction, ground.zones, values)
        pixels = quantise(tonnes, fraction=fraction, zones=ground.zones)
        _publish(year_season, name, pixels, recipe=recipe, crop=crop)
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
    finer pixels get the mean that the county map has over the same ground.
    """
    archive, year = year_season.archive, year_season.year
    basis = {
        name: archive.item("products", name).properties["heitu:run"]
        for name in county_maps.values()
    }
    recipe = _recipe(store, year_season, grid=grid, basis=basis)
    wanted = {crop: product_id(crop, year, grid) for crop in county_maps}
    if _all_made(archive, wanted.values(), recipe.run_id):
        return wanted
    index, ground = _canopy_index(year_season), year_season.ground
    for crop, name in wanted.items():
        fraction = _drawn(ground.fraction(CROPS.index(crop)))
        mean = _mean_below(archive, county_maps[crop], ground, fraction)
        tonnes = scale_to_mean(index, fraction, target_mean=mean)
        whole = np.zeros(fraction.shape, np.int16)
        pixels = quantise(tonnes, fraction=fraction, zones=whole)
        _publish(year_season, name, pixels, recipe=recipe, crop=crop)
    with store.connection() as conn:
        runs.save(conn, recipe.finished())
    return wanted


def _recipe(
    store: Store, year_season: YearSeason, *, grid: str, basis: Mapping[str, str]
) -> Recipe:
    return Recipe(
        kind="yield-map",
        inputs={"season": season_run(store, year_season), **basis},
        parameters={"grid": grid, "year": year_season.year, "index": "integral"},
        simulated=year_season.simulated,
    )


def _all_made(archive: Archive, names: Iterable[str], run_id: str) -> bool:
    return all(_run_of(archive, name) == run_id for name in names)


def _run_of(archive: Archive, product: str) -> str | None:
    """Return the run of a product; None where it has to be made, or made again."""
    try:
        item = archive.item("products", product)
    except (ItemUnknown, ItemInvalid):
        return None
    run: str = item.properties["heitu:run"]
    return run


def _canopy_index(year_season: YearSeason) -> NDArray[np.float64]:
    """Return the NDVI integral over the season, NDVI * day; NaN without a season."""
    integral = xr.decode_cf(year_season.metrics[["integral"]])["integral"]
    return integral.to_numpy().astype(np.float64)


def _drawn(fraction: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(fraction >= SMALLEST_FRACTION, fraction, np.float32(0))


def _county_values(
    store: Store, crop: str, year: int, codes: Sequence[str], run_id: str
) -> NDArray[np.float64]:
    """Return the run's estimates in the order of `codes`, NaN where there is none."""
    with store.connection() as conn:
        found = estimates.of_run(conn, run_id)
    values = {e.county: e.value for e in found if (e.crop, e.year) == (crop, year)}
    return np.array([values.get(code) for code in codes], dtype=np.float64)


def _mean_below(
    archive: Archive, product: str, ground: Ground, fraction: NDArray[np.float32]
) -> float:
    """Return the county map's mean over the finer grid's pixels, by crop share."""
    with (
        open_raster(archive.item("products", product).assets["data"].href) as coarse,
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
    weight = np.where(tonnes.mask, 0, fraction)
    if not weight.any():
        return float("nan")
    return float(np.average(tonnes.filled(0), weights=weight))


def _publish(
    year_season: YearSeason,
    name: str,
    pixels: NDArray[np.uint16],
    *,
    recipe: Recipe,
    crop: str,
) -> None:
    geobox, year = year_season.ground.geobox, year_season.year
    metres = round(abs(geobox.resolution.x))
    year_season.archive.add_product(
        product_id=name,
        kind="yield-map",
        geobox=geobox,
        asset=BandData(pixels, geobox, nodata=NODATA, scale=SCALE, offset=0.0),
        properties={
            "title": f"{crop.capitalize()} yield {year}, {metres} m",
            "heitu:title_zh": f"{year} 年{CROP_ZH[crop]}单产（{metres} 米）",
            "heitu:crop": crop,
            "heitu:year": year,
            "heitu:run": recipe.run_id,
            "heitu:simulated": recipe.simulated,
            "heitu:unit": "t/ha",
            "heitu:range": list(YIELD_RANGE[crop]),
            "heitu:colormap": "ylgn",
        },
    )
