"""`heitu season`: the season of a county, a rectangle or a field as a product."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.options import (
    Box,
    County,
    Data,
    End,
    Field,
    Start,
    Year,
    asked_window,
    the_place,
)
from api.progress import Stages
from api.settings import command_settings

if TYPE_CHECKING:
    import xarray as xr

    from api.season_product import SeasonProduct, SeasonRequest

__all__ = ["season"]


def _finite(metres: float | None) -> float | None:
    # "inf" is a number to Typer, and above any lower bound.
    if metres is not None and not math.isfinite(metres):
        raise typer.BadParameter(
            f"{metres} is no number of metres; give one as 10"
            f" · {metres} 不是米数，请填写数字，例如 10"
        )
    return metres


Collection = Annotated[
    str | None, typer.Option(help="Scenes; the finest there if left out · 影像集")
]
Resolution = Annotated[
    float | None,
    typer.Option(
        min=0.1,
        callback=_finite,
        help="Metres; of the scenes if left out · 分辨率，米",
    ),
]
Variables = Annotated[
    str | None,
    typer.Option(metavar="A,B", help="E.g. ndvi_smooth,sos,peak · 变量，逗号分隔"),
]
Step = Annotated[
    str, typer.Option(metavar="dekad|month|N", help="Or every N days · 时间步长")
]
Composite = Annotated[
    str | None, typer.Option(metavar="median|max|best", help="Of a step · 合成方法")
]
Index = Annotated[
    str | None, typer.Option(help="Index whose season is found, ndvi · 物候所用指数")
]
Seasons = Annotated[
    int | None, typer.Option(min=1, max=2, help="Seasons a year · 每年季数")
]
CloudBuffer = Annotated[
    float | None,
    typer.Option(min=0, callback=_finite, help="Metres around clouds · 云缓冲，米"),
]
Verify = Annotated[
    bool,
    typer.Option(
        "--verify/--no-verify",
        help="Compare scenes with their checksums · 校验影像文件",
    ),
]
Block = Annotated[
    int | None,
    typer.Option(min=1, help="Side of a block, pixels: less memory · 分块边长，像元"),
]
Name = Annotated[str | None, typer.Option(help="Id of the product · 产品名称")]
Out = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Instead of DATA/seasons · 输出目录"),
]


def season(
    county: County = None,
    bbox: Box = None,
    field: Field = None,
    year: Year = None,
    start: Start = None,
    end: End = None,
    collection: Collection = None,
    resolution: Resolution = None,
    variables: Variables = None,
    step: Step = "dekad",
    composite: Composite = None,
    index: Index = None,
    seasons: Seasons = None,
    cloud_buffer: CloudBuffer = None,
    block: Block = None,
    verify: Verify = True,
    name: Name = None,
    out: Out = None,
    data: Data = None,
) -> None:
    """Make the season of a place from the archive, as COGs and Zarr · 生长季产品."""
    settings = command_settings(data)
    options = {
        "variables": _names(variables),
        "step": _step(step),
        "composite": composite,
        "index": index,
        "seasons": seasons,
        "cloud_buffer": cloud_buffer,
        "chunk": block,
    }
    try:
        from api.season_product import SeasonRequest, finished_season
        from ingest.archive import Archive

        first, last = asked_window(year, start, end)
        request = SeasonRequest(
            archive=Archive(settings.archive, create=False),
            place=the_place(county, bbox, field),
            start=first,
            end=last,
            collection=collection,
            resolution=resolution,
            verify=verify,
            name=name,
            options={key: value for key, value in options.items() if value is not None},
        )
        folder = (out or settings.data / "seasons").expanduser().resolve()
        # A wrong question is answered before a cluster is waited for.
        lazy = request.dataset()
        product = finished_season(request, folder)
        if product is None:
            product = _computed(request, lazy, folder, settings.dask)
        else:
            told = "已有相同产品，无需计算 · this very product is there, nothing to do"
            typer.echo(told, err=True)
    except KeyboardInterrupt:
        typer.echo("已停止，重新运行即可继续 · stopped; run again to go on", err=True)
        raise typer.Exit(130) from None
    typer.echo(product.folder)
    typer.echo(product)


def _computed(
    request: "SeasonRequest", lazy: "xr.Dataset", folder: Path, dask: str | None
) -> "SeasonProduct":
    from api.season_product import make_season
    from raster.cluster import connect

    with connect(dask) as workers, Stages() as stages:
        stages.console.print(
            str(workers), markup=False, highlight=False, soft_wrap=True
        )
        counter = stages.counter("Blocks", "分块")
        return make_season(request, lazy, folder, progress=counter)


def _step(text: str) -> str | int:
    if text == "date":
        raise typer.BadParameter(
            "--step date is not for this command: it asks for no smoothing, which "
            "cannot be switched off here. Give dekad, month or a number of days"
            " · 本命令不能用 --step date：它要求关闭平滑，而此处无法关闭，请改用 "
            "dekad、month 或天数"
        )
    return int(text) if text.isdecimal() else text


def _names(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    return tuple(name.strip() for name in text.split(",") if name.strip())
