"""County estimates, the statistics they build on, and the runs that made them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Path, Query, Response
from psycopg import Connection

from api import schemas
from api.csv_table import estimates_csv
from api.errors import NoDataForYear
from api.negotiation import preferred
from api.problems import PROBLEM_RESPONSES
from api.services import UseServices
from store import estimates as stored_estimates
from store import runs, statistics
from store.counties import County

router = APIRouter(tags=["yields"], responses=PROBLEM_RESPONSES)

JSON, CSV = "application/json", "text/csv"

UseCrop = Annotated[schemas.Crop | None, Query(description="Crop; all when left out")]
UseCounty = Annotated[str | None, Query(description="GB/T 2260 code, six digits")]
UseYear = Annotated[int | None, Query(ge=1900, le=2200, description="Harvest year")]


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
    f: Annotated[
        Literal["json", "csv"] | None, Query(description="Wins over Accept")
    ] = None,
    accept: Annotated[str, Header()] = "",
) -> schemas.Estimates | Response:
    """Return the newest issue of each estimate, as JSON or as CSV with SDMX columns."""
    if county is not None:
        services.counties.require(county)
    # Before the connection: asking for a second one while holding one could wait for
    # requests that do the same.
    counties = services.counties.by_code()
    with services.store.connection() as conn:
        found = _named(_find(conn, crop=crop, year=year, county=county), counties)
        if f == "csv" or (f is None and preferred(accept, (JSON, CSV)) == CSV):
            content = estimates_csv(found, _model_versions(conn, found))
            return _csv_response(content, crop=crop, year=year, county=county)
    response.headers["Vary"] = "Accept"
    return schemas.Estimates(estimates=found, count=len(found))


def _find(
    conn: Connection, *, crop: str | None, year: int | None, county: str | None
) -> list[stored_estimates.Estimate]:
    rows = stored_estimates.find(conn, crop=crop, year=year, county=county)
    if rows or year is None:
        return rows
    others = stored_estimates.find(conn, crop=crop, county=county)
    what = " ".join(["estimates", *filter(None, (crop, county))])
    raise NoDataForYear(what, year=year, years=(row.year for row in others))


def _named(
    rows: Iterable[stored_estimates.Estimate], counties: Mapping[str, County]
) -> list[schemas.Estimate]:
    return [
        schemas.Estimate(
            name_zh=counties[row.county].name_zh,
            name_en=counties[row.county].name_en,
            **asdict(row),
        )
        for row in rows
    ]


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
    if county is not None:
        services.counties.require(county)
    with services.store.connection() as conn:
        rows = statistics.find(conn, crop=crop, county=county)
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
