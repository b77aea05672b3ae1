"""Areas and productions beside the yields of a run, and totals of larger regions."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime

import numpy as np
from pandas import DataFrame

from api.estimates import HISTORY_YEARS, Issued
from api.lineage import Recipe, table_checksum
from api.reasons import join_reasons
from models.production import (
    Quantity,
    error_of,
    interval_of,
    latest_with_error,
    product,
    shared_share,
    total,
    weighted_mean,
)
from models.reasons import Reason
from store import Store, estimates, runs, statistics
from store.estimates import UNITS, Estimate, Status
from store.statistics import CountyStatistic

__all__ = ["PRODUCTION_VERSION", "production_run"]

PRODUCTION_VERSION = "production/1"

# Part of a region's area without a yield above which its total says too little.
MOST_UNKNOWN = 0.1

# Statistics come out a year or two late; beyond that an old area is no estimate.
OLDEST_AREA = 3

_DIGITS = {"yield": 3, "area": 1, "production": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What one county adds to a total, in ha and t/ha; None where it is not known."""

    area: Quantity | None
    area_reason: Reason
    """Where the area comes from, or why there is none."""

    yield_: Quantity | None
    trend: float | None
    mean5: float | None


def production_run(store: Store, yields: str) -> Issued:
    """Estimate area and production of each county and crop of a run of yields.

    Areas are those of the last statistics, with the error that such a guess had in
    past years; each estimate says so. Totals are of prefectures and the province, with
    codes that end in 00; their errors are shared among counties as far as the past
    shows (`models.production`).

    Parameters
    ----------
    store
    yields
        A run of `api.estimates.estimate_run`.

    Raises
    ------
    store.RunUnknown
    """
    with store.connection() as conn:
        run = runs.get(conn, yields)
        rows = estimates.of_run(conn, yields)
        shared = {s.crop: s.shared for s in estimates.skill(conn, [yields])}
        known = statistics.find(conn)
    year = int(run.parameters["year"])
    table = _areas(known, year=year)
    recipe = Recipe(
        kind="county-production",
        inputs={"yields": yields, "statistics": table_checksum(table)},
        parameters={
            "year": year,
            "as_of": run.parameters["as_of"],
            "interval": run.parameters["interval"],
            "area": "statistics of the last years",
            "correlation": 0.0,
            "rows": {"statistics": len(table)},
        },
        model_version=PRODUCTION_VERSION,
        simulated=run.simulated or bool(table["simulated"].any()),
    )
    with store.connection() as conn:
        if runs.exists(conn, recipe.run_id):
            again = estimates.issue(conn, recipe.run_id, issued_at=datetime.now(UTC))
            return Issued(recipe.run_id, again)
    made = _Maker(recipe.finished(), over=bool(run.parameters["season_over"]))
    for crop in sorted({row.crop for row in rows}):
        mine = [row for row in rows if row.crop == crop]
        areas = table[table["crop"] == crop]
        made.add_crop(crop, mine, areas, shared=shared.get(crop))
    with store.connection() as conn, conn.transaction():
        runs.save(conn, made.run)
        estimates.add(conn, made.estimates)
    return Issued(recipe.run_id, True)


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
        self,
        crop: str,
        yields: Sequence[Estimate],
        table: DataFrame,
        *,
        shared: float | None,
    ) -> None:
        """Add areas, productions and totals of one crop."""
        areas = _latest_areas(table, year=int(self.run.parameters["year"]))
        regions: defaultdict[str, list[_Part]] = defaultdict(list)
        for row in yields:
            part = _part(row, areas.by_county.get(row.county), interval=self._interval)
            self._county(row, part)
            regions[row.county[:4] + "00"].append(part)
            regions[row.county[:2] + "0000"].append(part)
        # Of the two kinds of error the one that is shared more, to be safe.
        common = max(1.0 if shared is None else shared, areas.shared)
        for code, members in sorted(regions.items()):
            self._region(code, crop, members, shared=common)

    def _county(self, row: Estimate, part: _Part) -> None:
        place = (row.county, row.crop)
        if part.area is None:
            self._missing(place, "area", str(part.area_reason))
            self._missing(place, "production", str(part.area_reason))
            return
        self._add(place, "area", part.area, reason=str(part.area_reason))
        if part.yield_ is None:
            self._missing(place, "production", row.reason or "no yield · 没有单产")
            return
        self._add(
            place,
            "production",
            product(part.area, part.yield_),
            reason=join_reasons(row.reason, str(part.area_reason)),
            beside=_tonnes([part]),
        )

    def _region(
        self, code: str, crop: str, parts: Sequence[_Part], *, shared: float
    ) -> None:
        """Add the sums of a region, unless too much of its area has no number."""
        place = (code, crop)
        pairs = [(p.area, p.yield_) for p in parts if p.area and p.yield_]
        whole = sum(p.area.value for p in parts if p.area)
        covered = sum(area.value for area, _ in pairs)
        if not covered > 0 or covered < (1 - MOST_UNKNOWN) * whole:
            for measure in UNITS:
                self._missing(place, measure, str(_too_little(covered, whole)))
            return
        # A county without an area grows next to nothing of the crop.
        without = sum(p.area is not None and p.yield_ is None for p in parts)
        lacks = _without(without, covered=covered, whole=whole)
        note = join_reasons(
            lacks, *sorted({str(p.area_reason) for p in parts if p.area})
        )
        areas, yields = [area for area, _ in pairs], [yield_ for _, yield_ in pairs]
        tonnes = [product(area, yield_) for area, yield_ in pairs]
        hectares = [area.value for area in areas]
        known = [p for p in parts if p.area and p.yield_]
        self._add(place, "area", total(areas, shared=shared), reason=note)
        mean = weighted_mean(yields, hectares, shared=shared)
        self._add(place, "yield", mean, reason=lacks)
        whole_tonnes = total(tonnes, shared=shared)
        beside = _tonnes(known)
        self._add(place, "production", whole_tonnes, reason=note, beside=beside)

    def _add(
        self,
        place: tuple[str, str],
        measure: str,
        quantity: Quantity,
        *,
        reason: str | None,
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
                issued_at=run.finished_at,
            )
        )


