"""Growth of counties against past years, and the county bulletins 县级农情简报.

Both are read as `heitu growth` and `heitu bulletin` wrote them: grading a county takes
minutes, so no request does it.
"""

import csv
import io
from collections.abc import Sequence
from datetime import date
from typing import Annotated, get_args

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import FileResponse

from api import growth_schemas, schemas
from api.bulletin.shelf import Form, Kept, kept_bulletins
from api.bulletin.words import Language
from api.errors import BulletinMissing, GrowthMissing
from api.growth_files import county_growth, growth_tables
from api.growth_schemas import CountyGrowth
from api.negotiation import preferred
from api.problems import PROBLEM_RESPONSES
from api.routes.estimates import CSV, JSON, UseAccept, UseForm, UseYear
from api.services import UseServices
from raster.step import dekad_of

router = APIRouter(tags=["growth"], responses=PROBLEM_RESPONSES)

HTML, PDF = "text/html", "application/pdf"

UseCrop = Annotated[schemas.Crop, Query(description="Crop")]
UseCode = Annotated[str, Path(description="GB/T 2260 code, six digits, of a county")]
UseDay = Annotated[date | None, Query(description="A day of the dekad; else the last")]
UseIndex = Annotated[
    str, Query(pattern="^[a-z0-9]{2,12}$", description="Vegetation index")
]

# A bulletin runs no script and fetches nothing; a browser holds it to that.
_SEALED = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@router.get(
    "/growth",
    response_model=growth_schemas.Growth,
    responses={200: {"content": {CSV: {"schema": {"type": "string"}}}}},
)
def growth(
    response: Response,
    services: UseServices,
    crop: UseCrop,
    day: UseDay = None,
    index: UseIndex = "ndvi",
    f: UseForm = None,
    accept: UseAccept = "",
) -> growth_schemas.Growth | Response:
    """Return the growth of every county in a dekad, as JSON or as CSV.

    Of a county that was graded more than once in a dekad it is the last grading.
    """
    tables = growth_tables(services.growth, crop=crop)
    asked = _dekad(day, [table.day for table in tables])
    same = [table for table in tables if table.day == asked]
    rows = county_growth(same, county=None, index=index)
    if not rows:
        when = None if asked is None else f"{asked}"
        known = (f"{table.day}" for table in tables)
        raise GrowthMissing(crop, county=None, when=when, known=known)
    return _answer(response, rows, ["growth", crop, f"{asked}"], f=f, accept=accept)


def _dekad(day: date | None, known: Sequence[date]) -> date | None:
    """Return the first day of the dekad asked for, else of the newest one known."""
    return max(known, default=None) if day is None else dekad_of(day).start


@router.get(
    "/counties/{code}/growth",
    response_model=growth_schemas.Growth,
    responses={200: {"content": {CSV: {"schema": {"type": "string"}}}}},
)
def growth_of_county(
    response: Response,
    services: UseServices,
    code: UseCode,
    crop: UseCrop,
    year: UseYear = None,
    index: UseIndex = "ndvi",
    f: UseForm = None,
    accept: UseAccept = "",
) -> growth_schemas.Growth | Response:
    """Return a county's growth, dekad by dekad, of a year; else of the newest one."""
    services.counties.require(code)
    tables = growth_tables(services.growth, crop=crop, county=code)
    asked = max((table.day.year for table in tables), default=year)
    asked = asked if year is None else year
    same = [table for table in tables if table.day.year == asked]
    rows = county_growth(same, county=code, index=index)
    if not rows:
        when = None if asked is None else f"{asked}"
        known = (f"{table.day.year}" for table in tables)
        raise GrowthMissing(crop, county=code, when=when, known=known)
    name = ["growth", crop, f"{asked}", code]
    return _answer(response, rows, name, f=f, accept=accept)


def _answer(
    response: Response,
    rows: list[CountyGrowth],
    name: Sequence[str],
    *,
    f: str | None,
    accept: str,
) -> growth_schemas.Growth | Response:
    if f == "csv" or (f is None and preferred(accept, (JSON, CSV)) == CSV):
        headers = {
            "Content-Disposition": f'attachment; filename="{"-".join(name)}.csv"',
            "Vary": "Accept",
        }
        return Response(_csv(rows), media_type=f"{CSV}; charset=utf-8", headers=headers)
    response.headers["Vary"] = "Accept"
    simulated = any(row.simulated for row in rows)
    return growth_schemas.Growth(growth=rows, count=len(rows), simulated=simulated)


def _csv(rows: Sequence[CountyGrowth]) -> bytes:
    """Write rows as CSV (RFC 4180) in UTF-8 with the mark that Excel needs."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(CountyGrowth.model_fields)
    for row in rows:
        writer.writerow([_cell(value) for value in row.model_dump().values()])
    return text.getvalue().encode("utf-8-sig")


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return " ".join(map(str, value))
    return value


@router.get("/counties/{code}/bulletins")
def bulletins(
    request: Request,
    services: UseServices,
    code: UseCode,
    crop: Annotated[schemas.Crop | None, Query(description="Crop; else all")] = None,
) -> growth_schemas.Bulletins:
    """List the bulletins of a county that were written, the newest first."""
    services.counties.require(code)
    county = services.counties.by_code()[code]
    found = kept_bulletins(services.bulletins, county=code)
    known = set(get_args(schemas.Crop)) if crop is None else {crop}
    return growth_schemas.Bulletins(
        county=code,
        name_zh=county.name_zh,
        name_en=county.name_en,
        bulletins=[_listed(request, one) for one in found if one.crop in known],
    )


def _listed(request: Request, one: Kept) -> growth_schemas.Bulletin:
    address = request.url_for("bulletin", code=one.county).include_query_params(
        crop=one.crop, day=one.day.isoformat(), lang=one.language, f=one.form
    )
    return growth_schemas.Bulletin(
        county=one.county,
        crop=one.crop,  # type: ignore[arg-type] # the caller's
        dekad=one.day,
        language=one.language,
        form=one.form,
        href=str(address),
    )


@router.get(
    "/counties/{code}/bulletin",
    response_class=Response,
    responses={
        200: {
            "content": {
                HTML: {"schema": {"type": "string"}},
                PDF: {"schema": {"type": "string", "format": "binary"}},
            }
        }
    },
)
def bulletin(
    services: UseServices,
    code: UseCode,
    crop: UseCrop,
    day: UseDay = None,
    lang: Annotated[Language, Query(description="Language of the text")] = "zh",
    f: Annotated[Form | None, Query(description="Wins over Accept")] = None,
    accept: Annotated[str, Header()] = "",
) -> Response:
    """Return a county's bulletin of a dekad, else the newest, as a page or as a PDF."""
    services.counties.require(code)
    form: Form = f or ("pdf" if preferred(accept, (HTML, PDF)) == PDF else "html")
    written = [
        one
        for one in kept_bulletins(services.bulletins, county=code)
        if one.crop == crop
    ]
    alike = [one for one in written if (one.language, one.form) == (lang, form)]
    asked = _dekad(day, [one.day for one in alike])
    for one in alike:
        if one.day == asked:
            return _file(one)
    wanted = " ".join(map(str, filter(None, (asked, lang, form))))
    raise BulletinMissing(
        crop,
        county=code,
        wanted=wanted,
        known=(f"{one.day} {one.language} {one.form}" for one in written),
    )


def _file(one: Kept) -> FileResponse:
    media = HTML if one.form == "html" else PDF
    return FileResponse(
        one.path,
        media_type=media,
        filename=one.path.name,
        content_disposition_type="inline",
        headers={"Vary": "Accept", "Content-Security-Policy": _SEALED},
    )
