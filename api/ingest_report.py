"""`heitu ingest report`: what of a county and a dekad is there."""

import csv
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from api.options import (
    Box,
    County,
    Data,
    End,
    Field,
    Start,
    Year,
    asked_window,
    the_place,
)
from api.settings import command_settings

__all__ = ["report"]

HEAD = (
    "dekad",
    "expected",
    "present",
    "missing",
    "cloudy",
    "clear_share",
    "simulated",
)


def report(
    county: County = None,
    bbox: Box = None,
    field: Field = None,
    year: Year = None,
    start: Start = None,
    end: End = None,
    mission: Annotated[
        str, typer.Option(help="sentinel-2, landsat or hls · 卫星")
    ] = "sentinel-2",
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV on stdout")] = False,
    data: Data = None,
) -> None:
    """Report expected, present and clear, dekad by dekad · 影像完整性报告.

    Exit code 1 when anything expected is missing, or a dekad was never searched.
    """
    from ingest.archive import PRODUCTS, Archive
    from ingest.completeness import completeness
    from ingest.searches import read_searches

    settings = command_settings(data)
    place = the_place(county, bbox, field)
    first, last = asked_window(year, start, end)
    archive = Archive(settings.archive, create=False)
    names = [name for name in archive.collections() if name != PRODUCTS]
    rows = completeness(
        [item for name in names for item in archive.items(name)],
        read_searches(settings.searches),
        place.geometry,
        start=first,
        end=last,
        mission=mission,
    )
    cells = [
        (
            row.step.start.isoformat(),
            _number(row.expected),
            str(row.present),
            " ".join(row.missing) if as_csv else str(len(row.missing)),
            _number(row.cloudy),
            "" if row.clear_share is None else f"{row.clear_share:.3f}",
            "true" if row.simulated else "",
        )
        for row in rows
    ]
    _as_csv(cells) if as_csv else _as_table(place.name_zh, cells)
    if not all(row.complete for row in rows):
        raise typer.Exit(1)


def _number(count: int | None) -> str:
    return "" if count is None else str(count)


def _as_csv(cells: Sequence[tuple[str, ...]]) -> None:
    csv.writer(sys.stdout).writerows([HEAD, *cells])


def _as_table(title: str, cells: Sequence[tuple[str, ...]]) -> None:
    names = ("旬", "应有", "已有", "缺失", "云量过大", "晴空比例", "模拟")
    both = (f"{name} {zh}" for name, zh in zip(HEAD, names, strict=True))
    table = Table(*both, title=title)
    table.columns[0].no_wrap = True
    for column in table.columns:
        column.overflow = "fold"
    for row in cells:
        table.add_row(*(cell or "?" for cell in row[:-1]), row[-1])
    Console().print(table)
