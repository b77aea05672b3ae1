"""`heitu ingest statistics` and `heitu export statistics`: yearbook tables."""

import csv
import io
from collections import defaultdict
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.options import Data
from api.settings import command_settings

if TYPE_CHECKING:
    from ingest.statistics import (
        Given,
        Listed,
        Measure,
        StatisticsTable,
        Unit,
    )

__all__ = ["statistics", "statistics_export"]

# On the screen; the report has them all.
SHOWN = 20


class Crop(StrEnum):
    """The crops that statistics are kept of."""

    MAIZE = "maize"
    RICE = "rice"
    SOYBEAN = "soybean"


class Language(StrEnum):
    """Languages of an exported table."""

    ZH = "zh"
    EN = "en"


class Units(StrEnum):
    """Units of an exported table."""

    METRIC = "metric"
    CHINESE = "chinese"


Year = Annotated[
    int | None, typer.Option(min=1900, max=2200, help="Harvest year · 年份")
]


def statistics(
    file: Annotated[Path, typer.Argument(help="CSV or XLSX · 统计表文件")],
    sheet: Annotated[
        str | None, typer.Option(help="One worksheet; all if left out · 工作表")
    ] = None,
    crop: Annotated[
        Crop | None, typer.Option(help="Where no column says it · 作物")
    ] = None,
    year: Year = None,
    unit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MEASURE=UNIT",
            help="Where the table has none, e.g. 面积=万亩, yield=斤/亩 · 单位",
        ),
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Quoted from; file name if left out · 来源")
    ] = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Other sources' numbers too · 替换其他来源"),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show, do not store · 只检查不入库")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(help="CSV of everything not stored · 未入库清单"),
    ] = None,
    data: Data = None,
) -> None:
    """Take a yearbook table of area, production and yield · 导入统计年鉴表."""
    from ingest.statistics import Given, read_statistics

    given = Given(
        crop=crop.value if crop else None,
        year=year,
        units=dict(_unit(text) for text in unit or ()),
        source=(source or "").strip(),
    )
    read = read_statistics(file, given, sheet=sheet)
    console = _console()
    _print_understood(console, read, given)
    table = _settle(console, read, data, replace=replace, dry_run=dry_run)
    if report is not None:
        _write_report(report, table)
    # After storing: what is sound need not wait for what is doubtful.
    if not table.complete:
        typer.echo(
            f"{len(table.unmatched)} unmatched and {len(table.problems)} doubtful"
            " entries were not taken; correct them and run again"
            f" · {len(table.unmatched)} 条未匹配、{len(table.problems)} 条有问题，"
            "均未入库",
            err=True,
        )
        raise typer.Exit(1)


def statistics_export(
    out: Annotated[Path, typer.Argument(help="OUT.csv or OUT.xlsx · 输出文件")],
    crop: Annotated[Crop | None, typer.Option(help="All if left out · 作物")] = None,
    year: Year = None,
    lang: Annotated[
        Language, typer.Option(help="Of the headings · 语言")
    ] = Language.ZH,
    units: Annotated[
        Units, typer.Option(help="ha and t, or 万亩 and 公斤/亩 · 单位")
    ] = Units.METRIC,
    data: Data = None,
) -> None:
    """Write the stored statistics as a table that can be taken back · 导出统计表."""
    from ingest.statistics import write_table
    from store import open_store
    from store import statistics as stored

    if out.suffix.lower() not in (".csv", ".xlsx"):
        raise typer.BadParameter(
            f"{out.name}: end the name in .csv or .xlsx · 文件名须以 .csv 或 .xlsx 结尾"
        )
    if not out.parent.is_dir():
        raise typer.BadParameter(
            f"there is no folder {out.parent} · 目录 {out.parent} 不存在"
        )
    settings = command_settings(data)
    with (
        open_store(data=settings.data, url=settings.url) as store,
        store.connection() as conn,
    ):
        rows = stored.find(conn, crop=crop.value if crop else None, year=year)
    write_table(out, rows, language=lang.value, units=units.value)
    typer.echo(f"{len(rows)} statistics written to {out} · 已导出 {len(rows)} 条")


def _unit(text: str) -> tuple["Measure", "Unit"]:
    """Read "area=万亩"."""
    from ingest.statistics import unit_of
    from ingest.statistics.words import read_heading

    name, _, unit = text.partition("=")
    heading = read_heading(name)
    measure = None if heading.stray else heading.measure
    if measure is not None:
        found = unit_of(unit, measure, per=heading.per)
        if found is not None:
            return measure, found
    raise typer.BadParameter(
        f"{text!r}: give area, production or yield and a unit of it, as area=万亩,"
        " production=吨, yield=斤/亩"
        f" · “{text}”无效，请写成 area=万亩、production=吨、yield=斤/亩"
    )


