"""Options that several commands have: where, when, and which data folder."""

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from api.place import Place

__all__ = [
    "Box",
    "County",
    "Data",
    "End",
    "Field",
    "Start",
    "Year",
    "asked_place",
    "asked_window",
    "the_place",
]

County = Annotated[
    str | None, typer.Option(help="GB/T 2260 code or Chinese name · 县代码或县名")
]
Box = Annotated[
    tuple[float, float, float, float] | None,
    typer.Option(metavar="W S E N", help="Rectangle, degrees, WGS 84 · 经纬度范围"),
]
Field = Annotated[
    Path | None, typer.Option(metavar="FILE", help="GeoJSON polygon · 地块多边形")
]
Year = Annotated[
    int | None,
    typer.Option(min=1972, max=2999, help="From 1 April to 31 October · 年份"),
]
Start = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help="First day · 起始日期"),
]
End = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help="Last day · 结束日期"),
]
Data = Annotated[
    Path | None, typer.Option("--data", help="Data folder · 数据目录 [HEITU_DATA]")
]


def asked_place(
    county: str | None,
    bbox: tuple[float, float, float, float] | None,
    field: Path | None,
) -> "Place | None":
    """Give the place of the one option that is given, None where none is."""
    from api.place import place_in_box, place_of_county, place_of_field

    given = [value for value in (county, bbox, field) if value is not None]
    if len(given) > 1:
        raise typer.BadParameter(_WHERE)
    if county is not None:
        return place_of_county(county)
    if bbox is not None:
        return place_in_box(bbox)
    return None if field is None else place_of_field(field)


def the_place(
    county: str | None,
    bbox: tuple[float, float, float, float] | None,
    field: Path | None,
) -> "Place":
    """Give the place of the one option that has to be given."""
    place = asked_place(county, bbox, field)
    if place is None:
        raise typer.BadParameter(_WHERE)
    return place


_WHERE = (
    "where? Give one of --county, --bbox and --field"
    " · 请在 --county、--bbox、--field 中选择一个"
)


def asked_window(
    year: int | None, start: datetime | None, end: datetime | None
) -> tuple[date, date]:
    """Give first and last day of a year's season, or of two dates."""
    from api.errors import PeriodUnknown
    from api.season_product import window_of

    try:
        return window_of(year, start=start and start.date(), end=end and end.date())
    except PeriodUnknown as exc:
        raise typer.BadParameter(str(exc)) from exc
