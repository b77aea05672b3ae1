"""`heitu crop-map train | review | apply | show`: crop maps from ground truth."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from api.crop_map_options import (
    Block,
    BlockKm,
    Collection,
    Gcj02,
    Least,
    Method,
    ModelFile,
    Most,
    Name,
    OneYear,
    Out,
    Report,
    Resolution,
    Samples,
    Series,
    Simulated,
    Step,
    Told,
    Until,
    Verify,
    Years,
)
from api.options import Box, County, Data, Field, the_place
from api.progress import Stages
from api.settings import Settings, command_settings

if TYPE_CHECKING:
    from api.crop_map_product import CropMapRequest
    from api.crop_map_samples import Site
    from api.crop_map_table import Sampler
    from api.place import Place
    from models.crop_map.features import FeaturePlan
    from models.crop_map.training import Settings as How
    from models.crop_map.training import Training

__all__ = ["crop_map_app"]

# Rows of a file that are named one by one.
_MOST_NOTES = 5

crop_map_app = typer.Typer(help="Crop maps: train, apply · 作物分布图")


@crop_map_app.command("train")
def crop_map_train(
    year: Years,
    county: County = None,
    bbox: Box = None,
    field: Field = None,
    samples: Samples = None,
    gcj02: Gcj02 = False,
    simulated: Simulated = False,
    collection: Collection = None,
    resolution: Resolution = None,
    series: Series = None,
    step: Step = "dekad",
    until: Until = None,
    method: Method = "auto",
    block_km: BlockKm = 50.0,
    least: Least = 20,
    verify: Verify = True,
    report: Report = None,
    out: Out = None,
    data: Data = None,
) -> None:
    """Train a crop map on ground truth and the season there · 训练作物图模型."""
    from api.crop_map_report import tell_model, tell_remarks

    settings = command_settings(data)
    asked = _Truth(years=year, file=samples, gcj02=gcj02, simulated=simulated)
    sampler = _sampler(
        settings,
        _plan(series, step, until),
        collection=collection,
        resolution=resolution,
        verify=verify,
    )
    how = _how(method, block_km=block_km, least=least)
    sites = _sites(settings, asked, county, bbox, field)
    made = _trained(sampler, sites, how, report)
    path = _kept(made, settings, out)
    tell_model(made.model)
    scores = ", ".join(f"{name} {value:.3f}" for name, value in made.macro_f1.items())
    typer.echo(f"macro-F1: {scores}")
    tell_remarks(made.remarks, most=0)
    typer.echo(path)


@crop_map_app.command("review")
def crop_map_review(
    year: Years,
    county: County = None,
    bbox: Box = None,
    field: Field = None,
    samples: Samples = None,
    gcj02: Gcj02 = False,
    simulated: Simulated = False,
    collection: Collection = None,
    resolution: Resolution = None,
    series: Series = None,
    step: Step = "dekad",
    until: Until = None,
    method: Method = "hist",
    block_km: BlockKm = 50.0,
    least: Least = 20,
    verify: Verify = True,
    report: Report = None,
    show: Most = 20,
    data: Data = None,
) -> None:
    """List samples that look wrong or do not serve · 列出可疑样本."""
    from api.crop_map_report import tell_remarks

    settings = command_settings(data)
    asked = _Truth(years=year, file=samples, gcj02=gcj02, simulated=simulated)
    sampler = _sampler(
        settings,
        _plan(series, step, until),
        collection=collection,
        resolution=resolution,
        verify=verify,
    )
    how = _how(method, block_km=block_km, least=least)
    sites = _sites(settings, asked, county, bbox, field)
    made = _trained(sampler, sites, how, report)
    tell_remarks(made.remarks, most=show)
    if not made.remarks:
        typer.echo("no sample to look at · 没有可疑样本")


@crop_map_app.command("apply")
def crop_map_apply(
    model: ModelFile,
    year: OneYear,
    county: County = None,
    bbox: Box = None,
    field: Field = None,
    collection: Collection = None,
    resolution: Resolution = None,
    accuracy: Told = None,
    block: Block = None,
    verify: Verify = True,
    name: Name = None,
    data: Data = None,
) -> None:
    """Map the crops of a place and publish the map · 生成并发布作物图."""
    settings = command_settings(data)
    try:
        request = _request(
            settings,
            model,
            year,
            the_place(county, bbox, field),
            accuracy=accuracy,
            block=block,
            name=name,
            collection=collection,
            resolution=resolution,
            verify=verify,
        )
        from api.crop_map_product import published_crop_map
        from api.crop_map_report import tell_accuracy

        lazy = request.dataset()
        item = published_crop_map(request)
        if item is None:
            item = _computed(request, lazy, settings)
        else:
            told = "已有相同产品，无需计算 · this very map is there, nothing to do"
            typer.echo(told, err=True)
    except KeyboardInterrupt:
        typer.echo("已停止，重新运行即可继续 · stopped; run again to go on", err=True)
        raise typer.Exit(130) from None
    tell_accuracy(request.accuracy)
    for warned in item.properties["heitu:warnings"]:
        typer.echo(f"警告 Warning: {warned['en']} · {warned['zh']}", err=True)
    if item.properties["heitu:simulated"]:
        typer.echo("simulated 模拟数据")
    typer.echo(item.id)


@crop_map_app.command("show")
def crop_map_show(model: ModelFile) -> None:
    """Say what a model needs, and how accurate it is · 查看模型."""
    from api.crop_map_report import tell_model
    from models.crop_map.model_file import load_model, model_id

    found = load_model(model)
    typer.echo(f"model 模型: {model_id(found)}")
    tell_model(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Truth:
    """Whose samples, of which years; those of the store where there is no file."""

    years: Sequence[int]
    file: Path | None
    gcj02: bool
    simulated: bool


def _trained(
    sampler: "Sampler", sites: "Sequence[Site]", how: "How", report: Path | None
) -> "Training":
    from api.crop_map_report import write_remarks
    from api.crop_map_train import trained

    with Stages() as stages:
        counter = stages.counter("Seasons of the samples", "样本处生长季")
        made = trained(sampler, sites, how, progress=counter)
    if report is not None:
        write_remarks(report, made.remarks)
    return made


def _sampler(settings: Settings, plan: "FeaturePlan", **how: Any) -> "Sampler":  # noqa: ANN401
    from api.crop_map_table import Sampler
    from ingest.archive import Archive

    return Sampler(archive=Archive(settings.archive, create=False), plan=plan, **how)


def _how(method: str, *, block_km: float, least: int) -> "How":
    from models.crop_map.stages import METHODS
    from models.crop_map.training import Settings as How

    chosen = tuple(one for one in METHODS if method in ("auto", one))
    if not chosen:
        raise typer.BadParameter(
            f"--method {method}: auto, hist or forest · 训练方法可选 auto、hist、forest"
        )
    return How(block_km=block_km, least_samples=least, methods=chosen)


def _kept(made: "Training", settings: Settings, out: Path | None) -> Path:
    """Save a model where it was asked for, else under its years and its id."""
    from models.crop_map.model_file import model_id, save_model

    model = made.model
    years = "-".join(map(str, model.years))
    default = settings.data / "models" / f"crop-map-{years}-{model_id(model)}.npz"
    path = (out or default).expanduser().resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_model(model, path)
    return path


def _plan(series: str | None, step: str, until: str | None) -> "FeaturePlan":
    from models.crop_map.features import FeaturePlan

    plan = FeaturePlan(step=int(step) if step.isdecimal() else step)  # type: ignore[arg-type]
    if series is not None:
        names = tuple(name.strip() for name in series.split(",") if name.strip())
        plan = replace(plan, series=names)
    if until is not None:
        found = re.fullmatch(r"(\d\d)-(\d\d)", until)
        if found is None:
            raise typer.BadParameter(
                f"--until {until}: give month and day as 08-31"
                f" · --until {until} 应为 月-日，例如 08-31"
            )
        plan = replace(plan, last=(int(found[1]), int(found[2])))
    return plan


def _sites(
    settings: Settings,
    asked: _Truth,
    county: str | None,
    bbox: tuple[float, float, float, float] | None,
    field: Path | None,
) -> "tuple[Site, ...]":
    """Return the sites of the file, or those of the store inside the place."""
    from api.crop_map_samples import sites_of_file, sites_of_store
    from store import open_store

    years = asked.years
    if asked.file is not None:
        found = sites_of_file(
            asked.file,
            year=years[0] if len(years) == 1 else None,
            gcj02=asked.gcj02,
            simulated=asked.simulated,
        )
    else:
        place = the_place(county, bbox, field)
        with (
            open_store(data=settings.data, url=settings.url) as store,
            store.connection() as conn,
        ):
            found = sites_of_store(conn, years=years, bounds=place.bounds)
    _tell_notes(found.notes)
    wanted = tuple(site for site in found.sites if site.year in years)
    if other := len(found.sites) - len(wanted):
        typer.echo(
            f"{other} samples are of seasons that --year does not name: not used"
            f" · {other} 个样本不属于 --year 所列年份，未采用",
            err=True,
        )
    return wanted


def _tell_notes(notes: tuple[str, ...]) -> None:
    for note in notes[:_MOST_NOTES]:
        typer.echo(note, err=True)
    if rest := len(notes[_MOST_NOTES:]):
        typer.echo(
            f"… and {rest} more rows that were not taken: heitu ingest points FILE "
            f"--dry-run --report lists all · 另有 {rest} 行未采用，可用 heitu ingest "
            "points --dry-run --report 查看",
            err=True,
        )


def _request(
    settings: Settings,
    model: Path,
    year: int,
    place: "Place",
    *,
    accuracy: Path | None,
    block: int | None,
    name: str | None,
    **scenes: Any,  # noqa: ANN401
) -> "CropMapRequest":
    from api.crop_map_product import CropMapRequest, season_options
    from api.season_product import SeasonRequest
    from ingest.archive import Archive
    from models.crop_map.model_file import load_model

    found = load_model(model)
    start, end = found.plan.window(year)
    return CropMapRequest(
        season=SeasonRequest(
            archive=Archive(settings.archive, create=False),
            place=place,
            start=start,
            end=end,
            options=season_options(found, block=block),
            **scenes,
        ),
        model=found,
        told=None if accuracy is None else _accuracy(accuracy),
        name=name,
    )


def _accuracy(path: Path) -> Any:  # noqa: ANN401
    from models.crop_map.accuracy import Accuracy

    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise typer.BadParameter(
            f"{path} is no JSON that can be read ({exc}) · 无法读取 {path}"
        ) from exc
    return Accuracy.from_dict(said)


def _computed(request: "CropMapRequest", lazy: Any, settings: Settings) -> Any:  # noqa: ANN401
    from api.crop_map_product import make_crop_map
    from raster.cluster import connect

    folder = settings.data / "crop-maps"
    with connect(settings.dask) as workers, Stages() as stages:
        stages.console.print(
            str(workers), markup=False, highlight=False, soft_wrap=True
        )
        counter = stages.counter("Blocks", "分块")
        return make_crop_map(request, lazy, folder, progress=counter)
