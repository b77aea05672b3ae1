"""`heitu ingest scenes` and `folder`: satellite scenes into the archive."""

from datetime import datetime, timedelta, timezone
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated

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
    asked_place,
    asked_window,
    the_place,
)
from api.progress import Stages
from api.settings import Settings, command_settings, from_environment

if TYPE_CHECKING:
    from api.place import Place
    from ingest.archive import Archive
    from ingest.offer import Source, Wanted
    from ingest.plan import Plan
    from ingest.transfer import Outcome

__all__ = ["folder", "scenes"]

# Clouds are grown and grids are warped: a season reads a little over the edge.
MARGIN_DEGREES = 0.01
_SHOWN = 20
CHINA = timezone(timedelta(hours=8))

Bands = Annotated[
    str,
    typer.Option(metavar="A,B", help="Letters, e.g. R,N,S1, or all · 波段字母"),
]
Cloud = Annotated[
    float, typer.Option(min=0, max=100, help="Most cloud of a scene, % · 最大云量")
]
Whole = Annotated[
    bool, typer.Option("--whole", help="Whole scenes, not just the place · 整景")
]
PlanOnly = Annotated[
    bool, typer.Option("--plan", help="Say what would come, and stop · 只列出计划")
]
Workers = Annotated[int, typer.Option(min=1, max=32, help="Scenes at once · 并行数")]


def scenes(
    county: County = None,
    bbox: Box = None,
    field: Field = None,
    year: Year = None,
    start: Start = None,
    end: End = None,
    source: Annotated[
        str,
        typer.Option(
            help="earth-search, planetary-computer, copernicus, sentinel-hub · 数据源"
        ),
    ] = "earth-search",
    collection: Annotated[
        str | None, typer.Option(help="The source's name of it · 影像集")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Address of another such API · 接口地址")
    ] = None,
    bands: Bands = "R,N",
    cloud: Cloud = 100.0,
    whole: Whole = False,
    plan: PlanOnly = False,
    workers: Workers = 4,
    data: Data = None,
) -> None:
    """Bring the scenes of a place and time into the archive · 获取影像入档.

    Run again to go on; what is there is not fetched twice.
    """
    from api.imagery_settings import ImagerySettings
    from api.sources import source_named
    from ingest.http import Web

    stop = Event()
    place = the_place(county, bbox, field)
    opened = source_named(
        source,
        from_environment(ImagerySettings),
        url=url,
        collection=collection,
        web=Web(stop=stop),
    )
    _bring(
        opened,
        _wanted(place, year, start, end, cloud),
        command_settings(data),
        letters=_letters(bands),
        whole=whole,
        plan_only=plan,
        workers=workers,
        stop=stop,
        recorded=opened.collection,
    )


def folder(
    path: Annotated[Path, typer.Argument(help="Folder or product · 目录或产品")],
    county: County = None,
    bbox: Box = None,
    field: Field = None,
    start: Start = None,
    end: End = None,
    bands: Bands = "all",
    cloud: Cloud = 100.0,
    acquired: Annotated[
        datetime | None,
        typer.Option(help="Of a drone mosaic, China time · 无人机拍摄时间"),
    ] = None,
    plan: PlanOnly = False,
    workers: Workers = 2,
    data: Data = None,
) -> None:
    """Bring products that lie on this machine into the archive · 导入本地影像产品.

    Sentinel-2 L2A SAFE (folder or zip), Landsat Collection 2 Level 2, HLS v2,
    Sentinel-1 RTC, MODIS 13Q1, drone orthomosaics. Whole, or the part of a place.
    """
    from ingest.folders import FolderSource

    place = asked_place(county, bbox, field)
    wanted = _wanted(place or _everywhere(), None, start or _FIRST, end or _LAST, cloud)
    _bring(
        FolderSource(path, acquired=acquired and acquired.replace(tzinfo=CHINA)),
        wanted,
        command_settings(data),
        letters=_letters(bands),
        whole=place is None,
        plan_only=plan,
        workers=workers,
        stop=Event(),
    )


_FIRST, _LAST = datetime(1972, 1, 1), datetime(2999, 12, 31)  # noqa: DTZ001


def _everywhere() -> "Place":
    from api.place import place_in_box

    return place_in_box((-180, -90, 180, 90))


def _wanted(
    place: "Place",
    year: int | None,
    start: datetime | None,
    end: datetime | None,
    cloud: float,
) -> "Wanted":
    from ingest.offer import Wanted

    first, last = asked_window(year, start, end)
    # All bands are offered; the plan takes those that are wanted, and keeps others
    # that the archive has of the scene.
    return Wanted(place.geometry, first, last, max_cloud=cloud, bands=())


