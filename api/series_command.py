"""`heitu series`: the stored readings seen to by hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.options import Data
from api.settings import command_settings

if TYPE_CHECKING:
    import psycopg

__all__ = ["series_app"]

series_app = typer.Typer(help="See to the stored readings · 维护已存读数")

Days = Annotated[
    int, typer.Option("--days", min=1, help="Older than so many days · 早于多少天")
]


@series_app.command()
def status(data: Data = None) -> None:
    """Show engine, size, and what is to be done · 查看引擎、规模与待办."""
    from rich.console import Console
    from rich.table import Table

    from store import series

    with _connection(data) as conn:
        found = series.status(conn)
    can = found.capabilities
    table = Table("", "series · 时序")
    table.add_row("engine 引擎", f"{can.engine} {can.version}")
    table.add_row("licence 许可", can.licence or "-")
    table.add_row("compression 压缩", _yes(can.compression))
    table.add_row("continuous aggregates 连续聚合", _yes(can.continuous_aggregates))
    table.add_row("readings 读数 (estimate 估计)", f"{found.readings:,}")
    table.add_row("size 大小", f"{found.size_bytes / 1e6:,.1f} MB")
    table.add_row("weeks 周分区", str(found.weeks))
    table.add_row("hours to refresh 待汇总小时", str(found.marked_hours))
    kept = "-" if found.kept_from is None else f"{found.kept_from:%Y-%m-%d %H:%MZ}"
    table.add_row("kept from 保留起点", kept)
    Console().print(table)


@series_app.command()
def refresh(data: Data = None) -> None:
    """Bring the hourly values up to date now · 立即更新小时汇总."""
    from store import series

    with _connection(data) as conn:
        hours = series.refresh(conn)
        series.refresh_hints(conn)
    typer.echo(f"{hours} hours brought up to date · 已更新 {hours} 个小时")


@series_app.command()
def retain(
    days: Days,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask · 不再询问")] = False,
    data: Data = None,
) -> None:
    """Drop old readings week by week; hourly values stay · 删除旧读数，保留小时值."""
    from store import series

    if not yes:
        typer.confirm(
            f"Drop all readings older than {days} days?"
            f" · 删除 {days} 天以前的全部读数？",
            abort=True,
        )
    with _connection(data) as conn:
        dropped = series.apply_retention(conn, timedelta(days=days))
    typer.echo(f"weeks dropped: {dropped} · 已删除周分区：{dropped}")


@series_app.command()
def compress(days: Days = 30, data: Data = None) -> None:
    """Compress old readings, where the engine can · 压缩旧读数."""
    from store import series

    with _connection(data) as conn:
        done = series.compress(conn, timedelta(days=days))
        possible = series.capabilities(conn).compression
    if not possible:
        typer.echo(
            "nothing compressed: that takes TimescaleDB under its own licence (TSL);"
            " `heitu series status` shows the engine"
            " · 未压缩：需要 TSL 许可的 TimescaleDB"
        )
        return
    typer.echo(f"weeks compressed: {done} · 已压缩周分区：{done}")


@series_app.command()
def migrate(data: Data = None) -> None:
    """Move the readings into TimescaleDB, in place · 将读数迁移到 TimescaleDB."""
    from store import series

    with _connection(data) as conn:
        moved = series.migrate(conn)
    can = moved.capabilities
    typer.echo(
        f"{moved.readings:,} readings moved; TimescaleDB {can.version},"
        f" licence {can.licence} · 已迁移 {moved.readings:,} 条读数"
    )


@contextmanager
def _connection(data: Path | None) -> "Iterator[psycopg.Connection]":
    from store import open_store

    settings = command_settings(data)
    with (
        open_store(data=settings.data, url=settings.url) as store,
        store.connection() as conn,
    ):
        yield conn


def _yes(value: bool) -> str:
    return "yes 有" if value else "no 无"
