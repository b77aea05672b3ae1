"""Crop maps: how quick the default model is, and how right on the simulated world.

    python bench/yields_crop_map.py

One county of the simulated world at 10 m: its scenes go through the season engine with
the default inputs of a crop map, pure pixels of every other square kilometre train the
default model (histogram gradient boosting in two stages), and all pixels are mapped.
Figures are CPU seconds of one thread; kernels are compiled beforehand. The last line is
one JSON object:

``pixels_per_cpu_s`` from the season's integers to class and probability, the mask of
non-crop included; ``crop_share`` of pixels that reached the second stage;
``with_extrapolation_per_cpu_s`` the whole block, with the dissimilarity index;
``sklearn_pixels_per_cpu_s`` and ``over_sklearn`` the same models asked by their own
predict_proba for a part of the pixels; ``max_difference`` of the probabilities;
``train_s``; ``macro_f1`` and ``overall_accuracy`` over pure pixels of the squares that
were not trained on, ``cross_validated`` what the model says of itself. All of the
ground is simulated.
"""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from ingest.archive import Archive
from ingest.boundaries import jilin_counties
from ingest.simulated import WINDOW, World, render, scene_plans
from ingest.simulated.land_cover import COVERS
from models.crop_map.accuracy import Accuracy
from models.crop_map.classes import CLASSES, NODATA
from models.crop_map.cube import map_block
from models.crop_map.features import FeaturePlan, Planes
from models.crop_map.stages import Learning, codes_of, fit_stages
from models.crop_map.training import Settings, Training, train
from raster.season import season

COUNTY, YEAR = "220322", 2026
PURE = 0.9
SQUARE = 100
SAMPLES = 3000
ASKED = 20_000


def world_season(folder: Path, plan: FeaturePlan) -> tuple[xr.Dataset, NDArray[Any]]:
    """Return the window's season, computed, and the true class of its pixels.

    `NODATA` where a pixel is not pure.
    """
    counties = [county for county in jilin_counties() if county.code == COUNTY]
    world = World(1, YEAR, counties, history=2)
    archive = Archive(folder / "archive")
    for scene in (one for one in scene_plans(world) if one.collection == WINDOW):
        made = render(world, scene)
        archive.add_scene(
            collection=WINDOW,
            item_id=scene.item_id,
            acquired=scene.acquired,
            geobox=scene.geobox,
            bands=made.bands,
            properties=made.properties,
        )
    start, end = plan.window(YEAR)
    lazy = season(
        archive.items(WINDOW),
        world.grids[WINDOW],
        start=start,
        end=end,
        variables=plan.variables,
        step=plan.step,
    )
    surface = world.surfaces[WINDOW]
    cover = np.stack([surface.spread(one, outside=0) for one in surface.cover])
    return lazy.compute(scheduler="synchronous"), _classes(cover)


def _classes(cover: NDArray[np.float32]) -> NDArray[np.uint8]:
    codes = {one.name: one.code for one in CLASSES}
    of_cover = np.array([codes.get(name, 0) for name in COVERS], np.uint8)
    pure = cover.max(axis=0) >= PURE
    return np.where(pure, of_cover[cover.argmax(axis=0)], np.uint8(NODATA)).ravel()


def samples(
    grid: GeoBox, planes: Planes, truth: NDArray[np.uint8], rows: NDArray[np.intp]
) -> pd.DataFrame:
    """Return a table of samples at some pixels of the grid."""
    y, x = np.divmod(rows, grid.width)
    a, b, c, d, e, f = grid.affine[:6]
    x, y = x + 0.5, y + 0.5
    east, north = a * x + b * y + c, d * x + e * y + f
    project = Transformer.from_crs(str(grid.crs), "EPSG:4326", always_xy=True)
    lon, lat = project.transform(east, north)
    plan = FeaturePlan()
    table = pd.DataFrame(planes.values(rows), columns=list(plan.names))
    names = np.array([one.name for one in CLASSES])
    return table.assign(
        sample=[str(row) for row in rows],
        lon=lon,
        lat=lat,
        year=YEAR,
        label=names[truth[rows]],
        clear=planes.clear[rows],
    )