def _letters(text: str) -> tuple[str, ...]:
    if text.strip().lower() == "all":
        return ()
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _bring(
    source: "Source",
    wanted: "Wanted",
    settings: Settings,
    *,
    letters: tuple[str, ...],
    whole: bool,
    plan_only: bool,
    workers: int,
    stop: Event,
    recorded: str | None = None,
) -> None:
    """Search, plan, say it, fetch, say what came; exit 1 if anything is missing."""
    from ingest.archive import Archive
    from ingest.plan import make_plan
    from ingest.searches import record_search

    archive = Archive(settings.archive)
    try:
        found = source.search(wanted)
        if recorded:
            record_search(
                settings.searches,
                source.name,
                wanted,
                found,
                collection=recorded,
            )
        plan = make_plan(
            archive,
            source.name,
            found,
            clip=None if whole else _clip(wanted),
            letters=letters,
        )
        _show_plan(plan, found.notes)
        if plan_only:
            raise typer.Exit(1 if plan.refused else 0)
        outcome = _carry_out(
            plan, source, archive, settings, workers=workers, stop=stop
        )
    except KeyboardInterrupt:
        stop.set()
        typer.echo("已停止，重新运行即可继续 · stopped; run again to go on", err=True)
        raise typer.Exit(130) from None
    _show_outcome(plan, outcome)
    raise typer.Exit(1 if outcome.failures or plan.refused else 0)


def _carry_out(
    plan: "Plan",
    source: "Source",
    archive: "Archive",
    settings: Settings,
    *,
    workers: int,
    stop: Event,
) -> "Outcome":
    from ingest.transfer import Outcome, carry_out

    if not plan.to_come:
        return Outcome((), (), ())
    with Stages() as stages:
        outcome = carry_out(
            plan,
            source,
            archive,
            folder=settings.incoming,
            workers=workers,
            progress=stages.counter("Bands", "波段"),
            stop=stop,
        )
    archive.refresh_links(on_invalid=lambda exc: typer.echo(exc, err=True))
    return outcome


def _clip(wanted: "Wanted") -> tuple[float, float, float, float]:
    west, south, east, north = wanted.where.bounds
    margin = MARGIN_DEGREES
    return (
        max(west - margin, -180),
        max(south - margin, -90),
        min(east + margin, 180),
        min(north + margin, 90),
    )


def _show_plan(plan: "Plan", notes: tuple[str, ...]) -> None:
    table = Table("", "scenes 景数", title=f"{plan.source}: plan 计划")
    known = any(entry.bytes is not None for entry in plan.to_come)
    size = f" (about 约 {plan.bytes / 1e6:,.0f} MB)" if known else ""
    for label, count in (
        ("in the archive 已入档", len(plan.present)),
        (f"to come 待获取{size}", len(plan.to_come)),
        ("replaced by a newer processing 有更新版本", len(plan.superseded)),
        ("left out for their cloud 云量过大", len(plan.cloudy)),
        ("cannot be used 无法使用", len(plan.refused)),
    ):
        table.add_row(label, str(count))
    Console().print(table)
    for note in notes:
        typer.echo(note)
    _list([f"{one.item_id}: {one.reason}" for one in plan.refused])


def _show_outcome(plan: "Plan", outcome: "Outcome") -> None:
    if not plan.to_come and not plan.refused:
        typer.echo(_nothing_to_come(plan))
        return
    for failure in outcome.failures:
        typer.echo(f"{failure.item_id}: {failure.reason}", err=True)
    missing = len(outcome.failures) + len(plan.refused)
    if outcome.present:
        others = len(outcome.present)
        typer.echo(f"{others} scenes came by another run · {others} 景已由其他进程获取")
    typer.echo(
        f"{len(outcome.added)} scenes added, {missing} missing"
        f" · 新增 {len(outcome.added)} 景，缺 {missing} 景"
        + ("; run again to go on · 重新运行即可继续" if outcome.failures else "")
    )


def _nothing_to_come(plan: "Plan") -> str:
    if plan.present:
        return "nothing to come, the archive has it all · 无需获取，档案已齐全"
    if plan.cloudy:
        return (
            "nothing to come: every scene has more cloud than --cloud allows"
            " · 所有影像的云量都超过 --cloud 的上限"
        )
    return (
        "nothing there: the source has no scene of this place and time"
        " · 数据源没有该范围和时段的影像"
    )


def _list(lines: list[str]) -> None:
    for line in lines[:_SHOWN]:
        typer.echo(line, err=True)
    if len(lines) > _SHOWN:
        rest = len(lines) - _SHOWN
        typer.echo(f"… and {rest} more · 另有 {rest} 条", err=True)
