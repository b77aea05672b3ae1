"""Areas and productions beside the yields of a run, and totals of larger regions."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime

from pandas import DataFrame

from api.estimates import HISTORY_YEARS, Issued
from api.estimates_areas import Areas, CountyArea, areas_of, surveyed_areas
from api.lineage import Recipe, table_checksum
from api.reasons import join_reasons
from models.production import (
    Quantity,
    error_of,
    interval_of,
    product,
    total,
    total_product,
    weighted_mean,
)
from models.reasons import Reason
from store import Store, estimates, runs, statistics
from store.estimates import UNITS, AreaSource, Estimate, Status
from store.statistics import CountyStatistic

__all__ = ["PRODUCTION_VERSION", "production_run"]

PRODUCTION_VERSION = "production/2"

# Part of a region's area without a yield above which its total says too little.
MOST_UNKNOWN = 0.1

_DIGITS = {"yield": 3, "area": 1, "production": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What one county adds to a total, in ha and t/ha; None where it is not known."""

    area: CountyArea
    yield_: Quantity | None
    trend: float | None
    mean5: float | None


def production_run(store: Store, yields: str) -> Issued:
    """Estimate area and production of each county and crop of a run of yields.

    Areas are those that a survey of the year found up to the day of the yields, with
    its errors (`api.area_store`); where there is none, those of the last statistics,
    with the error that such a guess had in past years. Each estimate says which.
    Totals are of prefectures and the province, with codes that end in 00. Errors of
    yields, and of areas from statistics, are shared among counties as far as the past
    shows; those of surveyed areas are taken to be independent of each other, and all
    areas to err independently of yields (`models.production.total_product`).

    Parameters
    ----------
    store
    yields
        A run of `api.estimates.estimate_run`.

    Raises
    ------
    store.RunUnknown
    """
    read = _read(store, yields)
    recipe = read.recipe()
    with store.connection() as conn:
        if runs.exists(conn, recipe.run_id):
            again = estimates.issue(conn, recipe.run_id, issued_at=datetime.now(UTC))
            return Issued(recipe.run_id, again)
    made = _Maker(recipe.finished(), over=bool(read.run.parameters["season_over"]))
    for crop in sorted({row.crop for row in read.rows}):
        mine = [row for row in read.rows if row.crop == crop]
        common = read.shared.get(crop)
        # Where nothing measured how far the errors of yields are shared: wholly, to be
        # safe.
        shared = 1.0 if common is None else common
        made.add_crop(mine, read.areas(crop), shared=shared)
    with store.connection() as conn, conn.transaction():
        runs.save(conn, made.run)
        estimates.add(conn, made.estimates)
    return Issued(recipe.run_id, True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What a production is made from: a run of yields, and areas of two sources."""

    run: runs.Run
    rows: Sequence[Estimate]
    shared: Mapping[str, float | None]
    statistics: DataFrame
    surveyed: Mapping[tuple[str, str], Estimate]

    @property
    def year(self) -> int:
        return int(self.run.parameters["year"])

    def areas(self, crop: str) -> Areas:
        known = self.statistics.loc[self.statistics["crop"] == crop]
        found = {code: one for (code, of), one in self.surveyed.items() if of == crop}
        return areas_of(known, found, year=self.year)

    def recipe(self) -> Recipe:
        table, surveys = self.statistics, {s.run_id for s in self.surveyed.values()}
        given = self.run.parameters
        return Recipe(
            kind="county-production",
            inputs={
                "yields": self.run.run_id,
                "statistics": table_checksum(table),
                **{f"areas/{run_id}": run_id for run_id in sorted(surveys)},
            },
            parameters={
                "year": self.year,
                "as_of": given["as_of"],
                "interval": given["interval"],
                "area": "survey of the year, else statistics of the last years",
                "correlation": 0.0,
                "rows": {"statistics": len(table), "surveyed": len(self.surveyed)},
            },
            model_version=PRODUCTION_VERSION,
            simulated=self.run.simulated
            or bool(table["simulated"].any())
            or any(one.simulated for one in self.surveyed.values()),
        )


def _read(store: Store, yields: str) -> _Read:
    with store.connection() as conn:
        run = runs.get(conn, yields)
        rows = estimates.of_run(conn, yields)
        year = int(run.parameters["year"])
        return _Read(
            run=run,
            rows=rows,
            shared={s.crop: s.shared for s in estimates.skill(conn, [yields])},
            statistics=_areas(statistics.find(conn), year=year),
            surveyed=surveyed_areas(
                conn,
                places=[(row.county, row.crop) for row in rows],
                year=year,
                as_of=date.fromisoformat(run.parameters["as_of"]),
                made_up=run.simulated,
            ),
        )


def _areas(known: Sequence[CountyStatistic], *, year: int) -> DataFrame:
    table = DataFrame(known, columns=[field.name for field in fields(CountyStatistic)])
    within = table["year"].between(year - HISTORY_YEARS, year - 1)
    return table.loc[within, ["county", "crop", "year", "area_ha", "simulated"]]


class _Maker:
    """Collects the estimates of one run."""

    def __init__(self, run: runs.Run, *, over: bool) -> None:
        self.run = run
        self.estimates: list[Estimate] = []
        self._status: Status = "provisional" if over else "forecast"
        self._interval = float(run.parameters["interval"])

    def add_crop(
        self, yields: Sequence[Estimate], areas: Areas, *, shared: float
    ) -> None:
        """Add areas, productions and totals of one crop.

        `shared` is the share of the yields' squared error that counties have in
        common.
        """
        regions: defaultdict[str, list[_Part]] = defaultdict(list)
        for row in yields:
            part = _part(row, areas.of(row.county), interval=self._interval)
            self._county(row, part)
            regions[row.county[:4] + "00"].append(part)
            regions[row.county[:2] + "0000"].append(part)
        for code, members in sorted(regions.items()):
            self._region((code, yields[0].crop), members, shared=shared)

    def _county(self, row: Estimate, part: _Part) -> None:
        place, area = (row.county, row.crop), part.area
        if area.hectares is None:
            self._missing(place, "area", str(area.reason))
            self._missing(place, "production", str(area.reason))
            return
        why = join_reasons(str(area.reason), area.note)
        self._add(place, "area", area.hectares, reason=why, source=area.source)
        if part.yield_ is None:
            self._missing(place, "production", row.reason or "no yield · 没有单产")
            return
        self._add(
            place,
            "production",
            product(area.hectares, part.yield_),
            reason=join_reasons(row.reason, why),
            source=area.source,
            beside=_tonnes([part]),
        )

    def _region(
        self, place: tuple[str, str], parts: Sequence[_Part], *, shared: float
    ) -> None:
        """Add the sums of a region, unless too much of its area has no number."""
        # A county without an area grows next to nothing of the crop.
        grown = [p for p in parts if p.area.hectares]
        known = [p for p in grown if p.yield_]
        whole, covered = _hectares(grown), _hectares(known)
        if not covered > 0 or covered < (1 - MOST_UNKNOWN) * whole:
            for measure in UNITS:
                self._missing(place, measure, str(_too_little(covered, whole)))
            return
        lacks = _without(len(grown) - len(known), covered=covered, whole=whole)
        note = join_reasons(lacks, *sorted({str(p.area.reason) for p in grown}))
        areas = [p.area.hectares for p in known if p.area.hectares]
        yields = [p.yield_ for p in known if p.yield_]
        common, source = [p.area.shared for p in known], _source(known)
        area = total(areas, shared=common)
        self._add(place, "area", area, reason=note, source=source)
        mean = weighted_mean(yields, [one.value for one in areas], shared=shared)
        self._add(place, "yield", mean, reason=lacks)
        tonnes = total_product(areas, yields, areas_shared=common, yields_shared=shared)
        beside = _tonnes(known)
        self._add(
            place, "production", tonnes, reason=note, source=source, beside=beside
        )

    def _add(
        self,
        place: tuple[str, str],
        measure: str,
        quantity: Quantity,
        *,
        reason: str | None,
        source: AreaSource | None = None,
        beside: Mapping[str, float | None] | None = None,
    ) -> None:
        digits = _DIGITS[measure]
        value = round(quantity.value, digits)
        lower, upper = interval_of(quantity, interval=self._interval)
        numbers = {
            name: None if number is None else round(number, digits)
            for name, number in (beside or {}).items()
        }
        self._append(
            place,
            measure,
            value=value,
            bounds=(min(round(lower, digits), value), max(round(upper, digits), value)),
            status=self._status,
            reason=reason,
            se=round(quantity.error, digits),
            area_source=source,
            **numbers,
        )

    def _missing(self, place: tuple[str, str], measure: str, reason: str) -> None:
        self._append(place, measure, status="missing", reason=reason)

    def _append(
        self,
        place: tuple[str, str],
        measure: str,
        *,
        status: Status,
        reason: str | None,
        value: float | None = None,
        bounds: tuple[float | None, float | None] = (None, None),
        trend: float | None = None,
        mean5: float | None = None,
        se: float | None = None,
        area_source: AreaSource | None = None,
    ) -> None:
        run = self.run
        self.estimates.append(
            Estimate(
                county=place[0],
                crop=place[1],
                year=int(run.parameters["year"]),
                measure=measure,
                value=value,
                unit=UNITS[measure],
                lower=bounds[0],
                upper=bounds[1],
                interval=self._interval,
                status=status,
                reason=reason,
                simulated=run.simulated,
                run_id=run.run_id,
                as_of=date.fromisoformat(run.parameters["as_of"]),
                trend=trend,
                mean5=mean5,
                se=se,
                area_source=area_source,
                issued_at=run.finished_at,
            )
        )


def _too_little(covered: float, whole: float) -> Reason:
    share = 0.0 if whole == 0 else covered / whole
    return Reason(
        f"only {share:.0%} of the region's area has an estimate",
        f"本区域仅 {share:.0%} 的面积有估计",
    )


def _without(counties: int, *, covered: float, whole: float) -> str | None:
    if counties == 0:
        return None
    lost = f"{1 - covered / whole:.1%}"
    return str(
        Reason(
            f"without {counties} counties that have no estimate, {lost} of the area",
            f"未含 {counties} 个无估计的县，占面积 {lost}",
        )
    )


def _part(row: Estimate, area: CountyArea, *, interval: float) -> _Part:
    known = None
    if row.value is not None and row.upper is not None:
        error = error_of(value=row.value, upper=row.upper, interval=interval)
        known = Quantity(row.value, error)
    return _Part(area=area, yield_=known, trend=row.trend, mean5=row.mean5)


def _hectares(parts: Sequence[_Part]) -> float:
    return sum(part.area.hectares.value for part in parts if part.area.hectares)


def _source(parts: Sequence[_Part]) -> AreaSource | None:
    """Return what the areas of a total rest on."""
    sources = {part.area.source for part in parts}
    return "survey+statistics" if len(sources) > 1 else sources.pop()


def _tonnes(parts: Sequence[_Part]) -> dict[str, float | None]:
    """Return the sums of the baselines, None where one county has none."""
    sums: dict[str, float | None] = {}
    for name in ("trend", "mean5"):
        known = [(getattr(part, name), part.area.hectares) for part in parts]
        tonnes = [level * a.value for level, a in known if level is not None and a]
        sums[name] = sum(tonnes) if len(tonnes) == len(parts) else None
    return sums
