"""The demo's sources: the simulated world laid into store and archive."""

import json
import math
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import pandas as pd
import pystac
from pandas import DataFrame

from api.errors import OtherWorld
from api.ground import crop_map_id
from api.lineage import Recipe, code_digest
from api.platform import Platform
from api.progress import Stages
from ingest.archive import PRODUCTS, Archive, BandData
from ingest.errors import ItemInvalid
from ingest.simulated import (
    HISTORY,
    PROVINCE,
    WINDOW,
    ScenePlan,
    World,
    crop_fractions,
    render,
    scene_plans,
)
from ingest.simulated.scenes import SCENES
from models.features import CROPS
from store import Store, fields, runs, statistics, weather
from store.counties import County

__all__ = [
    "GRIDS",
    "HISTORY_YEARS",
    "ensure_world",
    "read_truth",
    "scene_pixels",
    "scenes",
]

# Names of the grids, used in product ids -> scene collection on that grid.
GRIDS = {"10m": WINDOW, "250m": PROVINCE, "1km": HISTORY}

HISTORY_YEARS = 10


def ensure_world(
    platform: Platform,
    stages: Stages,
    *,
    truth: Path,
    seed: int,
    year: int,
    counties: list[County],
) -> None:
    """Lay the simulated world into store and archive, unless it is whole already.

    The true yields go to the file `truth` and nowhere else: no model may see them.
    The archive's links are for the caller to refresh.
    """
    recipe = _recipe(seed=seed, year=year)
    _claim(platform.data / "demo-world.json", seed=seed, year=year)
    if _whole(platform, recipe):
        return
    with stages.stage("Weather, fields, statistics", "天气、地块与统计"):
        world = World(seed, year, counties, history=HISTORY_YEARS)
        _lay_tables(platform.store, world)
        _write_truth(world, truth)
    _lay_crop_maps(platform.archive, world, stages, run_id=recipe.run_id)
    _lay_scenes(platform.archive, world, stages)
    with platform.store.connection() as conn:
        runs.save(conn, recipe.finished())


def _claim(path: Path, *, seed: int, year: int) -> None:
    """Write down which world a folder holds; two in one archive would mix.

    Raises
    ------
    OtherWorld
        Of another seed or year, or made by another version of the simulator.
    """
    simulator = code_digest("ingest/simulated")
    wanted = {"seed": seed, "year": year, "simulator": simulator}
    if not path.exists():
        _replace(path, json.dumps(wanted))
    found = json.loads(path.read_text(encoding="utf-8"))
    if found != wanted:
        raise OtherWorld(
            f"{path.parent} holds another simulated world, {found}, not {wanted}: take"
            f" its --seed {found['seed']}, or another folder with --data; a world of"
            " another simulator has to be removed with its folder"
            f" · 目录中是另一个模拟世界（种子 {found['seed']}），请另选 --data"
        )


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    partial = path.with_suffix(".part")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _recipe(*, seed: int, year: int) -> Recipe:
    """Return what a simulated world is made from: it reads nothing."""
    past = SCENES[HISTORY] * HISTORY_YEARS
    return Recipe(
        kind="simulated-world",
        inputs={},
        parameters={
            "seed": seed,
            "year": year,
            "scenes": SCENES[WINDOW] + SCENES[PROVINCE] + past,
        },
        simulated=True,
    )


def scenes(
    archive: Archive, *, on_invalid: Callable[[ItemInvalid], None] | None = None
) -> list[pystac.Item]:
    """Return all scenes of the demo's collections, as `Archive.items` does."""
    return [
        item
        for name in GRIDS.values()
        for item in archive.items(name, on_invalid=on_invalid)
    ]


def scene_pixels(items: Iterable[pystac.Item]) -> int:
    """Return rows x columns of each scene's own grid, summed over the scenes."""
    return sum(math.prod(item.properties["proj:shape"]) for item in items)


def read_truth(path: Path) -> DataFrame:
    """Return county, crop, year, yield_t_ha, area_ha of the simulated truth."""
    return pd.read_csv(path, dtype={"county": str})


def _whole(platform: Platform, recipe: Recipe) -> bool:
    """Tell whether every scene of a finished world is in the archive, and readable."""
    with platform.store.connection() as conn:
        if not runs.exists(conn, recipe.run_id):
            return False
    broken: list[ItemInvalid] = []
    found = scenes(platform.archive, on_invalid=broken.append)
    platform.archive.items(PRODUCTS, on_invalid=broken.append)
    return len(found) == recipe.parameters["scenes"] and not broken


def _lay_tables(store: Store, world: World) -> None:
    with store.connection() as conn:
        weather.put(conn, world.weather())
        statistics.put(conn, world.statistics())
        fields.put(conn, world.fields())


def _write_truth(world: World, path: Path) -> None:
    _replace(path, world.truth().to_csv(index=False))


def _lay_crop_maps(
    archive: Archive, world: World, stages: Stages, *, run_id: str
) -> None:
    with stages.stage("Crop maps", "作物分布图", total=len(GRIDS)) as advance:
        for grid, collection in GRIDS.items():
            geobox = world.grids[collection]
            archive.add_product(
                product_id=crop_map_id(grid),
                kind="crop-map",
                geobox=geobox,
                asset=BandData(crop_fractions(world, geobox), geobox, nodata=255),
                properties={
                    "title": f"True crop fractions of the simulated world, {grid}",
                    "heitu:title_zh": f"模拟世界的真实作物比例（{grid}）",
                    "heitu:crops": list(CROPS),
                    "heitu:unit": "%",
                    "heitu:year": world.year,
                    "heitu:run": run_id,
                    "heitu:simulated": True,
                },
            )
            advance()


def _lay_scenes(archive: Archive, world: World, stages: Stages) -> None:
    """Render and archive what is missing or broken, two scenes at a time.

    A scene is whole or absent, so an interrupted run goes on where it was.
    """

    def tell(exc: ItemInvalid) -> None:
        stages.console.print(str(exc), style="red", markup=False, soft_wrap=True)

    there = {(s.collection_id, s.id) for s in scenes(archive, on_invalid=tell)}
    plans = scene_plans(world)
    missing = [p for p in plans if (p.collection, p.item_id) not in there]
    pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="scene")
    try:
        with stages.stage("Scenes", "影像", total=len(missing)) as advance:
            jobs = [pool.submit(_lay_scene, archive, world, plan) for plan in missing]
            for job in as_completed(jobs):
                job.result()
                advance()
    finally:
        pool.shutdown(cancel_futures=True)


def _lay_scene(archive: Archive, world: World, plan: ScenePlan) -> None:
    rendered = render(world, plan)
    archive.add_scene(
        collection=plan.collection,
        item_id=plan.item_id,
        acquired=plan.acquired,
        geobox=plan.geobox,
        bands=rendered.bands,
        properties=rendered.properties,
        replace=True,
    )
