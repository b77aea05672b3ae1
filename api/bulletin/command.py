"""`heitu bulletin`: the county bulletin 县级农情简报 as HTML and PDF."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.growth_command import (
    Basis,
    Collection,
    Crop,
    Day,
    Limits,
    MinYears,
    Past,
    asked_grading,
)
from api.options import Data
from api.progress import Stages
from api.settings import command_settings

if TYPE_CHECKING:
    from api.bulletin.words import Language
    from api.growth_request import GrowthRequest
    from api.settings import Settings

__all__ = ["bulletin"]

CountyName = Annotated[
    str, typer.Argument(help="GB/T 2260 code or Chinese name · 县代码或县名")
]
Lang = Annotated[
    str, typer.Option("--language", metavar="zh|en|both", help="Of the text · 语言")
]
Html = Annotated[bool, typer.Option("--html/--no-html", help="Web page · 网页")]
Pdf = Annotated[bool, typer.Option("--pdf/--no-pdf", help="A4 · 打印版")]
Out = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Instead of DATA/bulletins · 输出目录"),
]


def bulletin(
    county: CountyName,
    day: Day,
    crop: Crop = "maize",
    language: Lang = "both",
    html: Html = True,
    pdf: Pdf = True,
    past: Past = 10,
    basis: Basis = "difference",
    limits: Limits = None,
    min_years: MinYears = 5,
    collection: Collection = None,
    out: Out = None,
    data: Data = None,
) -> None:
    """Write a county's bulletin of a crop and dekad · 县级农情简报."""
    settings = command_settings(data)
    languages = _languages(language)
    if not (html or pdf):
        raise typer.BadParameter(
            "nothing to write: leave out --no-html or --no-pdf"
            " · 没有要写的文件，请去掉 --no-html 或 --no-pdf"
        )
    grading = asked_grading(basis, limits=limits, min_years=min_years, min_clear=1)
    try:
        from api.growth_request import GrowthRequest
        from api.place import place_of_county
        from ingest.archive import Archive

        request = GrowthRequest(
            archive=Archive(settings.archive, create=False),
            place=place_of_county(county),
            day=day.date(),
            past=past,
            grading=grading,
            collection=collection,
        )
        folder = (out or settings.bulletins).expanduser().resolve()
        written = _written(
            request,
            settings,
            folder,
            crop=crop,
            languages=languages,
            html=html,
            pdf=pdf,
        )
    except KeyboardInterrupt:
        typer.echo("已停止，重新运行即可继续 · stopped; run again to go on", err=True)
        raise typer.Exit(130) from None
    for path in written:
        typer.echo(path)


def _languages(language: str) -> "tuple[Language, ...]":
    from api.bulletin.files import LANGUAGES

    chosen = [one for one in LANGUAGES if language in {one, "both"}]
    if not chosen:
        raise typer.BadParameter(
            f"{language!r}: choose zh, en or both"
            f" · {language!r} 无效，可选 zh、en、both"
        )
    return tuple(chosen)


def _written(
    request: "GrowthRequest",
    settings: "Settings",
    folder: Path,
    *,
    crop: str,
    languages: "tuple[Language, ...]",
    html: bool,
    pdf: bool,
) -> list[Path]:
    from api.bulletin.content import gather
    from api.bulletin.files import write_bulletin
    from raster.cluster import connect
    from store import open_store

    with (
        open_store(data=settings.data, url=settings.url) as store,
        connect(settings.dask),
        Stages() as stages,
    ):
        found = gather(
            request,
            store,
            crop=crop,
            folder=settings.growth,
            progress=stages.counter("Growth blocks", "长势分块"),
        )
        with stages.stage("Bulletin", "简报"):
            return write_bulletin(
                found, folder, languages=languages, html=html, pdf=pdf
            )
