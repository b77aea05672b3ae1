"""County estimates from the scenes, weather and statistics of a data folder."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import shapely

from api.errors import AsOfInvalid
from api.estimates import HISTORY_YEARS, Issued, check_as_of, estimate_run
from api.estimates_final import final_run
from api.estimates_production import production_run
from api.estimates_skill import TESTED_YEARS
from api.ground import Ground, load_ground
from api.platform import load_counties
from api.progress import Stages
from api.seasons import YearSeason, season_run, season_window
from ingest.archive import PRODUCTS, Archive
from ingest.errors import IngestError
from models.features import CROPS
from models.lead import same_day
from raster import RasterError
from store import Store, statistics, weather
from store.counties import County

__all__ = ["YieldJob", "YieldResult", "default_day", "make_estimates", "today"]

_CROP_MAP = "crop-map-"


@dataclass(frozen=True, slots=True, kw_only=True)
class YieldJob:
    """What to estimate, from which scenes.

    Attributes
    ----------
    year : int
    as_of : last day of the data
    crops : crops to estimate
    grid : name of the crop map's grid; the coarsest in the archive if None
    collection : scenes; if None, in each year those that cover most of the ground
    history : years before `year` whose statistics, weather and scenes are learnt from
    """

    year: int
    as_of: date
    crops: Sequence[str] = CROPS
    grid: str | None = None
    collection: str | None = None
    history: int = HISTORY_YEARS


@dataclass(frozen=True, slots=True, kw_only=True)
class YieldResult:
    """What a job issued; a run is None where there was nothing to issue."""

    yields: Issued
    production: Issued
    final: Issued | None
    seasons: tuple[int, ...]
    """Years with imagery that went into the model."""

    faults: tuple[str, ...]
    """Years whose scenes failed; they were left out."""


def today() -> date:
    """Return the day it is in Jilin."""
    return (datetime.now(UTC) + timedelta(hours=8)).date()


def default_day(store: Store, *, year: int, now: date) -> date:
    """Return the last day that a forecast of a year can be made from.

    The end of the season where it is over; before, yesterday, or the last day with
    weather where that is earlier.

    Raises
    ------
    AsOfInvalid
        The season has hardly begun.
    """
    first, last = season_window(year)
    day = min(now - timedelta(days=1), last)
    with store.connection() as conn:
        seen = weather.find(conn, start=first, end=day, columns=("day",))
    if len(seen):
        day = min(day, seen["day"].max().date())
    check_as_of(day, year=year)
    return day


def make_estimates(
    store: Store, archive: Archive, job: YieldJob, stages: Stages, *, now: date
) -> YieldResult:
    """Make seasons, yields, areas and productions of a year; what is there is reused.

    Scenes of a year that cannot be read are told and that year goes without imagery.

    Raises
    ------
    AsOfInvalid
        The day lies outside the season or in the future.
    NothingToEstimate, StatisticTooEarly
    ingest.IngestError
        The archive has no crop map of the grid asked for.
    models.ModelError, store.StoreError
    """
    check_as_of(job.as_of, year=job.year)
    if job.as_of > now:
        raise AsOfInvalid(
            f"{job.as_of} is in the future: give a day up to {now}"
            f" · {job.as_of} 尚未到来，请填写 {now} 及以前的日期"
        )
    # A wrong year of statistics is told before hours of seasons.
    final = final_run(store, year=job.year, today=now, crops=job.crops)
    seasons = _Seasons(store, archive, job, stages)
    runs = seasons.runs(load_counties(store))
    # A long history has each crop estimated in the year itself and in those tested.
    total = len(job.crops) * (TESTED_YEARS + 1)
    with stages.stage("County yields", "县级单产", total=total) as advance:
        issued = estimate_run(
            store,
            season_runs=runs,
            year=job.year,
            as_of=job.as_of,
            season_over=seasons.over,
            crops=job.crops,
            first_year=job.year - job.history,
            advance=advance,
        )
    with stages.stage("Areas and production", "面积与总产"):
        production = production_run(store, issued.run_id)
    return YieldResult(
        yields=issued,
        production=production,
        final=final,
        seasons=tuple(sorted(runs)),
        faults=tuple(seasons.faults),
    )


@dataclass(slots=True)
class _Seasons:
    """Makes the seasons of a job, year by year."""

    store: Store
    archive: Archive
    job: YieldJob
    stages: Stages
    over: bool = False
    faults: list[str] = field(default_factory=list)

    def runs(self, counties: Sequence[County]) -> dict[int, str]:
        """Return year -> run of its season, of the years with scenes."""
        ground = _ground(self.archive, counties, grid=self.job.grid)
        if ground is None:
            self._tell("no crop map in the archive: estimating without imagery")
            return {}
        years = self._years()
        made = {}
        with self.stages.stage("Seasons", "生长季", total=len(years)) as advance:
            for year in years:
                if (run := self._run(ground, year)) is not None:
                    made[year] = run
                advance()
        return made

    def _years(self) -> list[int]:
        """Return the years with statistics, and the one to estimate."""
        with self.store.connection() as conn:
            known = {row.year for row in statistics.find(conn)}
        first = self.job.year - self.job.history
        return [*sorted(y for y in known if first <= y < self.job.year), self.job.year]

    def _run(self, ground: Ground, year: int) -> str | None:
        collection = self.job.collection or self._collection(ground, year)
        if collection is None:
            return None
        place = YearSeason(
            archive=self.archive,
            ground=ground,
            collection=collection,
            year=year,
            until=same_day(self.job.as_of, year),
        )
        try:
            if not place.items:
                return None
            run = season_run(self.store, place)
        except (IngestError, RasterError) as exc:
            self.faults.append(f"{year}: {exc}")
            self._tell(f"{year}: {exc}")
            return None
        if year == self.job.year:
            self.over = place.over and not place.is_open
        return run

    def _collection(self, ground: Ground, year: int) -> str | None:
        """Return the collection whose scenes of the year cover most of the ground."""
        start, end = season_window(year)[0], same_day(self.job.as_of, year)
        whole = shapely.box(*ground.geobox.geographic_extent.boundingbox)
        best: tuple[float, int, str] | None = None
        for name in self.archive.collections():
            if name == PRODUCTS:
                continue
            items = self.archive.items(name, start=start, end=end)
            boxes = {tuple(item.bbox) for item in items if item.bbox}
            covered = shapely.union_all([shapely.box(*box) for box in boxes])
            share = round(covered.intersection(whole).area / whole.area, 2)
            if share > 0:
                found = (share, len(items), name)
                best = found if best is None else max(best, found)
        return None if best is None else best[2]

    def _tell(self, text: str) -> None:
        console = self.stages.console
        console.print(text, style="red", markup=False, soft_wrap=True)


def _ground(
    archive: Archive, counties: Sequence[County], *, grid: str | None
) -> Ground | None:
    """Return the ground of a crop map, of the coarsest one where none is named."""
    if grid is not None:
        return load_ground(archive, grid, counties)
    names = [
        item.id.removeprefix(_CROP_MAP)
        for item in archive.items(PRODUCTS)
        if item.id.startswith(_CROP_MAP)
    ]
    grounds = [load_ground(archive, name, counties) for name in names]
    return max(grounds, key=lambda one: abs(one.geobox.resolution.x), default=None)
