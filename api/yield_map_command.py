"""`heitu yield-map`: yield maps whose pixels add up to the county estimates."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.options import Box, County, Data, Field, asked_place
from api.progress import Stages
from api.settings import Settings, command_settings
from api.yields_command import Crop

if TYPE_CHECKING:
    import pystac

__all__ = ["yield_map"]

Year = Annotated[int, typer.Option(min=1980, max=2999, help="Harvest year · 年份")]
Crops = Annotated[
    list[Crop] | None,
    typer.Option("--crop", help="Again for each; maize · 作物，可重复"),
]
CropMap = Annotated[
    str | None,
    typer.Option(
        "--crop-map", help="Product or grid; the finest of all the place · 作物图"
    ),
]
Collection = Annotated[
    str | None, typer.Option(help="Scenes; the finest there if left out · 影像集")
]
Run = Annotated[
    str | None,
    typer.Option(help="Whose estimates; those that count · 所用估计的运行编号"),
]
Samples = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE",
        help="Crop cuts, or points.csv of yield-monitor clean · 测产样本，可重复",
    ),
]
Cuts = Annotated[
    bool, typer.Option("--cuts", help="The stored crop cuts · 用库中测产样本")
]
Name = Annotated[str | None, typer.Option(help="yield-CROP-YEAR-NAME · 产品名称末段")]


def yield_map(
    year: Year,
    crop: Crops = None,
    county: County = None,
    bbox: Box = None,
    field: Field = None,
    crop_map: CropMap = None,
    collection: Collection = None,
    run: Run = None,
    samples: Samples = None,
    cuts: Cuts = False,
    name: Name = None,
    data: Data = None,
) -> None:
    """Map yields by pixel so that they add up to the county estimates · 单产图."""
    settings = command_settings(data)
    given = dict(locals())
    try:
        made = _made(settings, given)
    except KeyboardInterrupt:
        typer.echo("已停止，重新运行即可继续 · stopped; run again to go on", err=True)
        raise typer.Exit(130) from None
    for item in made.values():
        _tell(item)


def _made(settings: Settings, given: dict[str, Any]) -> "dict[str, pystac.Item]":
    from api.yield_map_job import YieldMapJob, make_yield_maps
    from ingest.archive import Archive
    from raster.cluster import connect
    from store import open_store

    place = asked_place(given["county"], given["bbox"], given["field"])
    with (
        open_store(data=settings.data, url=settings.url) as store,
        connect(settings.dask) as workers,
        Stages() as stages,
    ):
        job = YieldMapJob(
            store=store,
            archive=Archive(settings.archive, create=False),
            year=given["year"],
            crops=[one.value for one in given["crop"] or (Crop.maize,)],
            place=place,
            crop_map=given["crop_map"],
            collection=given["collection"],
            run=given["run"],
            samples=given["samples"] or (),
            stored_cuts=given["cuts"],
            name=given["name"],
        )
        stages.console.print(
            str(workers), markup=False, highlight=False, soft_wrap=True
        )
        return make_yield_maps(job, settings.data / "yield-maps", stages)


def _tell(item: "pystac.Item") -> None:
    """Print what became of each county, what to know, and the product's id."""
    from rich.table import Table

    from api.tables import print_table
    from models.pixel_yield import METHOD_WORDING, Method

    said = item.properties
    table = Table(
        "county 县",
        "estimate 县值 t/ha",
        "map 图 t/ha",
        "difference 差",
        "pixels 像元",
        "seen 可见",
        "model 模型",
        "status 状态",
    )
    for one in said["heitu:counties"]:
        english, chinese = METHOD_WORDING[Method(one["method"])]
        table.add_row(
            f"{one['code']} {one['name_zh']}",
            _number(one["estimate"], ".3f"),
            _number(one["mean"], ".3f"),
            _number(one["difference"], ".1e"),
            f"{one['pixels']:,}",
            _number(one["seen"], ".0%"),
            f"{english} {chinese}" if one["pixels"] else "",
            "ok" if one["status"] == "ok" else f"{one['en']} · {one['zh']}",
        )
    print_table(table)
    for warned in said["heitu:warnings"]:
        typer.echo(f"注意 Note: {warned['en']} · {warned['zh']}", err=True)
    if said["heitu:simulated"]:
        typer.echo("simulated 模拟数据")
    typer.echo(item.id)


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