def cpu_seconds(work: Callable[[], object], *, times: int = 3) -> float:
    """Return the least CPU time of some repetitions."""
    found = []
    for _ in range(times):
        before = time.process_time()
        work()
        found.append(time.process_time() - before)
    return min(found)


def against_sklearn(
    table: pd.DataFrame, trained: Training, values: NDArray[np.float32]
) -> tuple[float, float]:
    """Return scikit-learn's CPU seconds for `values`, and the largest difference."""
    plan, model = trained.model.plan, trained.model
    used = table.merge(trained.held_out[["sample"]], on="sample").sort_values("sample")
    learning = Learning(
        used[list(plan.names)].to_numpy(np.float32),
        codes_of(used["label"].to_numpy()),
        np.ones(len(used)),
        model.kinds,
        Settings().balance,
        Settings().seed,
    )
    stages = fit_stages(learning, "hist")
    ours, theirs = model.probabilities(values), stages.predict_proba(values)
    known = ~np.isnan(ours[:, 0])
    seconds = cpu_seconds(lambda: stages.predict_proba(values), times=1)
    return seconds, float(np.abs(ours - theirs)[known].max())


def measure() -> dict[str, Any]:
    """Make the world's season, train, map, and return the figures."""
    plan = FeaturePlan()
    with tempfile.TemporaryDirectory(prefix="heitu-crop-map-") as folder:
        cube, truth = world_season(Path(folder), plan)
    planes = plan.planes(cube)
    grid = cube.odc.geobox
    row, column = np.divmod(np.arange(truth.size), grid.width)
    even = (row // SQUARE + column // SQUARE) % 2 == 0
    rng = np.random.default_rng(1)
    pure = np.flatnonzero(even & (truth != NODATA))
    table = samples(
        grid, planes, truth, np.sort(rng.choice(pure, SAMPLES, replace=False))
    )
    before = time.process_time()
    chosen = Settings(methods=("hist",), block_km=1.0)
    trained = train(table, plan, chosen, simulated=True)
    train_s = time.process_time() - before
    model = trained.model
    found = model.label(planes)
    seconds = cpu_seconds(lambda: model.label(planes))
    arrays = [cube[name].values for name in plan.variables]
    bare = {name: cube[name].isel(y=slice(0), x=slice(0)) for name in plan.variables}
    whole = cpu_seconds(lambda: map_block(model, bare, arrays))
    some = planes.values(rng.choice(truth.size, ASKED, replace=False))
    sklearn_s, difference = against_sklearn(table, trained, some)
    tested = np.flatnonzero(~even & (truth != NODATA) & (found.label != NODATA))
    accuracy = Accuracy.of(
        found.label[tested], truth[tested], method="other squares", years=[YEAR]
    )
    codes = (0, *model.kinds)
    return {
        "pixels": truth.size,
        "features": len(plan.names),
        "pixels_per_cpu_s": round(truth.size / seconds),
        "crop_share": round(float(np.isin(found.label, model.kinds).mean()), 3),
        "with_extrapolation_per_cpu_s": round(truth.size / whole),
        "sklearn_pixels_per_cpu_s": round(ASKED / sklearn_s),
        "over_sklearn": round(truth.size / seconds / (ASKED / sklearn_s), 1),
        "max_difference": difference,
        "train_s": round(train_s, 1),
        "samples": SAMPLES,
        "macro_f1": round(accuracy.macro_f1(codes), 4),
        "overall_accuracy": round(accuracy.overall.value, 4),
        "cross_validated": round(model.accuracy["blocks"].overall.value, 4),
        "simulated": True,
    }


if __name__ == "__main__":
    print(json.dumps(measure()))
