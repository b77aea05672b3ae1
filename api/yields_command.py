"""`heitu yields`: county estimates made, listed, told and exported."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from enum import StrEnum
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.options import Data
from api.progress import Stages
from api.settings import command_settings

if TYPE_CHECKING:
    from api import schemas
    from api.county_table import CountyTable, Region
    from api.yields_job import YieldResult
    from store import Store
    from store.estimates import Estimate

__all__ = ["yields_app"]

yields_app = typer.Typer(help="County yields, areas, production · 县级单产、面积与总产")


class Crop(StrEnum):
    """A crop that can be asked for."""

    maize = "maize"
    rice = "rice"
    soybean = "soybean"


class Measure(StrEnum):
    """A measure that can be asked for."""

    yield_ = "yield"
    area = "area"
    production = "production"


class Level(StrEnum):
    """Whose estimates can be asked for."""

    county = "county"
    prefecture = "prefecture"
    province = "province"


class Status(StrEnum):
    """A status that can be asked for."""

    forecast = "forecast"
    provisional = "provisional"
    final = "final"
    missing = "missing"


class Language(StrEnum):
    """Language of an exported table."""

    zh = "zh"
    en = "en"


Year = Annotated[int, typer.Option(min=1980, max=2999, help="Harvest year · 年份")]
SomeYear = Annotated[
    int | None,
    typer.Option("--year", min=1980, max=2999, help="All if left out · 年份"),
]
SomeCounty = Annotated[
    str | None, typer.Option("--county", help="Code or Chinese name · 县代码或县名")
]
SomeCrop = Annotated[Crop | None, typer.Option("--crop", help="Crop; all · 作物")]
TheMeasure = Annotated[Measure, typer.Option(help="t/ha, ha or t · 单产、面积或总产")]
TheLevel = Annotated[Level, typer.Option(help="County or totals · 县，或市、省合计")]
SomeStatus = Annotated[
    Status | None, typer.Option("--status", help="Newest of this status · 状态")
]
KnownOn = Annotated[
    datetime | None,
    typer.Option(
        "--as-of",
        formats=["%Y-%m-%d"],
        metavar="DATE",
        help="Known from data up to this day · 截至该日的数据",
    ),
]


@yields_app.command()
def estimate(
    year: Year,
    as_of: Annotated[
        list[datetime] | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            metavar="DATE",
            help="Last day of the data, several may be given · 数据截止日，可多次",
        ),
    ] = None,
    crop: Annotated[
        list[Crop] | None, typer.Option(help="All if left out · 作物，可多次")
    ] = None,
    grid: Annotated[
        str | None, typer.Option(help="Crop map, the coarsest · 作物图所用格网")
    ] = None,
    collection: Annotated[
        str | None, typer.Option(help="Scenes; widest if left out · 影像集")
    ] = None,
    history: Annotated[
        int, typer.Option(min=5, max=60, help="Years to learn from · 历史年数")
    ] = 25,
    data: Data = None,
) -> None:
    """Estimate yields, areas and production, one model a day · 估计单产、面积与总产."""
    settings = command_settings(data)
    faults = 0
    try:
        from api.yields_job import YieldJob, default_day, make_estimates, today
        from ingest.archive import Archive
        from models.features import CROPS

        archive = Archive(settings.archive)
        with _store(data) as store, Stages() as stages:
            given = [one.date() for one in as_of or ()]
            days = sorted(given) or [default_day(store, year=year, now=today())]
            for day in days:
                job = YieldJob(
                    year=year,
                    as_of=day,
                    crops=[one.value for one in crop] if crop else CROPS,
                    grid=grid,
                    collection=collection,
                    history=history,
                )
                result = make_estimates(store, archive, job, stages, now=today())
                faults += len(result.faults)
                _tell(store, day, result)
    except KeyboardInterrupt:
        typer.echo("已停止，重新运行即可继续 · stopped; run again to go on", err=True)
        raise typer.Exit(130) from None
    if faults:
        raise typer.Exit(1)


def _tell(store: "Store", day: date, result: "YieldResult") -> None:
    from store import estimates

    with store.connection() as conn:
        rows = estimates.of_run(conn, result.yields.run_id)
    given = sum(row.value is not None for row in rows)
    new = "new 新发布" if result.yields.new else "nothing new 无变化"
    typer.echo(
        f"{day}: {given} yields 单产, {len(rows) - given} missing 缺,"
        f" {len(result.seasons)} seasons 生长季, run 运行 {result.yields.run_id}: {new}"
    )
    if result.final is not None and result.final.new:
        typer.echo(f"final from statistics · 已发布最终统计: {result.final.run_id}")


def _choosing(
    command: "Callable[..., None]",
) -> "Callable[..., None]":
    """Give a command the options of `_found`, and what they find as its `rows`."""

    @wraps(command)
    def run(**given: Any) -> None:  # noqa: ANN401
        asked = {name: given.pop(name) for name in options}
        command(rows=_found(**asked), **given)

    options = signature(_found).parameters
    own = [one for one in signature(command).parameters.values() if one.name != "rows"]
    every = [
        one.replace(kind=Parameter.KEYWORD_ONLY) for one in (*own, *options.values())
    ]
    # typer reads both; the annotations of the wrapped command lack the options.
    run.__annotations__ = {one.name: one.annotation for one in every}
    vars(run)["__signature__"] = signature(run).replace(parameters=every)
    return run


def _found(
    *,
    year: SomeYear = None,
    crop: SomeCrop = None,
    county: SomeCounty = None,
    measure: TheMeasure = Measure.yield_,
    level: TheLevel = Level.county,
    status: SomeStatus = None,
    as_of: KnownOn = None,
    data: Data = None,
) -> "list[schemas.Estimate]":
    from api.estimates_shown import shown
    from store import estimates

    with _store(data) as store:
        names = _names(store)
        region = None if county is None else _region(names, county, year=year)
        with store.connection() as conn:
            rows: list[Estimate] = estimates.find(
                conn,
                crop=crop,
                year=year,
                county=None if region is None else region.code,
                measure=measure.value,
                level=level.value if region is None else None,
                status=None if status is None else status.value,
                as_of=None if as_of is None else as_of.date(),
            )
            return shown(conn, rows, names)


@yields_app.command("list")
@_choosing
def list_estimates(rows: "list[schemas.Estimate]") -> None:
    """List the estimates that count · 列出当前估计."""
    from rich.table import Table

    from api.tables import print_table

    table = Table(
        "county 县",
        "crop 作物",
        "year 年",
        "value 估计",
        "interval 区间",
        "trend 趋势",
        "5-year mean 五年均值",
        "status 状态",
        "as of 截至",
        "note 说明",
    )
    for row in rows:
        table.add_row(
            f"{row.county} {row.name_zh}",
            row.crop,
            str(row.year),
            _number(row.value, row.unit),
            _interval(row),
            _number(row.trend),
            _number(row.mean5),
            _status(row),
            "" if row.as_of is None else f"{row.as_of}",
            row.reason or row.source or "",
        )
    print_table(table)
    typer.echo(f"{len(rows)} estimates · 条估计", err=True)


@yields_app.command()
def history(
    county: Annotated[str, typer.Argument(help="Code or Chinese name · 县代码或县名")],
    crop: Annotated[Crop, typer.Option(help="Crop · 作物")],
    year: Year,
    measure: TheMeasure = Measure.yield_,
    data: Data = None,
) -> None:
    """Tell every issue of an estimate and what changed · 历次发布及其变化."""
    from rich.table import Table

    from api.errors import EstimatesMissing
    from api.estimates_history import steps
    from api.estimates_shown import shown
    from api.tables import print_table
    from store import estimates

    with _store(data) as store:
        names = _names(store)
        region = _region(names, county, year=year)
        with store.connection() as conn:
            found = estimates.history(
                conn,
                counties=(region.code, *region.former),
                crop=crop,
                year=year,
                measure=measure,
            )
            told = steps(conn, found)
            rows = shown(conn, [one.estimate for one in found], names)
    if not rows:
        raise EstimatesMissing(
            f"{region.name_en}: no {measure} of {crop} in {year} was ever issued; make"
            f" estimates with heitu yields estimate --year {year}"
            f" · {region.name_zh}：没有{year}年的估计，请先运行 heitu yields estimate"
        )
    table = Table(
        "issued 发布",
        "as of 截至",
        "status 状态",
        "value 估计",
        "interval 区间",
        "why 变化",
        "run 运行",
    )
    for step, row in zip(told, rows, strict=True):
        table.add_row(
            f"{row.issued_at:%Y-%m-%d %H:%MZ}",
            "" if row.as_of is None else f"{row.as_of}",
            _status(row),
            _number(row.value, row.unit),
            _interval(row),
            "; ".join(f"{one.en} {one.zh}" for one in step.changes),
            row.run_id,
        )
    print_table(table)
    typer.echo(
        f"{region.name_zh} {region.name_en}: {len(rows)} issues · 次发布", err=True
    )


@yields_app.command()
@_choosing
def export(
    rows: "list[schemas.Estimate]",
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="CSV to write · 输出的 CSV 文件")
    ],
    lang: Annotated[Language, typer.Option(help="Of the headers · 表头语言")] = (
        Language.zh
    ),
) -> None:
    """Write estimates as a table with Chinese or English headers · 导出估计表."""
    from api.csv_table import headed_csv

    out.write_bytes(headed_csv(rows, lang=lang.value))
    typer.echo(f"{out}: {len(rows)} estimates · 条估计", err=True)


def _names(store: "Store") -> "CountyTable":
    from api.county_table import CountyTable
    from api.platform import load_counties

    load_counties(store)
    return CountyTable(store)


def _region(names: "CountyTable", text: str, *, year: int | None) -> "Region":
    """Return the region of a code, present or former, or of a Chinese name."""
    from api.yields_job import today
    from ingest.county_codes import NoCounty, find_county

    if text.isdecimal():
        return names.region(text)
    found = find_county(text, year=year or today().year)
    if isinstance(found, NoCounty):
        raise typer.BadParameter(f"{text!r}: {found.reason}")
    return names.region(found.code)


def _number(value: float | None, unit: str = "") -> str:
    return "" if value is None else f"{value:,.10g} {unit}".strip()


def _interval(row: "schemas.Estimate") -> str:
    if row.lower is None or row.upper is None or row.interval is None:
        return ""
    return f"{row.lower:,.10g} – {row.upper:,.10g} ({row.interval:.0%})"


_STATUS_ZH = {
    "forecast": "预测",
    "provisional": "暂定",
    "final": "最终",
    "missing": "缺",
}


def _status(row: "schemas.Estimate") -> str:
    marked = " 模拟 simulated" if row.simulated else ""
    return f"{row.status} {_STATUS_ZH[row.status]}{marked}"


@contextmanager
def _store(data: Path | None) -> "Iterator[Store]":
    from store import open_store

    settings = command_settings(data)
    with open_store(data=settings.data, url=settings.url) as store:
        yield store
