"""`heitu area design | assess | estimate`: areas from samples, not from pixels."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from api.area_options import (
    AllocationName,
    AsJson,
    Classes,
    CropName,
    Design,
    Distance,
    Edges,
    Expected,
    Folder,
    FrameFile,
    Interval,
    LastDay,
    Map,
    MaybeYear,
    MethodName,
    Minimum,
    NoCropOutside,
    OutFile,
    PointsFile,
    PointsWanted,
    Seed,
    SegmentsFile,
    SegmentsWanted,
    Side,
    Store,
    Variation,
    WantedError,
    Year,
    allocation_of,
    class_names,
    edges_of,
    method_of,
)
from api.ingest_ground_options import (
    Columns,
    Crs,
    Encoding,
    Gcj02,
    LayerName,
    Parcels,
    Simulated,
    Units,
    reading_options,
)
from api.options import Data
from api.progress import Stages
from api.settings import command_settings

if TYPE_CHECKING:
    from datetime import date

    import pandas as pd

    from api.area_design import Designed
    from api.area_map import ClassMap
    from api.area_store import Survey
    from models.area import AreaEstimate

__all__ = ["area_app"]

area_app = typer.Typer(
    help="Areas from samples, with standard errors · 抽样面积估计与精度评价"
)


@area_app.command("design")
def area_design(
    of: Map,
    year: Year,
    out: Folder,
    points: PointsWanted = None,
    se: WantedError = None,
    expected: Expected = 0.9,
    segments: SegmentsWanted = None,
    cv: Variation = None,
    crop: CropName = None,
    side: Side = 1000.0,
    edges: Edges = "0.15,0.5",
    allocation: AllocationName = None,
    minimum: Minimum = None,
    distance: Distance = 0.0,
    classes: Classes = None,
    seed: Seed = 1,
    simulated: Simulated = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Draw a sample and write it for phones · 设计抽样并输出手机文件."""
    _one_size(points, se, segments, cv)
    way = allocation_of(allocation)
    if points is not None or se is not None:
        draw = _points(
            points=points,
            se=se,
            expected=expected,
            minimum=minimum,
            distance_m=distance,
            allocation=way or "olofsson",
        )
    else:
        draw = _segments(
            segments=segments,
            cv=cv,
            crop=crop,
            side_m=side,
            edges=edges_of(edges),
            minimum=10 if minimum is None else minimum,
            allocation=way or "neyman",
        )
    found = _map(of, classes, simulated, data)
    with Stages() as stages, stages.stage("Drawing the sample", "抽取样本"):
        made = draw(found, out, year=year, seed=seed)
    _tell_design(made, simulated=found.simulated, as_json=as_json)


