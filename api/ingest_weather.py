"""`heitu ingest weather`: daily weather of counties or fields into the store."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.options import Data, End, Start
from api.progress import Stages
from api.settings import command_settings

if TYPE_CHECKING:
    import pandas as pd

    from ingest.weather.importing import Account
    from ingest.weather.places import Places
    from ingest.weather.series import PlaceSeries
    from ingest.weather.sources import Kind
    from store import Store

__all__ = ["weather"]

# More lines than a person reads; the counts tell of all.
_SHOWN = 20

_NOTHING = "not one whole day in these files · 这些文件中没有完整的一天"

Paths = Annotated[
    list[Path] | None,
    typer.Argument(metavar="PATH…", help="NetCDF or JSON, or folders · 文件或目录"),
]
KindOption = Annotated[
    str | None,
    typer.Option(
        "--kind",
        metavar="agera5|era5-land|power",
        help="Only files of this kind · 只导入此类文件",
    ),
]
Fields = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Fields instead of counties · 地块文件"),
]
FieldKey = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Ids of the fields · 地块编号列")
]
Counties = Annotated[
    list[str] | None,
    typer.Option("--county", help="Code or name, again for more; all if left out · 县"),
]
Power = Annotated[
    bool, typer.Option("--power", help="Ask NASA POWER's server · 在线获取")
]
PowerUrl = Annotated[
    str | None, typer.Option(metavar="URL", help="Of another server · 服务器地址")
]
Complete = Annotated[
    float,
    typer.Option(
        min=0.01, max=1, help="Share of a place that must have data · 最低覆盖比例"
    ),
]
Replace = Annotated[
    bool,
    typer.Option(
        "--replace",
        help="Also where another source has more variables · 变量较少时也替换其他来源",
    ),
]


def weather(
    paths: Paths = None,
    kind: KindOption = None,
    fields: Fields = None,
    field_key: FieldKey = None,
    county: Counties = None,
    power: Power = False,
    power_url: PowerUrl = None,
    start: Start = None,
    end: End = None,
    complete: Complete = 0.99,
    replace: Replace = False,
    data: Data = None,
) -> None:
    """Bring in daily weather: AgERA5, ERA5-Land, NASA POWER · 导入逐日气象."""
    settings = command_settings(data)
    asked = _days(start, end)
    _check(paths, asked, power=power)
    try:
        from store import open_store

        # A wrong question is answered before a database is started.
        places = _places(county, fields, field_key)
        chosen = None if power else _chosen(paths or [], kind)
        with (
            open_store(data=settings.data, url=settings.url) as store,
            Stages() as stages,
        ):
            of_fields = fields is not None
            shelf = _Shelf(store, places, of_fields=of_fields, replace=replace)
            counter = stages.counter("Weather", "气象")
            if chosen is None:
                outcome = _from_server(shelf, asked, power_url, counter)
            else:
                outcome = _from_files(chosen, shelf, asked, complete, counter)
    except KeyboardInterrupt:
        typer.echo("已停止，重新运行即可继续 · stopped; run again to go on", err=True)
        raise typer.Exit(130) from None
    _report(outcome, left=shelf.left)
    if outcome.account.gaps or outcome.faults or shelf.left:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class _Days:
    """First and last day that are asked for, as far as somebody said."""

    start: date | None
    end: date | None


def _days(start: datetime | None, end: datetime | None) -> _Days:
    days = _Days(start and start.date(), end and end.date())
    if days.start and days.end and days.end < days.start:
        raise typer.BadParameter(
            f"--end {days.end} is before --start {days.start} · 结束日期早于起始日期"
        )
    return days


def _check(paths: list[Path] | None, asked: _Days, *, power: bool) -> None:
    if bool(paths) == power:
        raise typer.BadParameter(
            "give files or folders, or --power to ask the server"
            " · 请给出文件或目录，或用 --power 在线获取"
        )
    if power and not (asked.start and asked.end):
        raise typer.BadParameter(
            "--power needs --start and --end · --power 需要 --start 和 --end"
        )


def _places(
    counties: list[str] | None, fields: Path | None, key: str | None
) -> "Places":
    from ingest import boundaries
    from ingest.weather.places import fields_of, places_of_counties

    if fields is not None:
        return fields_of(fields, key=key)
    codes = {_county_code(text) for text in counties or []}
    every = boundaries.jilin_counties()
    return places_of_counties([one for one in every if not codes or one.code in codes])


def _county_code(text: str) -> str:
    """Present code of a county by a code or name of any year."""
    from ingest.county_codes import NoCounty, find_county

    code = text if text.isdecimal() else ""
    year = datetime.now(tz=UTC).year
    found = find_county("" if code else text, year=year, code=code)
    if isinstance(found, NoCounty):
        raise typer.BadParameter(f"--county {text}: {found.reason}")
    return found.code


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Files of one kind, and what is wrong with others."""

    kind: "Kind"
    files: list[Path]
    faults: list[str]


