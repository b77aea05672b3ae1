"""`heitu ingest fields | points | segments | cuts | monitor`: ground truth from files.

A plan comes first: what was understood of the file and what becomes of its rows. Then
it is stored, in one transaction. Exit code 1 when a row was not taken.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.ingest_ground_options import (
    Basis,
    Columns,
    Crop,
    Crs,
    Encoding,
    Gcj02,
    LayerName,
    Parcels,
    Simulated,
    Swath,
    Units,
    Year,
)
from api.ingest_ground_report import (
    Outcome,
    check_report,
    tell_fates,
    tell_kept,
    tell_problems,
    write_report,
)
from api.options import Data
from api.settings import command_settings

if TYPE_CHECKING:
    import psycopg

    from ingest.ground.fates import Intake
    from ingest.ground.places import Places
    from ingest.ground.vector import Layer
    from store.ground import Dataset

__all__ = ["cuts", "fields", "monitor", "points", "segments"]

File = Annotated[Path, typer.Argument(help="GeoJSON, .shp, .zip, KML … · 数据文件")]
Anywhere = Annotated[
    bool,
    typer.Option("--anywhere", help="Take places outside the province · 允许省外"),
]
Licence = Annotated[
    str | None, typer.Option(help="E.g. CC BY-SA 4.0; kept with the data · 许可")
]
Attribution = Annotated[
    str | None, typer.Option(help="Credit, kept with the data · 署名")
]
Replace = Annotated[
    bool,
    typer.Option("--replace", help="Take out an earlier import of it · 替换上次导入"),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only say what would happen · 只预演")
]
Report = Annotated[
    Path | None,
    typer.Option(metavar="OUT.csv", help="Each row not stored, and why · 清单"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """What is the same for every kind of file."""

    kind: str
    layer: "Layer"
    licence: str | None
    attribution: str | None
    simulated: bool
    replace: bool
    dry_run: bool
    report: Path | None
    data: Path | None
    parameters: dict[str, Any]


Take = Callable[["psycopg.Connection", "Places"], Outcome]
Put = Callable[["psycopg.Connection", Sequence[Any], str], None]


def fields(
    file: File,
    year: Year = None,
    crop: Crop = None,
    layer: LayerName = None,
    crs: Crs = None,
    gcj02: Gcj02 = False,
    encoding: Encoding = None,
    columns: Columns = None,
    licence: Licence = None,
    attribution: Attribution = None,
    simulated: Simulated = False,
    replace: Replace = False,
    dry_run: DryRun = False,
    report: Report = None,
    data: Data = None,
) -> None:
    """Bring in fields: polygons with id, crop and year · 导入地块."""
    from ingest.ground.fields import take_fields
    from store import fields as stored

    job = _job("fields", **locals())

    def take(conn: "psycopg.Connection", places: "Places") -> Outcome:
        intake = take_fields(
            job.layer,
            places,
            year=year,
            crop=crop,
            known=stored.find(conn),
            simulated=simulated,
        )
        return [(job.layer, intake)]

    _run(job, take, lambda conn, rows, name: stored.put(conn, rows, dataset_id=name))


def points(
    file: File,
    year: Year = None,
    anywhere: Anywhere = False,
    layer: LayerName = None,
    crs: Crs = None,
    gcj02: Gcj02 = False,
    encoding: Encoding = None,
    columns: Columns = None,
    licence: Licence = None,
    attribution: Attribution = None,
    simulated: Simulated = False,
    replace: Replace = False,
    dry_run: DryRun = False,
    report: Report = None,
    data: Data = None,
) -> None:
    """Bring in crop points: places labelled crop or non-crop · 导入作物样点."""
    from ingest.ground.points import take_points
    from store import ground

    job = _job("points", **locals())

    def take(conn: "psycopg.Connection", places: "Places") -> Outcome:
        known = ground.find(conn, ground.POINTS, bounds=_bounds(job.layer))
        intake = take_points(
            job.layer, places, year=year, known=known, simulated=simulated
        )
        return [(job.layer, intake)]

    def put(conn: "psycopg.Connection", rows: Sequence[Any], name: str) -> None:
        ground.put(conn, ground.POINTS, rows, dataset_id=name)

    _run(job, take, put, anywhere=anywhere)


def segments(
    file: File,
    parcels: Parcels = None,
    year: Year = None,
    anywhere: Anywhere = False,
    layer: LayerName = None,
    crs: Crs = None,
    gcj02: Gcj02 = False,
    encoding: Encoding = None,
    columns: Columns = None,
    units: Units = None,
    licence: Licence = None,
    attribution: Attribution = None,
    simulated: Simulated = False,
    replace: Replace = False,
    dry_run: DryRun = False,
    report: Report = None,
    data: Data = None,
) -> None:
    """Bring in segments of an area frame, at least 1 x 1 km · 导入面积抽样样方."""
    from ingest.ground.segments import take_segments
    from ingest.ground.vector import read_layer
    from store import ground

    job = _job("segments", **locals())
    inner = (
        None
        if parcels is None
        else read_layer(parcels, crs=crs, gcj02=gcj02, encoding=encoding)
    )
    if inner is not None:
        job.parameters["parcels"] = inner.checksum

    def take(conn: "psycopg.Connection", places: "Places") -> Outcome:
        found = take_segments(
            job.layer,
            places,
            parcels=inner,
            year=year,
            units=_units(units),
            known=ground.find(conn, ground.SEGMENTS),
            simulated=simulated,
        )
        outcome: list[tuple[Layer, Intake[Any]]] = [(job.layer, found.segments)]
        if inner is not None and found.parcels is not None:
            outcome.append((inner, found.parcels))
        return outcome

    def put(conn: "psycopg.Connection", rows: Sequence[Any], name: str) -> None:
        ground.put(conn, ground.SEGMENTS, rows, dataset_id=name)

    _run(job, take, put, anywhere=anywhere)


def cuts(
    file: File,
    year: Year = None,
    crop: Crop = None,
    basis: Basis = 14.0,
    anywhere: Anywhere = False,
    layer: LayerName = None,
    crs: Crs = None,
    gcj02: Gcj02 = False,
    encoding: Encoding = None,
    columns: Columns = None,
    units: Units = None,
    licence: Licence = None,
    attribution: Attribution = None,
    simulated: Simulated = False,
    replace: Replace = False,
    dry_run: DryRun = False,
    report: Report = None,
    data: Data = None,
) -> None:
    """Bring in crop cuts: plots harvested and weighed · 导入测产样点."""
    from ingest.ground.cuts import take_cuts
    from store import ground

    job = _job("cuts", **locals())

    def take(conn: "psycopg.Connection", places: "Places") -> Outcome:
        intake = take_cuts(
            job.layer,
            places,
            year=year,
            crop=crop,
            basis=basis,
            units=_units(units),
            known=ground.find(conn, ground.CUTS),
            simulated=simulated,
        )
        return [(job.layer, intake)]

    def put(conn: "psycopg.Connection", rows: Sequence[Any], name: str) -> None:
        ground.put(conn, ground.CUTS, rows, dataset_id=name)

    _run(job, take, put, anywhere=anywhere)


def monitor(
    file: File,
    year: Year = None,
    crop: Crop = None,
    swath: Swath = None,
    basis: Basis = 14.0,
    anywhere: Anywhere = False,
    layer: LayerName = None,
    crs: Crs = None,
    gcj02: Gcj02 = False,
    encoding: Encoding = None,
    columns: Columns = None,
    units: Units = None,
    licence: Licence = None,
    attribution: Attribution = None,
    simulated: Simulated = False,
    replace: Replace = False,
    dry_run: DryRun = False,
    report: Report = None,
    data: Data = None,
) -> None:
    """Bring in the points of a combine's yield monitor · 导入收割机测产数据."""
    from ingest.ground.monitor import length_m, take_monitor
    from store import ground

    job = _job("monitor", **locals())

    def take(conn: "psycopg.Connection", places: "Places") -> Outcome:
        intake = take_monitor(
            job.layer,
            places,
            year=year,
            crop=crop,
            swath_m=None if swath is None else length_m(swath),
            basis=basis,
            units=_units(units),
            known=ground.find(conn, ground.MONITOR, bounds=_bounds(job.layer)),
            simulated=simulated,
        )
        return [(job.layer, intake)]

    def put(conn: "psycopg.Connection", rows: Sequence[Any], name: str) -> None:
        ground.put(conn, ground.MONITOR, rows, dataset_id=name)

    _run(job, take, put, anywhere=anywhere)


