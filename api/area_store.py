"""Surveyed areas as estimates of the store, which productions are then made with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from api.area_errors import NothingToStore
from api.estimates import Issued, check_as_of
from api.lineage import Recipe
from api.platform import load_counties
from api.seasons import season_window
from ingest.checksum import sha256_multihash
from models.area import AreaEstimate, Status
from models.features import CROPS
from models.reasons import Reason, both
from store import Store, estimates, runs
from store.estimates import UNITS, Estimate

__all__ = ["AREA_SURVEY", "Survey", "county_areas_of", "last_day", "store_areas"]

AREA_SURVEY = "area-survey"
"""Kind of the runs that measured areas, which no other run is."""

AREA_VERSION = "area-survey/1"

# Segments go to the county of their centre, so that a frame over all of a county is
# off by half a row of segments along its border.
LEAST_COVERED = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What areas were estimated from.

    Attributes
    ----------
    year
    as_of
        Last day in the field.
    files
        What was read -> its path.
    parameters
        Of the estimator, as plain JSON.
    simulated
    """

    year: int
    as_of: date
    files: Mapping[str, Path]
    parameters: Mapping[str, Any]
    simulated: bool

    def recipe(self) -> Recipe:
        """Return the ingredients of the run."""
        return Recipe(
            kind=AREA_SURVEY,
            inputs={name: sha256_multihash(path) for name, path in self.files.items()},
            parameters={
                "year": self.year,
                "as_of": self.as_of.isoformat(),
                **self.parameters,
            },
            model_version=AREA_VERSION,
            simulated=self.simulated,
        )


def last_day(year: int, *, given: date | None, now: date) -> date:
    """Return the last day in the field: as given, else today or the season's end.

    Raises
    ------
    api.errors.AsOfInvalid
        It is no day of the season.
    """
    day = given or min(now, season_window(year)[1])
    check_as_of(day, year=year)
    return day


def county_areas_of(
    done: Sequence[AreaEstimate],
    frame: pd.DataFrame,
    *,
    land_km2: Mapping[str, float],
    crops_outside: bool = True,
) -> list[AreaEstimate]:
    """Return the areas that are those of counties, each in its domain.

    Parameters
    ----------
    done
        Of `api.area_estimate.estimate_crops`.
    frame
        With `area_ha`, and `county` where it is known.
    land_km2
        Code of a county -> its area. Others are left out.
    crops_outside
        Whether the crops may grow outside of the frame. Then a frame over part of a
        county says nothing of the county, and its area is missing.

    Raises
    ------
    NothingToStore
    """
    codes = _codes(frame)
    # One county alone has no estimates beside those of the whole frame.
    if len(codes) == 1 and frame["county"].notna().all():
        done = [replace(one, domain=codes[0]) for one in done if not one.domain]
    found = [one for one in done if one.domain in land_km2 and one.name in CROPS]
    if not found:
        raise NothingToStore(
            f"no area is of {', '.join(CROPS)} in a county: the frame's counties are"
            f" {', '.join(codes) or 'not given'}; write GB/T 2260 codes into its column"
            " county · 抽样框中没有可存储的县级作物面积，请在 county 列填写县代码"
        )
    if not crops_outside:
        return found
    # Land of the frame, since an estimate is of all of it, surveyed or not.
    framed = frame.groupby("county")["area_ha"].sum()
    shares = {
        code: float(framed[code]) / (100 * land_km2[code])
        for code in codes
        if code in land_km2
    }
    return [_of_county(one, shares[one.domain]) for one in found]


def store_areas(
    store: Store,
    survey: Survey,
    done: Sequence[AreaEstimate],
    frame: pd.DataFrame,
    *,
    crops_outside: bool = True,
) -> tuple[Issued, list[Estimate]]:
    """Store county areas as provisional estimates: the statistics are still to come.

    An area without a standard error is stored as missing, with its reason: nothing
    that is made from it could say how sure it is.

    Raises
    ------
    NothingToStore
    ingest.IngestError, store.StoreError
    """
    land = {one.code: one.area_km2 for one in load_counties(store)}
    found = county_areas_of(done, frame, land_km2=land, crops_outside=crops_outside)
    recipe = survey.recipe()
    with store.connection() as conn, conn.transaction():
        # The same files by the same code give the same areas: issued anew, not computed
        # into a second run.
        if runs.exists(conn, recipe.run_id):
            again = estimates.issue(conn, recipe.run_id, issued_at=datetime.now(UTC))
            return Issued(recipe.run_id, again), estimates.of_run(conn, recipe.run_id)
        run = recipe.finished()
        rows = [_estimate(one, run, survey) for one in found]
        runs.save(conn, run)
        estimates.add(conn, rows)
    return Issued(recipe.run_id, True), rows


def _codes(frame: pd.DataFrame) -> list[str]:
    if "county" not in frame:
        return []
    return sorted({str(code) for code in frame["county"].dropna()})


def _of_county(one: AreaEstimate, covered: float) -> AreaEstimate:
    if covered >= LEAST_COVERED:
        return one
    why = Reason(
        f"the frame covers {covered:.0%} of the county's land: its area is not the"
        " county's",
        f"抽样框仅覆盖本县土地的 {covered:.0%}，其面积不代表全县",
    )
    return replace(one, value=None, se=None, status=Status.MISSING, reason=why)


_NO_ERROR = Reason("no standard error, so no area", "无标准误，不作为面积估计")


def _estimate(one: AreaEstimate, run: runs.Run, survey: Survey) -> Estimate:
    sure = one.value is not None and one.se is not None
    known = sure or one.value is None
    reason = one.reason if known else both(one.reason, _NO_ERROR)
    return Estimate(
        county=one.domain,
        crop=one.name,
        year=survey.year,
        measure="area",
        value=_rounded(one.value if sure else None),
        unit=UNITS["area"],
        lower=_rounded(one.lower if sure else None),
        upper=_rounded(one.upper if sure else None),
        interval=one.interval,
        # Never a forecast: it was measured. Never final: that is what is published.
        status="provisional" if sure else "missing",
        reason=None if reason is None else str(reason),
        simulated=run.simulated,
        run_id=run.run_id,
        as_of=survey.as_of,
        se=_rounded(one.se if sure else None),
        area_source="survey",
        issued_at=run.finished_at,
    )


def _rounded(hectares: float | None) -> float | None:
    return None if hectares is None else round(hectares, 1)
