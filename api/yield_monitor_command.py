"""`heitu yield-monitor clean`: the harvest of one field, point by point."""

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
    Simulated,
    Swath,
    Units,
    Year,
)
from api.options import Data
from api.progress import Stages
from api.settings import command_settings

if TYPE_CHECKING:
    from api.settings import Settings as AllSettings
    from api.yield_monitor_files import Harvest
    from models.yield_monitor import Cleaned, FieldMean

__all__ = ["yield_monitor_app"]

yield_monitor_app = typer.Typer(help="Yields that combines logged · 收割机测产")

Source = Annotated[
    str,
    typer.Argument(
        metavar="FILE|DATASET",
        help="Logger's file, or id of an import · 测产文件或已导入数据集编号",
    ),
]
DelayGiven = Annotated[
    float | None,
    typer.Option(
        "--delay",
        min=-60,
        max=120,
        help="Seconds; estimated if left out · 谷流延迟，秒",
    ),
]
Method = Annotated[
    str, typer.Option(metavar="mad|sd", help="Of judging outliers · 离群点判别方法")
]
Outlier = Annotated[
    float, typer.Option(min=1, max=20, help="Limit, deviations · 离群界限，倍标准差")
]
Grid = Annotated[
    float, typer.Option("--grid", min=1, max=1000, help="Pixel, metres · 像元，米")
]
Calibration = Annotated[
    float,
    typer.Option(
        "--calibration-error",
        min=0,
        max=50,
        help="Of the machine, % of the yield · 机器标定误差，%",
    ),
]
Picture = Annotated[
    bool, typer.Option("--picture/--no-picture", help="Draw a map · 绘制单产图")
]
Out = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Instead of DATA/yield_monitor · 输出目录"),
]


@yield_monitor_app.command()
def clean(
    source: Source,
    year: Year = None,
    crop: Crop = None,
    swath: Swath = None,
    basis: Basis = 14.0,
    delay: DelayGiven = None,
    method: Method = "mad",
    outlier: Outlier = 3.0,
    grid: Grid = 10.0,
    calibration_error: Calibration = 3.0,
    picture: Picture = True,
    layer: LayerName = None,
    crs: Crs = None,
    gcj02: Gcj02 = False,
    encoding: Encoding = None,
    columns: Columns = None,
    units: Units = None,
    simulated: Simulated = False,
    out: Out = None,
    data: Data = None,
) -> None:
    """Clean a harvest: flags, field mean, raster, picture · 清洗测产数据."""
    from api.yield_monitor_files import write_harvest
    from models.yield_monitor import Settings, field_mean
    from models.yield_monitor import clean as clean_points

    if method not in ("mad", "sd"):
        raise typer.BadParameter(f"--method {method}: mad or sd · 只能是 mad 或 sd")
    settings = command_settings(data)
    with Stages() as stages:
        with stages.stage("Points", "读取测产点"):
            harvest = _harvest(
                source,
                settings,
                crop=crop,
                year=year,
                swath=swath,
                basis=basis,
                units=units,
                columns=columns,
                simulated=simulated,
                reading={
                    "layer": layer,
                    "crs": crs,
                    "gcj02": gcj02,
                    "encoding": encoding,
                },
            )
        with stages.stage("Cleaning", "清洗"):
            limits = Settings(
                basis=basis,
                delay=delay,
                method="sd" if method == "sd" else "mad",
                outlier=outlier,
            )
            cleaned = clean_points(harvest.table, crop=harvest.crop, settings=limits)
            mean = field_mean(cleaned, calibration_error=calibration_error / 100)
        folder = (out or settings.data / "yield_monitor" / harvest.name).resolve()
        with stages.stage("Files", "写出文件"):
            write_harvest(
                folder, harvest, cleaned, mean, resolution=grid, picture=picture
            )
    _tell(harvest, cleaned, mean)
    typer.echo(folder)
    if mean.points == 0:
        typer.echo("no point is good · 没有有效测产点", err=True)
        raise typer.Exit(1)


def _harvest(
    source: str,
    settings: "AllSettings",
    *,
    crop: str | None,
    **how: Any,  # noqa: ANN401
) -> "Harvest":
    """Read the points of a file; of an import, which was read before, as they are."""
    from api.yield_monitor_files import harvest_of_dataset, harvest_of_file

    path = Path(source)
    if path.exists():
        return harvest_of_file(path, crop=crop, **how)
    return harvest_of_dataset(source, settings, crop=crop)


def _tell(harvest: "Harvest", cleaned: "Cleaned", mean: "FieldMean") -> None:
    from rich.table import Table

    from api.tables import print_table
    from api.yield_monitor_files import DELAY_WORDING, MEAN_WORDING
    from models.yield_monitor import reason_table

    table = Table("", "points 点数", "first reason 首要原因")
    for row in reason_table(cleaned).itertuples():
        if row.points:
            table.add_row(
                f"{row.english} {row.chinese}", str(row.points), str(row.first)
            )
    print_table(table)
    delay = cleaned.delay
    typer.echo(
        f"flow delay 谷流延迟: {delay.seconds:g} s, {DELAY_WORDING[delay.status]}"
    )
    typer.echo(
        f"field mean 地块单产: {mean.mean:.2f} t/ha ({mean.lower:.2f} - "
        f"{mean.upper:.2f}, {mean.level:.0%}), {cleaned.basis:g} % moisture 含水率; "
        f"as logged 清洗前 {mean.raw_mean:.2f}; {mean.area_ha:.2f} ha"
    )
    typer.echo(f"status 状态: {MEAN_WORDING[mean.status]}")
    if harvest.left_out:
        typer.echo(
            f"{harvest.left_out} rows could not be read, or were there twice"
            f" · {harvest.left_out} 行无法读取或重复"
        )
    if harvest.simulated:
        typer.echo("simulated 模拟数据")