# What changes the rows a file gives; a second import with others is no repetition.
_SETTINGS = (
    *("year", "crop", "crs", "gcj02", "encoding", "columns", "units"),
    *("swath", "basis", "anywhere", "simulated"),
)


def _job(kind: str, **given: Any) -> _Job:  # noqa: ANN401
    from ingest.ground.headers import pairs
    from ingest.ground.vector import read_layer

    layer = read_layer(
        given["file"],
        crs=given["crs"],
        gcj02=given["gcj02"],
        layer=given["layer"],
        encoding=given["encoding"],
        columns=pairs(given["columns"] or (), option="--columns"),
    )
    common = ("licence", "attribution", "simulated", "replace", "dry_run", "report")
    return _Job(
        kind=kind,
        layer=layer,
        data=given["data"],
        parameters={name: given[name] for name in _SETTINGS if given.get(name)},
        **{name: given[name] for name in common},
    )


def _run(job: _Job, take: Take, put: Put, *, anywhere: bool = False) -> None:
    from psycopg import Rollback

    from ingest.boundaries import jilin_counties
    from ingest.ground.places import Places
    from store import ground, open_store

    if job.report is not None:
        check_report(job.report)
    settings = command_settings(job.data)
    places = Places(jilin_counties(), anywhere=anywhere)
    with (
        open_store(data=settings.data, url=settings.url) as store,
        store.connection() as conn,
        # A dry run goes all the way, so that the database has its say too.
        conn.transaction(force_rollback=job.dry_run),
    ):
        ground.lock(conn)
        name = _identity(job)
        gone = _make_room(conn, job, name)
        outcome = take(conn, places)
        tell_fates(outcome)
        _tell_terms(job)
        _, main = outcome[0]
        if main.stored:
            ground.put_dataset(conn, _dataset(job, name))
            put(conn, main.records, name)
        if main.problems and len(main.stored) < gone:
            tell_kept(gone, len(main.stored))
            raise Rollback
    if job.report is not None:
        write_report(job.report, outcome)
    problems = tell_problems(outcome)
    if job.dry_run:
        typer.echo("dry run: nothing was stored · 预演，未入库")
    if problems:
        raise typer.Exit(1)


