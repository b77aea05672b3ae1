"""`heitu demo`: a simulated Jilin through the same rooms that real data pass.

Only the sources are simulated (`ingest.simulated`, `sensors.simulated`); archive,
season, models, store, endpoint and page are the platform's own. Every stage keeps what
is there already: a second start, or one after an interruption, does only what is
missing.
"""

import math
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import xarray as xr
from pandas import DataFrame
from rich.console import Console

from api.demo_growth import grade_province
from api.demo_sensors import catch_up, gateway_login, register_village
from api.demo_world import (
    GRIDS,
    HISTORY_YEARS,
    ensure_world,
    read_truth,
    scene_pixels,
    scenes,
)
from api.estimates import estimate_run
from api.estimates_production import production_run
from api.ground import load_ground
from api.maps import county_map_run, window_map_run
from api.platform import Platform, load_counties, open_platform
from api.progress import Stages, dask_progress
from api.seasons import YearSeason, season_run, season_window
from api.serve import platform_app, wait_until_stopped
from api.server import bind, serving
from api.settings import Settings
from api.yield_map_light import with_light
from ingest import IngestError
from ingest.archive import Archive
from models import ModelError
from models.features import CROPS
from models.lead import same_day
from raster import RasterError
from raster.cluster import connect
from sensors.feed import Feed
from store import Store, estimates
from store.counties import County
from store.estimates import Estimate

__all__ = ["DemoResult", "run_demo"]

DEMO_YEAR = 2026
PAST_YEARS = range(DEMO_YEAR - HISTORY_YEARS, DEMO_YEAR)

HARVEST = "harvest"
LEADS = {
    "june": date(DEMO_YEAR, 6, 30),
    "july": date(DEMO_YEAR, 7, 31),
    "august": date(DEMO_YEAR, 8, 31),
}
"""Name -> last day of the data of the forecasts before the harvest."""


GROWTH_DAY = date(DEMO_YEAR, 8, 31)
"""In the dekad whose growth is graded: the crops still stand, most is seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """What `heitu demo --exit` prints."""

    counties: int
    scenes: int
    pixels: int
    """Pixels of all scenes at their own finest grid, dates counted."""
    estimates: int
    county_error: float | None
    """Median absolute relative error of the estimates against the simulated truth."""

    county_error_by_lead: dict[str, float | None]
    """The same of the forecasts too, by how far the season had come."""
    readings_sent: int
    readings_stored: int
    seconds: float
    simulated: bool
    faults: tuple[str, ...]
    """Stages that failed; the others went on without them."""


def run_demo(
    settings: Settings, stages: Stages, *, seed: int, serve: bool
) -> DemoResult:
    """Make, estimate, map and serve the simulated Jilin in a data folder.

    A year or grid that fails is told and left out; everything else goes on.

    Raises
    ------
    StoreError, IngestError, SensorsError, ApiError
        Without which nothing can go on; what was finished stays and is reused.
    RasterError
        The dask cluster of the settings cannot be used or is lost.
    """
    started = time.monotonic()
    # Bound before the long work, so that a taken port is known at once.
    sock = bind(settings.host, settings.port)
    with sock, open_platform(settings) as platform:
        faults = Faults(stages.console)
        with connect(settings.dask):
            by_lead, truth = _make(platform, stages, faults, seed=seed)
        rows = by_lead.get(HARVEST, [])
        with stages.stage("Village and herd", "村庄与牛群"):
            fleet = register_village(platform)
            login = gateway_login(platform)
            before = platform.writer.counts.readings_stored
            sent = catch_up(platform, fleet, login)
            stored = platform.writer.counts.readings_stored - before
        made = scenes(platform.archive)
        with serving(platform_app(platform, settings), sock) as address:
            result = DemoResult(
                counties=len({row.county for row in rows}),
                scenes=len(made),
                pixels=scene_pixels(made),
                estimates=sum(row.value is not None for row in rows),
                county_error=_error(rows, truth),
                county_error_by_lead={
                    lead: _error(made, truth) for lead, made in by_lead.items()
                },
                readings_sent=sent.readings,
                readings_stored=stored,
                seconds=round(time.monotonic() - started, 1),
                simulated=True,
                faults=tuple(faults.stages),
            )
            stages.close()
            if serve:
                port = platform.endpoint.port
                with Feed(fleet, host=platform.host, port=port, login=login):
                    wait_until_stopped(platform, address, stages.console)
    return result


class Faults:
    """What went wrong without stopping the rest."""

    def __init__(self, console: Console) -> None:
        self.stages: list[str] = []
        self._console = console

    @contextmanager
    def tolerated(self, stage: str) -> Iterator[None]:
        """Tell an error of scenes or models and go on behind the block."""
        try:
            yield
        except (IngestError, ModelError, RasterError) as exc:
            self.stages.append(stage)
            line = f"错误 Error, {stage}: {exc}"
            self._console.print(line, style="red", markup=False, soft_wrap=True)


def _make(
    platform: Platform, stages: Stages, faults: Faults, *, seed: int
) -> tuple[dict[str, list[Estimate]], DataFrame]:
    """Simulate, estimate and map; returns this year's yields by lead and the truth."""
    with stages.stage("Counties", "县界"):
        places = load_counties(platform.store)
    truth = platform.data / "demo-truth.csv"
    ensure_world(
        platform, stages, truth=truth, seed=seed, year=DEMO_YEAR, counties=places
    )
    rows = _forecasts(platform, stages, faults, places)
    rows |= _make_products(platform, stages, faults, places)
    with faults.tolerated(f"growth, {GROWTH_DAY}"):
        grade_province(
            platform, stages, day=GROWTH_DAY, past=HISTORY_YEARS, crops=CROPS
        )
    with faults.tolerated("catalog.json"):
        platform.archive.refresh_links()
    return rows, read_truth(truth)


