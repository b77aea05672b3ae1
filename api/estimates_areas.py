"""Which area of a county and crop goes into its production, and how sure it is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from pandas import DataFrame
from psycopg import Connection

from api.area_store import AREA_SURVEY
from models.production import Quantity, error_of, latest_with_error, shared_share
from models.reasons import Reason
from store import estimates, runs
from store.estimates import AreaSource, Estimate

__all__ = ["Areas", "CountyArea", "areas_of", "surveyed_areas"]

# Statistics come out a year or two late; beyond that an old area is no estimate.
OLDEST_AREA = 3

Place = tuple[str, str]
"""Code of a county, and crop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountyArea:
    """The area of a crop in a county, where it comes from, or why there is none.

    Attributes
    ----------
    hectares
        None where it is not known.
    reason
        The same text for all counties of a source, so that a total says it once.
    source
        None without hectares.
    shared
        Share of the squared error that other counties have too, 0..1.
    note
        What a survey said of this county alone, "English · 中文".
    """

    hectares: Quantity | None
    reason: Reason
    source: AreaSource | None = None
    shared: float = 0.0
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Areas:
    """Areas of one crop by county."""

    by_county: Mapping[str, CountyArea]

    def of(self, county: str) -> CountyArea:
        """Return the area of a county; one that no source knows has a reason."""
        return self.by_county.get(county, _NO_AREA)


def surveyed_areas(
    conn: Connection, *, places: Sequence[Place], year: int, as_of: date, made_up: bool
) -> dict[Place, Estimate]:
    """Return the areas that surveys of a year have found, up to a day.

    Of several surveys the one that reaches furthest counts, of those the last issued.

    Parameters
    ----------
    conn
    places
        Counties and crops to look for.
    year
    as_of
        A survey that was in the field until later was not known then.
    made_up
        Whether simulated surveys count; one would make a real production simulated.
    """
    kinds: dict[str, str] = {}
    found: dict[Place, Estimate] = {}
    for crop in sorted({crop for _, crop in places}):
        codes = sorted({code for code, one in places if one == crop})
        # The history, since productions of this year state the same areas again, and
        # only the runs that measured them will do.
        for issue in estimates.history(
            conn, counties=codes, crop=crop, year=year, measure="area"
        ):
            one = issue.estimate
            if one.run_id not in kinds:
                kinds[one.run_id] = runs.get(conn, one.run_id).kind
            if kinds[one.run_id] == AREA_SURVEY and _counts(one, as_of, made_up):
                kept = found.get((one.county, crop))
                if kept is None or _rank(kept) <= _rank(one):
                    found[one.county, crop] = one
    return found


def areas_of(table: DataFrame, surveyed: Mapping[str, Estimate], *, year: int) -> Areas:
    """Return the areas of a crop: a survey's where there is one, else the last known.

    Parameters
    ----------
    table
        Statistics of past years: `county`, `year`, `area_ha`.
    surveyed
        Code of a county -> what `surveyed_areas` found of the crop.
    year
        To say the areas of.
    """
    known = _from_statistics(table, year=year)
    return Areas(known | {code: _from_survey(one) for code, one in surveyed.items()})


def _counts(one: Estimate, as_of: date, made_up: bool) -> bool:
    known = one.value is not None and one.as_of is not None and one.as_of <= as_of
    return known and (made_up or not one.simulated)


def _rank(one: Estimate) -> tuple[bool, date]:
    """Real ones before made up ones, then by the day they reach; issues tell ties."""
    return not one.simulated, one.as_of or date.min


def _from_survey(one: Estimate) -> CountyArea:
    assert one.value is not None
    assert one.se is not None
    assert one.upper is not None
    assert one.interval is not None
    # With few degrees of freedom the interval is wider than the standard error says,
    # and what follows reads a standard error as that of a normal law.
    wide = error_of(value=one.value, upper=one.upper, interval=one.interval)
    return CountyArea(
        hectares=Quantity(one.value, max(one.se, wide)),
        reason=_surveyed(one),
        source="survey",
        # Segments of a county tell of no other; the line through the map, which they
        # have in common, is drawn by all of them and adds little to their errors.
        shared=0.0,
        note=one.reason,
    )


def _from_statistics(table: DataFrame, *, year: int) -> dict[str, CountyArea]:
    wide = table.pivot_table(index="year", columns="county", values="area_ha")
    if wide.empty:
        return {}
    first, last = int(table["year"].min()), int(table["year"].max())
    wide = wide.reindex(range(first, last + 1))
    values = wide.to_numpy(np.float64)
    ago = np.argmax(np.isfinite(values)[::-1], axis=0) + (year - last)
    latest, errors = latest_with_error(values, ahead=year - last)
    change = np.full((len(values) - 1, values.shape[1]), np.nan)
    # Zero hectares have no relative change.
    np.divide(values[1:], values[:-1], out=change, where=values[:-1] > 0)
    shared = shared_share(change - 1)
    return {
        str(code): _old_area(
            hectares=float(latest[i]),
            error=float(errors[i]),
            ago=int(ago[i]),
            year=year,
            shared=shared,
        )
        for i, code in enumerate(wide.columns)
    }


def _old_area(
    *, hectares: float, error: float, ago: int, year: int, shared: float
) -> CountyArea:
    if ago > OLDEST_AREA:
        return CountyArea(hectares=None, reason=_too_old(year - ago))
    if not math.isfinite(error):
        return CountyArea(hectares=None, reason=NO_CHANGE)
    return CountyArea(
        hectares=Quantity(hectares, error),
        reason=_carried_over(year - ago),
        source="statistics",
        shared=shared,
    )


NO_CHANGE = Reason(
    "too few years of area statistics to say how areas change",
    "面积统计年数太少，无法估计其变化",
)

_NO_AREA = CountyArea(
    hectares=None,
    reason=Reason(
        "no past statistics say how much of the crop this county grows",
        "没有统计说明本县该作物的面积",
    ),
)


def _surveyed(one: Estimate) -> Reason:
    return Reason(
        f"area from the survey of {one.year} (run {one.run_id})",
        f"面积取自 {one.year} 年抽样调查（运行 {one.run_id}）",
    )


def _carried_over(year: int) -> Reason:
    return Reason(
        f"area from the statistics of {year}, no survey of this year",
        f"面积取自 {year} 年统计，非本年调查",
    )


def _too_old(year: int) -> Reason:
    return Reason(
        f"the last statistics of the area, of {year}, are too old",
        f"最近的面积统计为 {year} 年，过于陈旧",
    )
