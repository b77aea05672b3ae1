"""`heitu area design | assess | estimate`: areas from samples, not from pixels."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from api.options import Data
from api.progress import Stages
from api.settings import command_settings

if TYPE_CHECKING:
    import pandas as pd

    from api.area_map import ClassMap
    from models.area import AreaEstimate
    from models.area.sample_size import Allocation
    from models.area.segments import Method

__all__ = ["area_app"]

area_app = typer.Typer(
    help="Areas from samples, with standard errors · 抽样面积估计与精度评价"
)

Map = Annotated[
    str, typer.Argument(help="GeoTIFF of classes, or a product's id · 分类图")
]
Classes = Annotated[
    list[str] | None,
    typer.Option(metavar="0=non-crop,1=玉米", help="What codes mean · 类别名称"),
]
Simulated = Annotated[
    bool, typer.Option("--simulated", help="The data are made up · 模拟数据")
]
Interval = Annotated[
    float, typer.Option(min=0.5, max=0.999, help="Nominal coverage · 置信水平")
]
OutFile = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help=".json or .csv · 结果文件")
]
AsJson = Annotated[
    bool, typer.Option("--json", help="One JSON object on the last line · 输出 JSON")
]
Year = Annotated[int, typer.Option(min=1950, max=2100, help="Of the season · 年份")]
MaybeYear = Annotated[
    int | None, typer.Option("--year", min=1950, max=2100, help="Of the season · 年份")
]
Gcj02 = Annotated[
    bool, typer.Option("--gcj02", help="Samples are GCJ-02 · 样本为火星坐标")
]
Columns = Annotated[
    list[str] | None,
    typer.Option(metavar="A=X,B=Y", help="Columns spelled otherwise · 列名对应"),
]
Crs = Annotated[
    str | None, typer.Option(help="CRS of samples that say none · 样本坐标系")
]
LayerName = Annotated[
    str | None, typer.Option("--layer", help="One of several layers · 图层")
]
Encoding = Annotated[str | None, typer.Option(help="UTF-8 or GBK · 文字编码")]


@area_app.command("design")
def area_design(
    of: Map,
    year: Year,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="To write to · 输出目录")],
    points: Annotated[
        int | None, typer.Option(min=2, help="So many points · 样点数")
    ] = None,
    se: Annotated[
        float | None,
        typer.Option(help="Points for this error of the accuracy, 0.02 · 精度标准误"),
    ] = None,
    expected: Annotated[
        float, typer.Option(min=0.5, max=0.99, help="Accuracy expected · 预期精度")
    ] = 0.9,
    segments: Annotated[
        int | None, typer.Option(min=2, help="So many segments · 样方数")
    ] = None,
    cv: Annotated[
        float | None,
        typer.Option(help="Segments for this CV of the area, 0.05 · 面积变异系数"),
    ] = None,
    crop: Annotated[
        str | None, typer.Option(help="Crop to be exact about · 目标作物")
    ] = None,
    side: Annotated[
        float, typer.Option(min=100, help="Of a segment, metres · 样方边长，米")
    ] = 1000.0,
    edges: Annotated[
        str, typer.Option(metavar="A,B", help="Crop shares between strata · 分层界限")
    ] = "0.15,0.5",
    allocation: Annotated[
        str | None,
        typer.Option(
            metavar="olofsson|proportional|neyman|equal", help="To strata · 分配方法"
        ),
    ] = None,
    minimum: Annotated[
        int | None, typer.Option(min=0, help="Of each stratum · 每层最少样本数")
    ] = None,
    distance: Annotated[
        float, typer.Option(min=0, help="Between points, metres · 样点最小间距，米")
    ] = 0.0,
    classes: Classes = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the drawing · 随机种子")] = 1,
    simulated: Simulated = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Draw a sample and write it for phones · 设计抽样并输出手机文件."""
    from api.area_design import design_points, design_segments
    from api.area_map import class_name
    from api.area_report import tell_design

    asked = [value for value in (points, se, segments, cv) if value is not None]
    if len(asked) != 1:
        raise typer.BadParameter(
            "how many? Give one of --points, --se, --segments and --cv"
            " · 请在 --points、--se、--segments、--cv 中选择一个"
        )
    way = _allocation(allocation)
    found = _map(of, classes, simulated, data)
    with Stages() as stages, stages.stage("Drawing the sample", "抽取样本"):
        if points is not None or se is not None:
            made = design_points(
                found,
                out,
                year=year,
                seed=seed,
                points=points,
                se=se,
                expected=expected,
                allocation=way or "olofsson",
                minimum=minimum,
                distance_m=distance,
            )
        else:
            made = design_segments(
                found,
                out,
                year=year,
                seed=seed,
                segments=segments,
                cv=cv,
                crop=None if crop is None else class_name(crop),
                side_m=side,
                edges=_edges(edges),
                allocation=way or "neyman",
                minimum=10 if minimum is None else minimum,
            )
    tell_design(made)
    if as_json:
        said = {
            "kind": made.kind,
            "samples": made.samples,
            "strata": made.strata,
            "files": [str(path) for path in made.files],
            "simulated": found.simulated,
        }
        typer.echo(json.dumps(said, ensure_ascii=False))


