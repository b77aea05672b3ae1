"""`heitu demo`: a simulated Jilin through the same rooms that real data pass.

Only the sources are simulated (`ingest.simulated`, `sensors.simulated`); archive,
season, models, store, broker and page are the platform's own. Every stage keeps what is
there already: a second start, or one after an interruption, does only what is missing.
"""

import math
import statistics
import time
from dataclasses import dataclass

import xarray as xr
from pandas import DataFrame

from api.demo_sensors import catch_up, register_village
from api.demo_world import (
    GRIDS,
    HISTORY_YEARS,
    ensure_world,
    read_truth,
    scene_pixels,
    scenes,
)
from api.estimates import estimate_run
from api.ground import Ground, load_ground
from api.maps import county_map_run, window_map_run
from api.platform import Platform, open_platform
from api.progress import Stages, dask_progress
from api.seasons import YearSeason, season_run
from api.serve import platform_app, wait_until_stopped
from api.server import bind, serving
from api.settings import Settings
from ingest.archive import Archive
from ingest.boundaries import jilin_counties
from sensors.feed import Feed
from store import counties, estimates
from store.counties import County
from store.estimates import Estimate

__all__ = ["DemoResult", "run_demo"]

DEMO_YEAR = 2026
PAST_YEARS = range(DEMO_YEAR - HISTORY_YEARS, DEMO_YEAR)
# Side of a season's block in pixels, the default of `raster.season.season`.
BLOCK = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """What `heitu demo --exit` prints."""

    counties: int
    scenes: int
    pixels: int
    """Pixels of all scenes at their own finest grid, dates counted."""
    estimates: int
    county_error: float
    """Median absolute relative error of the estimates against the simulated truth."""
    readings_sent: int
    readings_stored: int
    seconds: float
    simulated: bool


def run_demo(
    settings: Settings, stages: Stages, *, seed: int, serve: bool
) -> DemoResult:
    """Make, estimate, map and serve the simulated Jilin in a data folder.

    Raises
    ------
    StoreError, IngestError, RasterError, ModelsError, SensorsError, ApiError
        Whatever stops a stage; what was finished stays and is reused.
    """
    started = time.monotonic()
    # Bound before the long work, so that a taken port is known at once.
    sock = bind(settings.host, settings.port)
    with sock, open_platform(settings) as platform:
        estimate, truth = _make(platform, stages, seed=seed)
        with stages.stage("Village and herd", "村庄与牛群"):
            fleet = register_village(platform)
            before = platform.subscriber.counts.readings_stored
            sent = catch_up(platform, fleet)
            stored = platform.subscriber.counts.readings_stored - before
        made = scenes(platform.archive)
        rows = _estimates(platform, estimate)
        with serving(platform_app(platform), sock) as address:
            result = DemoResult(
                counties=len({row.county for row in rows}),
                scenes=len(made),
                pixels=scene_pixels(made),
                estimates=sum(row.value is not None for row in rows),
                county_error=_error(rows, truth),
                readings_sent=sent.readings,
                readings_stored=stored,
                seconds=round(time.monotonic() - started, 1),
                simulated=True,
            )
            stages.close()
            if serve:
                broker = platform.broker
                with Feed(fleet, host=broker.host, port=broker.port):
                    wait_until_stopped(platform, address, stages.console)
    return result


def _make(platform: Platform, stages: Stages, *, seed: int) -> tuple[str, DataFrame]:
    """Simulate, estimate and map; returns the estimates' run and the truth."""
    places = _counties(platform, stages)
    truth = platform.data / "demo-truth.csv"
    ensure_world(
        platform, stages, truth=truth, seed=seed, year=DEMO_YEAR, counties=places
    )
    return _make_products(platform, stages, places), read_truth(truth)


def _counties(platform: Platform, stages: Stages) -> list[County]:
    """Return the 60 counties by code, loading them into the store once."""
    with platform.store.connection() as conn:
        known = counties.all_counties(conn)
    if not known:
        with stages.stage("Counties", "县界"):
            known = sorted(jilin_counties(), key=lambda county: county.code)
            with platform.store.connection() as conn:
                counties.replace(conn, known)
    return known


def _make_products(platform: Platform, stages: Stages, places: list[County]) -> str:
    """Make seasons, estimates and maps; returns the run of the estimates."""
    store, archive = platform.store, platform.archive
    season_runs = _history(platform, stages, load_ground(archive, "1km", places))
    current = _season(archive, stages, "250m", places)
    season_runs[DEMO_YEAR] = season_run(store, current)
    with stages.stage("County yields", "县级单产"):
        estimate = estimate_run(
            store,
            season_runs=season_runs,
            year=DEMO_YEAR,
            season_over=current.over,
        )
    with stages.stage("Yield maps, 250 m", "单产图 250 米"):
        maps = county_map_run(store, current, grid="250m", estimate_run=estimate)
    window = _season(archive, stages, "10m", places)
    with stages.stage("Yield maps, 10 m", "单产图 10 米"):
        window_map_run(store, window, grid="10m", county_maps=maps)
    archive.refresh_links()
    return estimate


def _history(platform: Platform, stages: Stages, ground: Ground) -> dict[int, str]:
    """Make the season of each past year; returns year -> run."""
    made = {}
    with stages.stage("History", "历史生长季", total=len(PAST_YEARS)) as advance:
        for year in PAST_YEARS:
            past = YearSeason(
                archive=platform.archive,
                ground=ground,
                collection=GRIDS["1km"],
                year=year,
            )
            made[year] = season_run(platform.store, past)
            advance()
    return made


def _season(
    archive: Archive, stages: Stages, grid: str, places: list[County]
) -> YearSeason:
    """Return this year's season on a grid, which draws itself when computed."""
    ground = load_ground(archive, grid, places)

    def compute(lazy: xr.Dataset) -> xr.Dataset:
        blocks = math.prod(math.ceil(n / BLOCK) for n in ground.geobox.shape)
        stage = stages.stage(f"Season, {grid}", "生长季", total=blocks)
        with stage as advance, dask_progress(advance, marker="season_block"):
            return lazy.compute()

    return YearSeason(
        archive=archive,
        ground=ground,
        collection=GRIDS[grid],
        year=DEMO_YEAR,
        compute=compute,
    )


def _estimates(platform: Platform, run_id: str) -> list[Estimate]:
    with platform.store.connection() as conn:
        found = estimates.find(conn, year=DEMO_YEAR)
    return [row for row in found if row.run_id == run_id]


def _error(rows: list[Estimate], truth: DataFrame) -> float:
    """Return the median absolute relative error over counties and crops."""
    true = truth.set_index(["county", "crop", "year"])["yield_t_ha"]
    errors: list[float] = [
        abs(row.value / true[row.county, row.crop, row.year] - 1)
        for row in rows
        if row.value is not None
    ]
    return round(statistics.median(errors), 4)