@area_app.command("assess")
def area_assess(
    of: Map,
    samples: PointsFile,
    design: Design = None,
    year: MaybeYear = None,
    classes: Classes = None,
    interval: Interval = 0.95,
    columns: Columns = None,
    crs: Crs = None,
    gcj02: Gcj02 = False,
    encoding: Encoding = None,
    layer: LayerName = None,
    simulated: Simulated = False,
    out: OutFile = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Assess a map by points, and estimate its areas · 评价分类图并估计面积."""
    from api.area_report import assessment_json, tell_assessment
    from api.area_samples import assessed

    found = _map(of, classes, simulated, data)
    options = reading_options(
        columns=columns, crs=crs, gcj02=gcj02, encoding=encoding, layer=layer
    )
    with Stages() as stages, stages.stage("Reading the map", "读取分类图"):
        done, notes = assessed(
            found, samples, design=design, options=options, interval=interval
        )
    tell_assessment(done, simulated=found.simulated, notes=notes)
    said = assessment_json(
        done,
        of={"name": found.name, "checksum": found.checksum},
        simulated=found.simulated,
        years=[] if year is None else [year],
        notes=notes,
    )
    _hand_over(said, out, as_json=as_json)


@area_app.command("estimate")
def area_estimate(
    frame: FrameFile,
    segments: SegmentsFile,
    parcels: Parcels = None,
    method: MethodName = "auto",
    year: MaybeYear = None,
    interval: Interval = 0.95,
    columns: Columns = None,
    units: Units = None,
    crs: Crs = None,
    gcj02: Gcj02 = False,
    encoding: Encoding = None,
    layer: LayerName = None,
    simulated: Simulated = False,
    store: Store = False,
    as_of: LastDay = None,
    no_crop_outside: NoCropOutside = False,
    out: OutFile = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Estimate crop areas from surveyed segments · 由样方估计作物面积."""
    from api.area_estimate import estimate_crops
    from api.area_report import estimates_json, tell_crops, tell_notes
    from api.area_samples import frame_simulated, read_frame, read_segments
    from ingest.ground.headers import pairs

    way, table = method_of(method), read_frame(frame)
    found = read_segments(
        segments,
        table,
        parcels=parcels,
        year=year,
        units=pairs(units or (), option="--units"),
        options=reading_options(
            columns=columns, crs=crs, gcj02=gcj02, encoding=encoding, layer=layer
        ),
    )
    # Saying so can only add the mark, never take it from data that carry it.
    made_up = simulated or found.simulated or frame_simulated(table, frame)
    done = estimate_crops(found.table, table, method=way, interval=interval)
    tell_crops(done, table, simulated=made_up)
    tell_notes(found.notes)
    said = estimates_json(
        done, table, sampled=len(found.table), simulated=made_up, notes=found.notes
    )
    if store:
        survey = _survey(
            {"frame": frame, "segments": segments, "parcels": parcels},
            year=int(found.table["year"].iloc[0]),
            last=None if as_of is None else as_of.date(),
            parameters={"method": way, "interval": interval},
            simulated=made_up,
        )
        said["run"] = _stored(
            survey, done, table, crops_outside=not no_crop_outside, data=data
        )
    _hand_over(said, out, as_json=as_json)


def _one_size(*sizes: float | None) -> None:
    if sum(size is not None for size in sizes) != 1:
        raise typer.BadParameter(
            "how many? Give one of --points, --se, --segments and --cv"
            " · 请在 --points、--se、--segments、--cv 中选择一个"
        )


def _points(**how: Any) -> Callable[..., "Designed"]:  # noqa: ANN401
    # Reading rasters is heavy: only a command that gets as far pays for it.
    from functools import partial

    from api.area_design import design_points

    return partial(design_points, **how)


def _segments(*, crop: str | None, **how: Any) -> Callable[..., "Designed"]:  # noqa: ANN401
    from functools import partial

    from api.area_design import design_segments
    from api.area_map import class_name

    name = None if crop is None else class_name(crop)
    return partial(design_segments, crop=name, **how)


def _tell_design(made: "Designed", *, simulated: bool, as_json: bool) -> None:
    from api.area_report import design_json, tell_design

    tell_design(made)
    _hand_over(design_json(made, simulated=simulated), None, as_json=as_json)


def _hand_over(said: Mapping[str, Any], out: Path | None, *, as_json: bool) -> None:
    """Write a result to a file and, on the last line, as JSON, as far as asked for."""
    from api.area_report import write_result

    if out is not None:
        write_result(out, said)
    if as_json:
        typer.echo(json.dumps(said, ensure_ascii=False))


def _map(
    of: str, classes: list[str] | None, simulated: bool, data: Path | None
) -> "ClassMap":
    from api.area_map import find_map

    archive = command_settings(data).archive
    names = class_names(classes)
    return find_map(of, names=names, archive=archive, simulated=simulated)


def _survey(
    files: Mapping[str, Path | None],
    *,
    year: int,
    last: "date | None",
    parameters: Mapping[str, Any],
    simulated: bool,
) -> "Survey":
    from api.area_store import Survey, last_day
    from api.yields_job import today

    return Survey(
        year=year,
        # The day in Jilin, not that of the machine: a season ends by it.
        as_of=last_day(year, given=last, now=today()),
        files={name: path for name, path in files.items() if path is not None},
        parameters=parameters,
        simulated=simulated,
    )


def _stored(
    survey: "Survey",
    done: "list[AreaEstimate]",
    frame: "pd.DataFrame",
    *,
    crops_outside: bool,
    data: Path | None,
) -> str:
    from api.area_report import tell_stored
    from api.area_store import store_areas
    from store import open_store

    settings = command_settings(data)
    with open_store(data=settings.data, url=settings.url) as store:
        issued, rows = store_areas(
            store, survey, done, frame, crops_outside=crops_outside
        )
    tell_stored(issued, rows, as_of=survey.as_of)
    return issued.run_id
