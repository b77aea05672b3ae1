"""Options of `heitu crop-map`, each an annotated type."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "Block",
    "BlockKm",
    "Collection",
    "Gcj02",
    "Least",
    "Method",
    "ModelFile",
    "Most",
    "Name",
    "OneYear",
    "Out",
    "Report",
    "Resolution",
    "Samples",
    "Series",
    "Simulated",
    "Step",
    "Told",
    "Until",
    "Verify",
    "Years",
]

Years = Annotated[
    list[int],
    typer.Option("--year", min=1972, max=2999, help="Again for each · 年份，可重复"),
]
OneYear = Annotated[
    int, typer.Option("--year", min=1972, max=2999, help="Of the season · 年份")
]
Samples = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Instead of the store's · 样本文件"),
]
Gcj02 = Annotated[
    bool, typer.Option("--gcj02", help="The file is GCJ-02 · 文件为火星坐标")
]
Simulated = Annotated[
    bool, typer.Option("--simulated", help="The file is made up · 文件为模拟数据")
]
Collection = Annotated[
    str | None, typer.Option(help="Scenes; the finest there if left out · 影像集")
]
Resolution = Annotated[
    float | None, typer.Option(min=0.1, help="Metres; of the scenes · 分辨率，米")
]
Series = Annotated[
    str | None,
    typer.Option(metavar="A,B", help="ndvi_smooth,lswi_smooth,ndre_smooth · 输入序列"),
]
Step = Annotated[
    str, typer.Option(metavar="dekad|month|N", help="Or every N days · 时间步长")
]
Until = Annotated[
    str | None, typer.Option(metavar="MM-DD", help="Last day, 10-31 · 季末日期")
]
Method = Annotated[
    str, typer.Option(metavar="auto|hist|forest", help="Tried · 训练方法")
]
BlockKm = Annotated[
    float, typer.Option(min=0.01, help="Held out together, km · 验证区块边长")
]
Least = Annotated[
    int, typer.Option(min=4, help="Samples that a class needs · 每类最少样本数")
]
Verify = Annotated[
    bool,
    typer.Option(
        "--verify/--no-verify",
        help="Compare scenes with their checksums · 校验影像文件",
    ),
]
Report = Annotated[
    Path | None,
    typer.Option(metavar="OUT.csv", help="Samples to look at, and why · 待查样本清单"),
]
Most = Annotated[int, typer.Option("--show", min=0, help="Samples printed · 显示数目")]
Out = Annotated[
    Path | None, typer.Option(metavar="MODEL.npz", help="In DATA/models · 模型文件")
]
ModelFile = Annotated[
    Path, typer.Argument(metavar="MODEL.npz", help="Of `train` · 模型文件")
]
Told = Annotated[
    Path | None,
    typer.Option(
        "--accuracy", metavar="FILE.json", help="By an own sample · 独立精度评价"
    ),
]
Block = Annotated[
    int | None, typer.Option(min=1, help="Side of a block, pixels · 分块边长，像元")
]
Name = Annotated[str | None, typer.Option(help="Id of the product · 产品名称")]
