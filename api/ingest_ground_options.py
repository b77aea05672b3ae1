"""Options of the commands that read files of the ground: whose, where, in what words.

Each is an annotated type, so that `heitu ingest`, `heitu area` and `heitu
yield-monitor` say the same of the same option.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = [
    "Basis",
    "Columns",
    "Crop",
    "Crs",
    "Encoding",
    "Gcj02",
    "LayerName",
    "Parcels",
    "Simulated",
    "Swath",
    "Units",
    "Year",
    "reading_options",
]

Year = Annotated[
    int | None,
    typer.Option(min=1950, max=2100, help="Season of rows that name none · 年份"),
]
Crop = Annotated[
    str | None, typer.Option(help="Crop of rows that name none · 作物，如 玉米")
]
LayerName = Annotated[
    str | None, typer.Option("--layer", help="One of several layers · 图层")
]
Crs = Annotated[
    str | None, typer.Option(help="CRS of a file that says none · 坐标系，EPSG:4549")
]
Gcj02 = Annotated[
    bool,
    typer.Option("--gcj02", help="The coordinates are GCJ-02: convert · 火星坐标"),
]
Encoding = Annotated[str | None, typer.Option(help="Of texts, UTF-8 or GBK · 文字编码")]
Columns = Annotated[
    list[str] | None,
    typer.Option(metavar="A=X,B=Y", help="Columns spelled otherwise · 列名对应"),
]
Units = Annotated[
    list[str] | None,
    typer.Option(metavar="A=U,B=V", help="Units not in the headers · 列的单位"),
]
Basis = Annotated[
    float,
    typer.Option(min=0, max=40, help="Moisture of yields, % · 单产折算含水率"),
]
Swath = Annotated[
    str | None, typer.Option(metavar="WIDTH", help="E.g. 9.1m, 360in · 割幅")
]
Parcels = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Crop polygons in the segments · 样方内地块"),
]
Simulated = Annotated[
    bool, typer.Option("--simulated", help="The data are made up · 模拟数据")
]


def reading_options(
    *,
    columns: list[str] | None,
    crs: str | None,
    gcj02: bool,
    encoding: str | None,
    layer: str | None,
) -> dict[str, Any]:
    """Return the options as `ingest.ground.vector.read_layer` takes them.

    Raises
    ------
    ingest.ground.errors.GroundError
        `columns` are no pairs.
    """
    from ingest.ground.headers import pairs

    return {
        "columns": pairs(columns or (), option="--columns"),
        "crs": crs,
        "gcj02": gcj02,
        "encoding": encoding,
        "layer": layer,
    }