def _tell_terms(job: _Job) -> None:
    said = job.licence or "not stated 未注明"
    typer.echo(f"  licence 许可: {said}; attribution 署名: {job.attribution or '-'}")
    if job.simulated:
        typer.echo("  simulated 模拟数据")


def _identity(job: _Job) -> str:
    layer = job.layer
    text = "\n".join([job.kind, layer.checksum, layer.layer])
    return f"{job.kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _make_room(conn: "psycopg.Connection", job: _Job, name: str) -> int:
    """Take out an earlier import of the file, or refuse one with other settings.

    Returns how many rows go with it.
    """
    from ingest.ground.errors import DatasetExists
    from store import ground

    same = [one for one in ground.datasets(conn) if one.dataset_id == name]
    if same and job.replace:
        _keep_real(job, same[0])
        gone = ground.size(conn, name)
        ground.remove(conn, name)
        typer.echo(
            f"{gone} rows of the earlier import go, with what other files share of them"
            f" · 移除上次导入的 {gone} 行，包括与其他文件相同的行"
        )
        return gone
    if same and same[0].parameters != job.parameters:
        path = job.layer.path
        raise DatasetExists(
            f"{path} was imported on {same[0].imported_at:%Y-%m-%d} with the settings "
            f"{same[0].parameters}, now with {job.parameters}: both would count twice. "
            "Give --replace to take the earlier import out"
            f" · {path.name} 已用其他设置导入，重复导入会重复计数，"
            "请加 --replace 替换上次导入",
            path=path,
        )
    return 0


def _keep_real(job: _Job, earlier: "Dataset") -> None:
    from ingest.ground.errors import DatasetExists

    if job.simulated and not earlier.simulated:
        path = job.layer.path
        raise DatasetExists(
            f"{path} was imported on {earlier.imported_at:%Y-%m-%d} as real data, which"
            " simulated ones do not replace: leave --simulated out"
            f" · {path.name} 此前作为真实数据导入，不能替换为模拟数据，"
            "请去掉 --simulated",
            path=path,
        )


def _dataset(job: _Job, name: str) -> "Dataset":
    from store.ground import Dataset

    return Dataset(
        dataset_id=name,
        kind=job.kind,
        source=job.layer.path.name,
        layer=job.layer.layer,
        checksum=job.layer.checksum,
        parameters=job.parameters,
        licence=job.licence,
        attribution=job.attribution,
        converted_from=job.layer.converted_from,
        simulated=job.simulated,
        imported_at=datetime.now(UTC),
    )


def _bounds(layer: "Layer") -> tuple[float, float, float, float] | None:
    if not layer.features:
        return None
    boxes = [feature.geometry.bounds for feature in layer.features]
    west, south, east, north = zip(*boxes, strict=True)
    return min(west), min(south), max(east), max(north)


def _units(given: list[str] | None) -> dict[str, str]:
    from ingest.ground.headers import pairs

    return pairs(given or (), option="--units")
