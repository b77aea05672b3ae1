"""Estimates, their history, the statistics they build on, and the runs behind them."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Path, Query, Response
from psycopg import Connection

from api import schemas
from api.county_table import Region
from api.csv_table import estimates_csv
from api.errors import NoDataForYear
from api.estimates_history import Step, steps
from api.estimates_shown import shown
from api.negotiation import preferred
from api.problems import PROBLEM_RESPONSES
from api.services import UseServices
from store import estimates as stored_estimates
from store import runs, statistics

router = APIRouter(tags=["yields"], responses=PROBLEM_RESPONSES)

JSON, CSV = "application/json", "text/csv"

UseCrop = Annotated[schemas.Crop | None, Query(description="Crop; all when left out")]
UseCounty = Annotated[
    str | None,
    Query(description="GB/T 2260 code, six digits, of a county; a former one too"),
]
UseYear = Annotated[int | None, Query(ge=1900, le=2200, description="Harvest year")]
UseMeasure = Annotated[
    schemas.Measure, Query(description="yield in t/ha, area in ha, production in t")
]
UseForm = Annotated[
    Literal["json", "csv"] | None, Query(description="Wins over Accept")
]
UseAccept = Annotated[str, Header()]


@router.get(
    "/estimates",
    response_model=schemas.Estimates,
    responses={200: {"content": {CSV: {"schema": {"type": "string"}}}}},
)
def estimates(
    response: Response,
    services: UseServices,
    crop: UseCrop = None,
    year: UseYear = None,
    county: UseCounty = None,
    measure: UseMeasure = "yield",
    level: Annotated[
        schemas.Level, Query(description="Whose estimates; totals of larger regions")
    ] = "county",
    status: Annotated[
        schemas.Status | None, Query(description="The newest of this status")
    ] = None,
    as_of: Annotated[
        date | None, Query(description="What was known from data up to this day")
    ] = None,
    f: UseForm = None,
    accept: UseAccept = "",
) -> schemas.Estimates | Response:
    """Return the estimate that counts of each region, as JSON or as CSV.

    The CSV has SDMX columns. A final estimate counts before all others, then the one
    made from data up to the latest day.
    """
    region = None if county is None else services.counties.region(county)
    # Before the connection: asking for a second one while holding one could wait for
    # requests that do the same.
    names = services.counties
    names.by_code()
    asked = {"crop": crop, "year": year, "county": county}
    with services.store.connection() as conn:
        rows = stored_estimates.find(
            conn,
            crop=crop,
            year=year,
            county=None if region is None else region.code,
            measure=measure,
            level=level if region is None else None,
            status=status,
            as_of=as_of,
        )
        if not rows and year is not None:
            raise _no_data(conn, crop, region, measure, year=year)
        found = shown(conn, rows, names)
        versions = _model_versions(conn, found)
    if f == "csv" or (f is None and preferred(accept, (JSON, CSV)) == CSV):
        other = {} if measure == "yield" else {"measure": measure}
        return _csv_response(estimates_csv(found, versions), **other, **asked)
    response.headers["Vary"] = "Accept"
    return schemas.Estimates(estimates=found, count=len(found))


def _no_data(
    conn: Connection,
    crop: str | None,
    region: Region | None,
    measure: str,
    *,
    year: int,
) -> NoDataForYear:
    code = None if region is None else region.code
    others = stored_estimates.find(conn, crop=crop, county=code, measure=measure)
    what = " ".join(["estimates", *filter(None, (crop, code))])
    return NoDataForYear(what, year=year, years=(row.year for row in others))


@router.get(
    "/counties/{code}/estimates",
    response_model=schemas.EstimateHistory,
    responses={200: {"content": {CSV: {"schema": {"type": "string"}}}}},
)
def county_history(
    response: Response,
    services: UseServices,
    code: Annotated[str, Path(description="GB/T 2260 code; of a larger region too")],
    crop: Annotated[schemas.Crop, Query(description="Crop")],
    year: UseYear = None,
    measure: UseMeasure = "yield",
    f: UseForm = None,
    accept: UseAccept = "",
) -> schemas.EstimateHistory | Response:
    """Return every issue of a region's estimate in order, with what changed and why.

    Nothing is ever erased: a revised estimate stands beside the earlier one, and the
    published statistic beside the forecasts. Without a year it is the newest one.
    """
    region = services.counties.region(code)
    with services.store.connection() as conn:
        asked = _year_asked(conn, region, crop, measure, year=year)
        told = steps(
            conn,
            stored_estimates.history(
                conn,
                counties=(region.code, *region.former),
                crop=crop,
                year=asked,
                measure=measure,
            ),
        )
        if not told:
            raise _no_data(conn, crop, region, measure, year=asked)
        rows = shown(conn, [s.issue.estimate for s in told], services.counties)
        versions = _model_versions(conn, rows)
    if f == "csv" or (f is None and preferred(accept, (JSON, CSV)) == CSV):
        content = estimates_csv(rows, versions)
        return _csv_response(content, crop=crop, year=asked, county=region.code)
    response.headers["Vary"] = "Accept"
    return _history(region, told, rows)


def _year_asked(
    conn: Connection, region: Region, crop: str, measure: str, *, year: int | None
) -> int:
    if year is not None:
        return year
    found = [
        row.year
        for code in (region.code, *region.former)
        for row in stored_estimates.find(conn, crop=crop, county=code, measure=measure)
    ]
    return max(found, default=datetime.now(UTC).year)


def _history(
    region: Region, told: Sequence[Step], rows: Sequence[schemas.Estimate]
) -> schemas.EstimateHistory:
    issues = [
        schemas.EstimateIssue(
            **row.model_dump(),
            issue=step.issue.issue,
            difference=step.difference,
            changes=[schemas.EstimateChange.model_validate(c) for c in step.changes],
        )
        for step, row in zip(told, rows, strict=True)
    ]
    first = rows[0]
    return schemas.EstimateHistory(
        county=region.code,
        name_zh=region.name_zh,
        name_en=region.name_en,
        former_codes=list(region.former),
        crop=first.crop,
        year=first.year,
        measure=first.measure,
        issues=issues,
        simulated=any(row.simulated for row in rows),
    )


def _model_versions(
    conn: Connection, rows: Sequence[schemas.Estimate]
) -> dict[str, str | None]:
    run_ids = {row.run_id for row in rows}
    return {run_id: runs.get(conn, run_id).model_version for run_id in run_ids}


def _csv_response(content: bytes, **asked: str | int | None) -> Response:
    name = "-".join(["estimates", *(str(part) for part in asked.values() if part)])
    headers = {
        "Content-Disposition": f'attachment; filename="{name}.csv"',
        "Vary": "Accept",
    }
    return Response(content, media_type=f"{CSV}; charset=utf-8", headers=headers)


@router.get("/statistics")
def county_statistics(
    services: UseServices, crop: UseCrop = None, county: UseCounty = None
) -> schemas.Statistics:
    """Return yields (t/ha) and sown areas (ha) of past years."""
    region = None if county is None else services.counties.region(county)
    with services.store.connection() as conn:
        code = None if region is None else region.code
        rows = statistics.find(conn, crop=crop, county=code)
    return schemas.Statistics(
        statistics=[schemas.Statistic.model_validate(row) for row in rows]
    )


@router.get("/runs/{run_id}")
def run(
    run_id: Annotated[str, Path(pattern="^[0-9a-f]{16}$")], services: UseServices
) -> schemas.Run:
    """Return one run: what was read, with which parameters, by which versions."""
    with services.store.connection() as conn:
        return schemas.Run.model_validate(runs.get(conn, run_id))
