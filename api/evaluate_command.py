"""`heitu evaluate`: the county model tested on a table of one's own."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.progress import Stages

if TYPE_CHECKING:
    from models.county import Cut, Evaluation, Forecast, Table
    from models.county.evaluate import Estimate

__all__ = ["evaluate"]


class Protocol(StrEnum):
    """What a year tested may be learnt from."""

    walk_forward = "walk-forward"
    leave_year_out = "leave-year-out"


Column = Annotated[
    str | None, typer.Option(metavar="COL", help="Guessed if clear · 列名")
]


def evaluate(
    table: Annotated[
        Path, typer.Argument(metavar="TABLE", help="CSV or Parquet · 数据表")
    ],
    region: Column = None,
    year: Column = None,
    target: Column = None,
    protocol: Annotated[
        Protocol, typer.Option(help="Learn from earlier or all other years · 检验方式")
    ] = Protocol.walk_forward,
    first: Annotated[
        int | None,
        typer.Option("--from", metavar="YEAR", help="First year tested · 起始年份"),
    ] = None,
    interval: Annotated[
        float, typer.Option(help="Probability of the interval · 区间概率")
    ] = 0.9,
    lead: Annotated[
        list[int] | None,
        typer.Option(metavar="DAY", help="Cut at a day of the year · 截至日，可多次"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write here · 输出目录")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object · 输出一行 JSON")
    ] = False,
) -> None:
    """Test the county model on any table of regions and years · 用数据表检验模型."""
    try:
        _evaluate(
            table,
            (region, year, target),
            (protocol, first, interval, tuple(lead or ())),
            out=out,
            machine=as_json,
        )
    except KeyboardInterrupt:
        typer.echo("已停止 · stopped", err=True)
        raise typer.Exit(130) from None


def _evaluate(
    path: Path,
    names: tuple[str | None, str | None, str | None],
    asked: tuple[Protocol, int | None, float, tuple[int, ...]],
    *,
    out: Path | None,
    machine: bool,
) -> None:
    from api.evaluate_report import (
        as_json,
        print_columns,
        print_scores,
        print_warnings,
        summary,
        write,
    )
    from api.evaluate_table import load_table
    from models.county import read_table

    region, year, target = names
    frame, columns = load_table(path, region=region, year=year, target=target)
    read = read_table(
        frame, region=columns.region, year=columns.year, target=columns.target
    )
    with Stages() as stages:
        found = _tested(read, asked, stages)
    unkeyed = frame[[columns.region, columns.year]].isna().any(axis=1)
    result = summary(found, read, columns, dropped=int(unkeyed.sum()))
    if out is not None:
        write(out.expanduser(), found, result)
    print_warnings(result)
    if machine:
        typer.echo(as_json(result))
        return
    print_columns(result)
    print_scores(result)
    if out is not None:
        typer.echo(out)


def _tested(
    table: "Table",
    asked: tuple[Protocol, int | None, float, tuple[int, ...]],
    stages: Stages,
) -> "Evaluation":
    from api.evaluate_workers import cores, spread_out
    from models.county import evaluate

    def run(estimate: "Estimate", cuts: Sequence["Cut"]) -> Iterator["Forecast"]:
        name = "Years and lead times", "年份与时效"
        with stages.stage(*name, total=len(cuts)) as advance:
            for found in spread_out(estimate, cuts, workers=cores()):
                advance()
                yield found

    protocol, first, interval, leads = asked
    return evaluate(
        table,
        protocol=protocol.value,
        first=first,
        leads=leads,
        interval=interval,
        run=run,
    )