def _chosen(paths: Sequence[Path], kind: str | None) -> _Chosen:
    from ingest.weather.sources import KINDS, sort_files

    if kind is not None and kind not in KINDS:
        raise typer.BadParameter(
            f"--kind {kind}: give one of {', '.join(KINDS)} · 请选择其中一种"
        )
    found = sort_files(paths)
    for unknown in found.unknown:
        typer.echo(unknown, err=True)
    kinds = [name for name in KINDS if name in found.files and kind in (None, name)]
    if len(kinds) > 1:
        raise typer.BadParameter(
            f"these are files of {' and '.join(kinds)}: say with --kind which counts"
            " · 含多种数据源，请用 --kind 指定一种"
        )
    faults = [str(fault) for fault in found.faults]
    if not kinds:
        why = "; ".join(faults) or "no weather files there · 没有气象文件"
        raise typer.BadParameter(f"{', '.join(map(str, paths))}: {why}")
    return _Chosen(kinds[0], found.files[kinds[0]], faults)


class _Shelf:
    """The rows of some counties or fields in the store, by `place`."""

    def __init__(
        self, store: "Store", places: "Places", *, of_fields: bool, replace: bool
    ) -> None:
        self.places = places
        self.replace = replace
        self.left = 0
        """Rows that were not put, since those of another source have more."""
        self._store = store
        self._key = "field_id" if of_fields else "county"

    def put(self, rows: "pd.DataFrame") -> int:
        """Store rows of `ingest.weather.table.COLUMNS`; how many are new or changed."""
        from store import field_weather, weather

        put = field_weather.put if self._key == "field_id" else weather.put
        named = rows.rename(columns={"place": self._key})
        with self._store.connection() as conn:
            new = put(conn, named, replace=self.replace)
        first, last = rows["day"].min().date(), rows["day"].max().date()
        keys = ["place", "day", "source"]
        there = rows[keys].merge(self.find(first, last)[keys])
        self.left += len(rows) - len(there)
        return new

    def find(self, start: date, end: date) -> "pd.DataFrame":
        """Rows as they were put."""
        from store import field_weather, weather

        ids = self.places.ids
        with self._store.connection() as conn:
            if self._key == "field_id":
                found = field_weather.find(conn, start=start, end=end, fields=ids)
            else:
                every = weather.ALL_COLUMNS
                found = weather.find(
                    conn, start=start, end=end, counties=ids, columns=every
                )
        return found.rename(columns={self._key: "place"})


@dataclass(slots=True)
class _Outcome:
    """What came of an import, and what went wrong with files and requests."""

    account: "Account"
    faults: list[str] = field(default_factory=list)


def _from_files(
    chosen: _Chosen,
    shelf: _Shelf,
    asked: _Days,
    complete: float,
    counter: Callable[[int, int], None],
) -> _Outcome:
    from ingest.weather.importing import Account, bring_in, days_between
    from ingest.weather.sources import series_of

    series = series_of(chosen.kind, chosen.files, shelf.places, complete=complete)
    held = series.days()
    if not held:
        return _Outcome(Account(), [*chosen.faults, *map(str, series.faults), _NOTHING])
    days = days_between(asked.start or held[0], asked.end or held[-1])
    if not days:
        gap = (
            f"the files reach from {held[0]} to {held[-1]}, where no day was asked for"
            f" · 文件含 {held[0]} 至 {held[-1]}，不在所选日期内"
        )
        return _Outcome(Account(), [*chosen.faults, *map(str, series.faults), gap])
    _show_plan(series, shelf.places, days)
    _show_others(series.source, shelf, days)
    account = bring_in(series, days, shelf.put, progress=counter)
    return _Outcome(account, [*chosen.faults, *map(str, series.faults)])