NO_AREA = Reason(
    "no past statistics say how much of the crop this county grows",
    "没有统计说明本县该作物的面积",
)


NO_CHANGE = Reason(
    "too few years of area statistics to say how areas change",
    "面积统计年数太少，无法估计其变化",
)


def _area_reason(year: int) -> Reason:
    return Reason(
        f"area from the statistics of {year}, no survey of this year",
        f"面积取自 {year} 年统计，非本年调查",
    )


def _area_too_old(year: int) -> Reason:
    return Reason(
        f"the last statistics of the area, of {year}, are too old",
        f"最近的面积统计为 {year} 年，过于陈旧",
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


@dataclass(frozen=True, slots=True)
class _Area:
    """The last area known of a county and where it comes from."""

    hectares: Quantity | None
    reason: Reason


@dataclass(frozen=True, slots=True)
class _Areas:
    by_county: Mapping[str, _Area]
    shared: float
    """Share of the squared error of areas that counties have in common."""


def _latest_areas(table: DataFrame, *, year: int) -> _Areas:
    wide = table.pivot_table(index="year", columns="county", values="area_ha")
    if wide.empty:
        return _Areas({}, 1.0)
    first, last = int(table["year"].min()), int(table["year"].max())
    wide = wide.reindex(range(first, last + 1))
    values = wide.to_numpy(np.float64)
    ago = np.argmax(np.isfinite(values)[::-1], axis=0) + (year - last)
    latest, errors = latest_with_error(values, ahead=year - last)
    areas = {
        str(code): _area(
            hectares=float(latest[i]),
            error=float(errors[i]),
            ago=int(ago[i]),
            year=year,
        )
        for i, code in enumerate(wide.columns)
    }
    change = np.full((len(values) - 1, values.shape[1]), np.nan)
    # Zero hectares have no relative change.
    np.divide(values[1:], values[:-1], out=change, where=values[:-1] > 0)
    return _Areas(areas, shared_share(change - 1))


def _area(*, hectares: float, error: float, ago: int, year: int) -> _Area:
    if ago > OLDEST_AREA:
        return _Area(None, _area_too_old(year - ago))
    if not math.isfinite(error):
        return _Area(None, NO_CHANGE)
    return _Area(Quantity(hectares, error), _area_reason(year - ago))


def _part(row: Estimate, area: _Area | None, *, interval: float) -> _Part:
    known = None
    if row.value is not None and row.upper is not None:
        error = error_of(value=row.value, upper=row.upper, interval=interval)
        known = Quantity(row.value, error)
    hectares = None if area is None else area.hectares
    reason = NO_AREA if area is None else area.reason
    return _Part(
        area=hectares,
        area_reason=reason,
        yield_=known,
        trend=row.trend,
        mean5=row.mean5,
    )


def _tonnes(parts: Sequence[_Part]) -> dict[str, float | None]:
    """Return the sums of the baselines, None where one county has none."""
    sums: dict[str, float | None] = {}
    for name in ("trend", "mean5"):
        known = [(getattr(part, name), part.area) for part in parts]
        tonnes = [level * a.value for level, a in known if level is not None and a]
        sums[name] = sum(tonnes) if len(tonnes) == len(parts) else None
    return sums