def _settle(
    console: Console,
    read: "StatisticsTable",
    data: Path | None,
    *,
    replace: bool,
    dry_run: bool,
) -> "StatisticsTable":
    """Compare with what is stored, tell, and store unless it is a dry run."""
    from ingest.statistics import settle
    from store import open_store
    from store import statistics as stored

    settings = command_settings(data)
    with (
        open_store(data=settings.data, url=settings.url) as store,
        store.connection() as conn,
    ):
        settled = settle(read, stored.find(conn), replace=replace)
        table = settled.table
        if settled.replaced:
            console.print(_listing("replaced 替换", settled.replaced))
        _print_left(console, table)
        if dry_run:
            return table
        changed = stored.put(conn, [row.statistic for row in table.rows])
    same = len(table.rows) - changed
    typer.echo(
        f"stored: {changed} new or changed, {same} as before"
        f" · 入库：新增或更新 {changed} 条，未变 {same} 条"
    )
    return table


def _write_report(path: Path, table: "StatisticsTable") -> None:
    """Write everything that is not stored as CSV (UTF-8 with a mark)."""
    from ingest.statistics.export import safe_text
    from raster.files import replace_file

    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(("fate", "row", "name", "crop", "year", "reason", "原因"))
    for fate, listed in (
        ("not matched", table.unmatched),
        ("doubtful", table.problems),
        ("total", table.totals),
        ("aside", table.asides),
    ):
        for each in listed:
            english, _, chinese = each.reason.partition(" · ")
            cells = (each.name, each.crop, each.year, english, chinese)
            safe = (safe_text(c) if isinstance(c, str) else c for c in cells)
            writer.writerow((fate, each.place, *safe))
    # Excel takes UTF-8 for the local code page unless the file starts with the mark.
    replace_file(path, text.getvalue().encode("utf-8-sig"))


def _console() -> Console:
    """Return a console; a pipe gets whole cells, since folded ones cannot be read."""
    console = Console()
    return console if console.is_terminal else Console(width=200)


def _print_understood(
    console: Console, table: "StatisticsTable", given: "Given"
) -> None:
    columns = Table("sheet 工作表", "column 列", "taken as 理解为")
    for use in table.uses:
        columns.add_row(*map(Text, (use.sheet, use.column, use.meaning)))
    console.print(columns)
    derived: dict[str, int] = defaultdict(int)
    for row in table.rows:
        if row.statistic.derived:
            derived[row.statistic.derived] += 1
    computed = ", ".join(f"{count} {name}" for name, count in derived.items())
    console.print(
        f"{len(table.rows)} statistics ({computed or 'none'} computed from the other"
        f" two) · {len(table.rows)} 条统计数据（由另外两项推算：{computed or '无'}）",
        markup=False,
        highlight=False,
    )
    crops = {row.statistic.crop for row in table.rows}
    if given.crop and crops - {given.crop}:
        typer.echo(
            "the table's own crops went before --crop · 以表中的作物为准", err=True
        )


def _print_left(console: Console, table: "StatisticsTable") -> None:
    for title, listed in (
        ("not matched 未匹配", table.unmatched),
        ("doubtful, not stored 有问题，不入库", table.problems),
        ("totals, not stored 合计行，不入库", table.totals),
    ):
        if listed:
            console.print(_listing(title, listed))
    reasons: dict[str, list[str]] = defaultdict(list)
    for aside in table.asides:
        reasons[aside.reason].append(str(aside.place))
    for reason, places in reasons.items():
        named = list(dict.fromkeys(places))
        more = f" … and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
        rows = ", ".join(named[:SHOWN]) + more
        console.print(f"{reason}: {rows}", markup=False, highlight=False)


def _listing(title: str, listed: Sequence["Listed"]) -> Table:
    table = Table(
        "row 行", "name 名称", "crop 作物", "year 年份", "reason 原因", title=title
    )
    if len(listed) > SHOWN:
        more = len(listed) - SHOWN
        table.caption = f"… and {more} more, all with --report · 其余见 --report"
    for each in listed[:SHOWN]:
        year = "" if each.year is None else str(each.year)
        cells = (str(each.place), each.name, each.crop, year, each.reason)
        table.add_row(*map(Text, cells))
    return table