def _from_server(
    shelf: _Shelf,
    asked: _Days,
    url: str | None,
    counter: Callable[[int, int], None],
) -> _Outcome:
    from ingest.http import Web
    from ingest.weather.from_power import ask_for, lacking
    from ingest.weather.importing import days_between
    from ingest.weather.power_api import BASE_URL

    assert asked.start is not None
    assert asked.end is not None
    days = days_between(asked.start, asked.end)
    stored = shelf.find(days[0], days[-1])
    wanted = lacking(stored, shelf.places, days)
    known = sum(len(days) - len(some) for some in wanted.values())
    typer.echo(
        f"NASA POWER: {len(wanted)} places · 地点, {len(days)} days · 天 "
        f"({asked.start} – {asked.end}), there already · 已有 {known}, "
        f"requests to come · 待请求 {sum(map(bool, wanted.values()))}"
    )
    _show_others("NASA POWER (LST)", shelf, days)
    account, faults = ask_for(
        wanted,
        shelf.places,
        shelf.put,
        web=Web(),
        base_url=url or BASE_URL,
        progress=counter,
    )
    account.known += known
    return _Outcome(account, faults)


def _show_plan(series: "PlaceSeries", places: "Places", days: Sequence[date]) -> None:
    from ingest.weather.table import NUMBERS

    there = series.variables()
    without = set(days).difference(series.days())
    uncovered = series.uncovered()
    typer.echo(
        f"{series.source}: {series.files()} files · 文件, {len(days)} days · 天 "
        f"({days[0]} – {days[-1]}), without data · 无数据 {len(without)}"
    )
    typer.echo(f"  variables · 变量: {' '.join(there)}")
    cut = ", ".join(map(str, series.cut_days()))
    if cut:
        typer.echo(f"  hours missing, left out · 缺小时，未采用: {cut}")
    absent = " ".join(name for name in NUMBERS if name not in there)
    if absent:
        typer.echo(f"  not in the files · 文件中没有: {absent}")
    typer.echo(
        f"  places · 地点: {len(places.ids)}, not covered · 未覆盖: {len(uncovered)}"
    )
    _list(f"  {place}: {why}" for place, why in uncovered.items())
    if series.faults:
        typer.echo(f"  files left out · 未采用的文件: {len(series.faults)}")


def _show_others(source: str, shelf: _Shelf, days: Sequence[date]) -> None:
    """Say which rows of others may be replaced, since sources are never mixed."""
    stored = shelf.find(days[0], days[-1])
    when = "" if shelf.replace else " unless more complete · 除非其变量更多"
    label = stored["source"].fillna("an unnamed source · 未注明来源")
    label = label.where(~stored["simulated"], "simulated · 模拟数据")
    for name, count in label[label != source].value_counts().items():
        typer.echo(f"  to be replaced · 将替换: {count} rows · 行, {name}{when}")


def _report(outcome: _Outcome, *, left: int) -> None:
    from ingest.weather.importing import gap_lines

    account = outcome.account
    typer.echo(
        f"new · 新增 {account.new}, there already · 已有 {account.known - left}, "
        f"missing or incomplete · 缺失或不完整 {len(account.gaps)} "
        "(days of places · 地点×天)"
    )
    if left:
        typer.echo(
            f"left as they were · 保持不变 {left}: another source has variables there "
            "that this one lacks; --replace replaces them"
            " · 另一来源在这些天的变量更多，可用 --replace 替换"
        )
    _list(
        f"{row.place} {row.day}: {row.why}: impossible, refused · 数值不可能，未导入"
        for row in account.impossible
    )
    _list(gap_lines(account.gaps))
    _list(outcome.faults, err=True)


def _list(lines: Iterable[str], *, err: bool = False) -> None:
    every = list(lines)
    for line in every[:_SHOWN]:
        typer.echo(line, err=err)
    if more := len(every[_SHOWN:]):
        typer.echo(f"… {more} more lines · 另有 {more} 行", err=err)