@area_app.command("assess")
def area_assess(
    of: Map,
    samples: Annotated[Path, typer.Argument(help="Points with labels · 样点文件")],
    design: Annotated[
        Path | None,
        typer.Option(metavar="design.json", help="They were drawn by · 抽样设计文件"),
    ] = None,
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
    from api.area_report import assessment_json, tell_assessment, write_result
    from api.area_samples import assessed

    found = _map(of, classes, simulated, data)
    options = _options(columns, crs, gcj02, encoding, layer)
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
    if out is not None:
        write_result(out, said)
    if as_json:
        typer.echo(json.dumps(said, ensure_ascii=False))


@area_app.command("estimate")
def area_estimate(
    frame: Annotated[Path, typer.Argument(help="frame.csv of a design · 抽样框")],
    segments: Annotated[Path, typer.Argument(help="As surveyed · 样方调查文件")],
    parcels: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Crop polygons in them · 样方内地块"),
    ] = None,
    method: Annotated[
        str,
        typer.Option(metavar="auto|regression|ratio|direct", help="估计方法"),
    ] = "auto",
    year: MaybeYear = None,
    interval: Interval = 0.95,
    columns: Columns = None,
    units: Annotated[
        list[str] | None,
        typer.Option(metavar="A=U,B=V", help="Units not in the headers · 列的单位"),
    ] = None,
    crs: Crs = None,
    gcj02: Gcj02 = False,
    encoding: Encoding = None,
    layer: LayerName = None,
    simulated: Simulated = False,
    out: OutFile = None,
    as_json: AsJson = False,
) -> None:
    """Estimate crop areas from surveyed segments · 由样方估计作物面积."""
    from api.area_estimate import estimate_crops
    from api.area_report import estimate_json, tell_notes, write_result
    from api.area_samples import read_frame, read_segments
    from ingest.ground.headers import pairs

    if method not in ("auto", "regression", "ratio", "direct"):
        raise typer.BadParameter(
            f"--method {method}: auto, regression, ratio or direct"
            f" · --method {method} 无效"
        )
    table = read_frame(frame)
    found = read_segments(
        segments,
        table,
        parcels=parcels,
        year=year,
        units=pairs(units or (), option="--units"),
        options=_options(columns, crs, gcj02, encoding, layer),
    )
    done = estimate_crops(
        found.table, table, method=cast("Method", method), interval=interval
    )
    _tell_crops(done, table, simulated=simulated)
    tell_notes(found.notes)
    areas = [
        estimate_json(one, mapped_ha=_mapped(table, one), simulated=simulated)
        for one in done
    ]
    said: dict[str, Any] = {
        "kind": "estimate",
        "simulated": simulated,
        "interval": interval,
        "segments": len(found.table),
        "frame_segments": len(table),
        "areas": areas,
        "notes": [str(note) for note in found.notes],
    }
    if out is not None:
        write_result(out, said)
    if as_json:
        typer.echo(json.dumps(said, ensure_ascii=False))


def _tell_crops(
    done: "list[AreaEstimate]", frame: "pd.DataFrame", *, simulated: bool
) -> None:
    from api.area_report import tell_estimates
    from ingest.county_names import COUNTY_NAMES

    whole = [one for one in done if not one.domain]
    mapped = {one.name: _mapped(frame, one) or 0.0 for one in whole}
    tell_estimates(whole, mapped=mapped, simulated=simulated)
    names = {code: f"{code} {name[0]}" for code, name in COUNTY_NAMES.items()}
    for crop in dict.fromkeys(one.name for one in done if one.domain):
        typer.echo(f"{crop}: counties 各县")
        ours = [one for one in done if one.domain and one.name == crop]
        pixels = {one.domain: _mapped(frame, one) or 0.0 for one in ours}
        tell_estimates(ours, mapped=pixels, simulated=simulated, names=names)


def _mapped(frame: "pd.DataFrame", one: "AreaEstimate") -> float | None:
    column = f"{one.name}_map_ha"
    if column not in frame:
        return None
    rows = frame if not one.domain else frame.loc[frame["county"] == one.domain]
    return float(rows[column].sum())


def _map(
    of: str, classes: list[str] | None, simulated: bool, data: Path | None
) -> "ClassMap":
    from api.area_map import find_map

    archive = command_settings(data).archive
    return find_map(of, names=_names(classes), archive=archive, simulated=simulated)


def _names(classes: list[str] | None) -> dict[int, str]:
    from ingest.ground.headers import pairs

    found = pairs(classes or (), option="--classes")
    wrong = [code for code in found if not code.isdecimal()]
    if wrong:
        raise typer.BadParameter(
            f"--classes {wrong[0]}: write codes before names, as 1=maize"
            f" · --classes 应写作 代码=名称，例如 1=玉米"
        )
    return {int(code): name for code, name in found.items()}


def _options(
    columns: list[str] | None,
    crs: str | None,
    gcj02: bool,
    encoding: str | None,
    layer: str | None,
) -> dict[str, Any]:
    from ingest.ground.headers import pairs

    return {
        "columns": pairs(columns or (), option="--columns"),
        "crs": crs,
        "gcj02": gcj02,
        "encoding": encoding,
        "layer": layer,
    }


def _allocation(said: str | None) -> "Allocation | None":
    if said in (None, "olofsson", "proportional", "neyman", "equal"):
        return cast("Allocation | None", said)
    raise typer.BadParameter(
        f"--allocation {said}: olofsson, proportional, neyman or equal"
        f" · --allocation {said} 无效"
    )


def _edges(said: str) -> tuple[float, ...]:
    try:
        edges = tuple(float(part) for part in said.split(",") if part.strip())
    except ValueError:
        edges = (1.0, 0.0)
    if list(edges) != sorted({*edges}) or not all(0 < edge < 1 for edge in edges):
        raise typer.BadParameter(
            f"--edges {said}: ascending shares between 0 and 1, as 0.15,0.5"
            f" · --edges 应为 0 到 1 之间递增的比例，例如 0.15,0.5"
        )
    return edges
