"""Options of `heitu area`, each an annotated type, and what their words mean."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

if TYPE_CHECKING:
    from models.area.sample_size import Allocation
    from models.area.segments import Method

__all__ = [
    "AllocationName",
    "AsJson",
    "Classes",
    "CropName",
    "Design",
    "Distance",
    "Edges",
    "Expected",
    "Folder",
    "FrameFile",
    "Interval",
    "LastDay",
    "Map",
    "MaybeYear",
    "MethodName",
    "Minimum",
    "NoCropOutside",
    "OutFile",
    "PointsFile",
    "PointsWanted",
    "Seed",
    "SegmentsFile",
    "SegmentsWanted",
    "Side",
    "Store",
    "Variation",
    "WantedError",
    "Year",
    "allocation_of",
    "class_names",
    "edges_of",
    "method_of",
]

Map = Annotated[
    str, typer.Argument(help="GeoTIFF of classes, or a product's id · 分类图")
]
PointsFile = Annotated[
    Path, typer.Argument(metavar="SAMPLES", help="Points with labels · 样点文件")
]
FrameFile = Annotated[
    Path, typer.Argument(metavar="FRAME", help="frame.csv of a design · 抽样框")
]
SegmentsFile = Annotated[
    Path, typer.Argument(metavar="SEGMENTS", help="As surveyed · 样方调查文件")
]
Classes = Annotated[
    list[str] | None,
    typer.Option(metavar="0=non-crop,1=玉米", help="What codes mean · 类别名称"),
]
Interval = Annotated[
    float, typer.Option(min=0.5, max=0.999, help="Nominal coverage · 置信水平")
]
OutFile = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help=".json or .csv · 结果文件")
]
Folder = Annotated[
    Path, typer.Option("--out", metavar="FOLDER", help="To write to · 输出目录")
]
AsJson = Annotated[
    bool, typer.Option("--json", help="One JSON object on the last line · 输出 JSON")
]
Year = Annotated[int, typer.Option(min=1950, max=2100, help="Of the season · 年份")]
MaybeYear = Annotated[
    int | None, typer.Option("--year", min=1950, max=2100, help="Of the season · 年份")
]
PointsWanted = Annotated[
    int | None, typer.Option("--points", min=2, help="So many points · 样点数")
]
WantedError = Annotated[
    float | None,
    typer.Option(
        "--se", help="Points for this error of the accuracy, 0.02 · 精度标准误"
    ),
]
Expected = Annotated[
    float, typer.Option(min=0.5, max=0.99, help="Accuracy expected · 预期精度")
]
SegmentsWanted = Annotated[
    int | None, typer.Option("--segments", min=2, help="So many segments · 样方数")
]
Variation = Annotated[
    float | None,
    typer.Option("--cv", help="Segments for this CV of the area, 0.05 · 面积变异系数"),
]
CropName = Annotated[
    str | None, typer.Option("--crop", help="Crop to be exact about · 目标作物")
]
Side = Annotated[
    float, typer.Option(min=100, help="Of a segment, metres · 样方边长，米")
]
Edges = Annotated[
    str, typer.Option(metavar="A,B", help="Crop shares between strata · 分层界限")
]
AllocationName = Annotated[
    str | None,
    typer.Option(
        "--allocation",
        metavar="olofsson|proportional|neyman|equal",
        help="To strata · 分配方法",
    ),
]
Minimum = Annotated[
    int | None, typer.Option(min=0, help="Of each stratum · 每层最少样本数")
]
Distance = Annotated[
    float, typer.Option(min=0, help="Between points, metres · 样点最小间距，米")
]
Seed = Annotated[int, typer.Option(min=0, help="Of the drawing · 随机种子")]
Design = Annotated[
    Path | None,
    typer.Option(metavar="design.json", help="They were drawn by · 抽样设计文件"),
]
MethodName = Annotated[
    str,
    typer.Option("--method", metavar="auto|regression|ratio|direct", help="估计方法"),
]
Store = Annotated[
    bool,
    typer.Option("--store", help="County areas, for productions · 存入县级面积"),
]
LastDay = Annotated[
    datetime | None,
    typer.Option(
        "--as-of",
        formats=["%Y-%m-%d"],
        metavar="DATE",
        help="Last day in the field; today · 外业截止日",
    ),
]
NoCropOutside = Annotated[
    bool,
    typer.Option(
        "--no-crop-outside",
        help="None of the crops grow off the frame · 抽样框外无作物",
    ),
]


def class_names(classes: list[str] | None) -> dict[int, str]:
    """Return code -> name of ``--classes``."""
    from ingest.ground.headers import pairs

    found = pairs(classes or (), option="--classes")
    wrong = [code for code in found if not code.isdecimal()]
    if wrong:
        raise typer.BadParameter(
            f"--classes {wrong[0]}: write codes before names, as 1=maize"
            f" · --classes 应写作 代码=名称，例如 1=玉米"
        )
    return {int(code): name for code, name in found.items()}


def allocation_of(said: str | None) -> "Allocation | None":
    """Return ``--allocation``, if it is one."""
    if said in (None, "olofsson", "proportional", "neyman", "equal"):
        return cast("Allocation | None", said)
    raise typer.BadParameter(
        f"--allocation {said}: olofsson, proportional, neyman or equal"
        f" · --allocation {said} 无效"
    )


def method_of(said: str) -> "Method":
    """Return ``--method``, if it is one."""
    if said in ("auto", "regression", "ratio", "direct"):
        return cast("Method", said)
    raise typer.BadParameter(
        f"--method {said}: auto, regression, ratio or direct · --method {said} 无效"
    )


def edges_of(said: str) -> tuple[float, ...]:
    """Return the shares of ``--edges``."""
    try:
        edges = tuple(float(part) for part in said.split(",") if part.strip())
    except ValueError:
        # Descending, so that the one message below tells of it.
        edges = (1.0, 0.0)
    if list(edges) != sorted({*edges}) or not all(0 < edge < 1 for edge in edges):
        raise typer.BadParameter(
            f"--edges {said}: ascending shares between 0 and 1, as 0.15,0.5"
            f" · --edges 应为 0 到 1 之间递增的比例，例如 0.15,0.5"
        )
    return edges
