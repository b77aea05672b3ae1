"""`heitu growth`: grades of pixels, fields and counties against past years."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.options import Box, County, Data, Field, asked_place
from api.progress import Stages
from api.settings import command_settings

if TYPE_CHECKING:
    from api.growth_product import GrowthProduct
    from api.growth_request import GrowthRequest
    from api.growth_share import CropShare
    from api.growth_tables import Zones
    from api.place import Place
    from api.settings import Settings
    from models.growth import Grading

__all__ = [
    "Basis",
    "Collection",
    "Crop",
    "Day",
    "Limits",
    "MinYears",
    "Past",
    "asked_grading",
    "growth",
]

# More rows nobody reads on a screen.
_MOST_ROWS = 80

Day = Annotated[
    datetime,
    typer.Option(
        "--date", formats=["%Y-%m-%d"], metavar="DATE", help="Of the dekad · 日期（旬）"
    ),
]
Crop = Annotated[
    str, typer.Option(help="Crop of the crop map; all: all land · 作物，all 为全部")
]
Past = Annotated[
    int, typer.Option(min=2, max=50, help="Past years to compare with · 对比年数")
]
Index = Annotated[str, typer.Option(help="Index that is compared · 对比所用指数")]
Basis = Annotated[
    str,
    typer.Option(
        metavar="difference|vci|anomaly|percentile", help="Of the grade · 分级指标"
    ),
]
Limits = Annotated[
    tuple[float, float, float, float] | None,
    typer.Option(
        metavar="A B C D", help="Between the five grades, rising · 五级之间的界限"
    ),
]
MinYears = Annotated[
    int, typer.Option(min=2, help="Past years a grade needs · 评级所需最少年数")
]
MinClear = Annotated[
    int, typer.Option(min=0, help="Clear looks in three dekads · 近三旬最少晴空观测")
]
Fields = Annotated[
    bool, typer.Option("--fields", help="Also the stored fields · 同时统计地块")
]
Publish = Annotated[
    bool, typer.Option("--publish", help="Show it on the page too · 同时发布到网页")
]
Collection = Annotated[
    str | None, typer.Option(help="Scenes of every year · 各年所用影像集")
]
Resolution = Annotated[
    float | None, typer.Option(min=0.1, max=1e5, help="Metres · 分辨率，米")
]
Out = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Instead of DATA/growth · 输出目录"),
]


def growth(
    day: Day,
    county: County = None,
    bbox: Box = None,
    field: Field = None,
    crop: Crop = "maize",
    past: Past = 10,
    index: Index = "ndvi",
    basis: Basis = "difference",
    limits: Limits = None,
    min_years: MinYears = 5,
    min_clear: MinClear = 1,
    fields: Fields = False,
    publish: Publish = False,
    collection: Collection = None,
    resolution: Resolution = None,
    out: Out = None,
    data: Data = None,
) -> None:
    """Grade growth of a place, or the province, against past years · 长势评级."""
    settings = command_settings(data)
    grading = asked_grading(
        basis, limits=limits, min_years=min_years, min_clear=min_clear
    )
    try:
        from api.growth_request import GrowthRequest
        from api.growth_tables import province
        from ingest.archive import Archive

        request = GrowthRequest(
            archive=Archive(settings.archive, create=False),
            place=asked_place(county, bbox, field) or province(),
            day=day.date(),
            past=past,
            index=index,
            grading=grading,
            collection=collection,
            resolution=resolution,
        )
        folder = (out or settings.growth).expanduser().resolve()
        product = _made(request, folder, settings.dask)
        share = _share(request, crop)
        typer.echo(product.folder)
        _tell_counties(product, share, crop=crop, one_field=field is not None)
        if fields:
            _tell_fields(product, settings, request.place, crop=crop)
        if publish:
            _publish(product, share, crop=crop)
    except KeyboardInterrupt:
        typer.echo("已停止，重新运行即可继续 · stopped; run again to go on", err=True)
        raise typer.Exit(130) from None


def asked_grading(
    basis: str,
    *,
    limits: tuple[float, float, float, float] | None,
    min_years: int,
    min_clear: int,
) -> "Grading":
    """Give the grading of the options, or say which of them is wrong."""
    from models.errors import ValueInvalid
    from models.growth import Grading

    try:
        return Grading(
            basis=basis,  # type: ignore[arg-type] # checked there
            limits=limits,
            min_years=min_years,
            min_clear=min_clear,
        )
    except ValueInvalid as exc:
        raise typer.BadParameter(str(exc)) from exc


def _made(request: "GrowthRequest", folder: Path, dask: str | None) -> "GrowthProduct":
    from api.growth_product import finished_growth, make_growth
    from raster.cluster import connect

    done = finished_growth(request, folder)
    if done is not None:
        told = "已有相同产品，无需计算 · this very product is there, nothing to do"
        typer.echo(told, err=True)
        return done
    with connect(dask), Stages() as stages:
        return make_growth(
            request, folder, progress=stages.counter("Growth blocks", "长势分块")
        )


def _share(request: "GrowthRequest", crop: str) -> "CropShare | None":
    from api.growth_share import crop_share

    if crop == "all":
        return None
    share = crop_share(request.archive, crop, request.geobox, year=request.day.year)
    if share is None:
        typer.echo(
            "no crop map in the archive: all land is graded as one"
            " · 档案中没有作物分布图，按全部土地统计",
            err=True,
        )
    return share


def _tell_counties(
    product: "GrowthProduct",
    share: "CropShare | None",
    *,
    crop: str,
    one_field: bool,
) -> None:
    from api.growth_tables import counties_in, zone_of

    place = product.request.place
    zones = counties_in(place)
    if one_field or not zones.labels:
        zones = zone_of(place)
    kind = "field" if one_field else "counties"
    _tell(product, zones, share, kind=kind, crop=crop)


def _tell_fields(
    product: "GrowthProduct", settings: "Settings", place: "Place", *, crop: str
) -> None:
    from api.growth_tables import fields_in
    from store import open_store

    year = product.request.day.year
    with open_store(data=settings.data, url=settings.url) as store:
        zones = fields_in(store, place, crop=None if crop == "all" else crop, year=year)
    if not zones.labels:
        typer.echo(
            f"no stored field of {year} there: heitu ingest fields brings some in"
            f" · 该处没有 {year} 年的地块，可用 heitu ingest fields 导入",
            err=True,
        )
        return
    # A field is of one crop: no crop map is laid over it.
    _tell(product, zones, None, kind="fields", crop=crop)


def _tell(
    product: "GrowthProduct",
    zones: "Zones",
    share: "CropShare | None",
    *,
    kind: str,
    crop: str,
) -> None:
    from api.growth_tables import screen_table, table_path, write_table, zone_table
    from api.tables import print_table

    table = zone_table(product, zones, share=share, crop=crop)
    print_table(screen_table(table.head(_MOST_ROWS)))
    if len(table) > _MOST_ROWS:
        more = len(table) - _MOST_ROWS
        typer.echo(f"{more} more rows in the file · 其余 {more} 行见文件")
    typer.echo(write_table(table, table_path(product, f"{kind}-{crop}")))


def _publish(product: "GrowthProduct", share: "CropShare | None", *, crop: str) -> None:
    from api.growth_publish import publish

    names = publish(product, share=share, crop=crop)
    for name in names:
        typer.echo(f"products/{name}")
    if not names:
        typer.echo(
            "too large for one map on the page; the COGs are in the folder"
            " · 图幅过大，未发布到网页，COG 文件已在目录中"
        )