def _forecasts(
    platform: Platform, stages: Stages, faults: Faults, places: list[County]
) -> dict[str, list[Estimate]]:
    """Estimate as it could have been done in summer, on 1 km; returns the yields."""
    made = {}
    ground = load_ground(platform.archive, "1km", places)
    with stages.stage("Forecasts", "夏季预测", total=len(LEADS)) as advance:
        for lead, as_of in LEADS.items():
            season_runs = {}
            for year in (*PAST_YEARS, DEMO_YEAR):
                with faults.tolerated(f"{year}, {as_of:%m-%d}"):
                    season_runs[year] = season_run(
                        platform.store,
                        YearSeason(
                            archive=platform.archive,
                            ground=ground,
                            collection=GRIDS["250m" if year == DEMO_YEAR else "1km"],
                            year=year,
                            until=same_day(as_of, year),
                        ),
                    )
            with faults.tolerated(lead):
                made[lead] = _estimates(platform.store, season_runs, as_of=as_of)
            advance()
    return made


def _estimates(
    store: Store, season_runs: dict[int, str], *, as_of: date, over: bool = False
) -> list[Estimate]:
    """Estimate yields, areas and production; returns the yields."""
    issued = estimate_run(
        store, season_runs=season_runs, year=DEMO_YEAR, as_of=as_of, season_over=over
    )
    production_run(store, issued.run_id)
    with store.connection() as conn:
        return estimates.of_run(conn, issued.run_id)


def _make_products(
    platform: Platform, stages: Stages, faults: Faults, places: list[County]
) -> dict[str, list[Estimate]]:
    """Make seasons, estimates and maps of the harvest; returns the estimates."""
    store = platform.store
    season_runs = _history(platform, stages, faults, places)
    rows: list[Estimate] = []
    with faults.tolerated(str(DEMO_YEAR)):
        current = with_light(store, _season(platform.archive, stages, "250m", places))
        season_runs[DEMO_YEAR] = season_run(store, current)
        with stages.stage("County yields", "县级单产"):
            as_of = season_window(DEMO_YEAR)[1]
            rows = _estimates(store, season_runs, as_of=as_of, over=current.over)
        run = rows[0].run_id
        _make_maps(platform, stages, current, places, estimate_run=run)
    return {HARVEST: rows}


def _make_maps(
    platform: Platform,
    stages: Stages,
    current: YearSeason,
    places: list[County],
    *,
    estimate_run: str,
) -> None:
    """Map the estimates over the province, and finer over the window."""
    store = platform.store
    with stages.stage("Yield maps, 250 m", "单产图 250 米"):
        maps = county_map_run(store, current, grid="250m", estimate_run=estimate_run)
    window = with_light(store, _season(platform.archive, stages, "10m", places))
    with stages.stage("Yield maps, 10 m", "单产图 10 米"):
        window_map_run(store, window, grid="10m", county_maps=maps)


def _history(
    platform: Platform, stages: Stages, faults: Faults, places: list[County]
) -> dict[int, str]:
    """Make the season of each past year; returns year -> run."""
    made = {}
    ground = load_ground(platform.archive, "1km", places)
    with stages.stage("History", "历史生长季", total=len(PAST_YEARS)) as advance:
        for year in PAST_YEARS:
            past = YearSeason(
                archive=platform.archive,
                ground=ground,
                collection=GRIDS["1km"],
                year=year,
            )
            with faults.tolerated(f"{year}, 1 km"):
                made[year] = season_run(platform.store, past)
            advance()
    return made


def _season(
    archive: Archive, stages: Stages, grid: str, places: list[County]
) -> YearSeason:
    """Return this year's season on a grid, which draws itself when computed."""
    ground = load_ground(archive, grid, places)

    def compute(lazy: xr.Dataset) -> xr.Dataset:
        blocks = math.prod(map(len, (lazy.chunksizes["y"], lazy.chunksizes["x"])))
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


def _error(rows: list[Estimate], truth: DataFrame) -> float | None:
    """Return the median absolute relative error over counties and crops."""
    true = truth.set_index(["county", "crop", "year"])["yield_t_ha"]
    errors: list[float] = [
        abs(row.value / true[row.county, row.crop, row.year] - 1)
        for row in rows
        if row.value is not None
    ]
    return round(statistics.median(errors), 4) if errors else None
