"""A combine's harvest from a file or the store, and what is written of it cleaned."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from api.errors import ApiError
from models.yield_monitor import (
    Cleaned,
    DelayStatus,
    FieldMean,
    MeanStatus,
    grid_for,
    grid_points,
    reason_table,
)
from raster.cog import write_cog
from raster.files import replace_file

if TYPE_CHECKING:
    from api.settings import Settings
    from store.ground import MonitorPoint

__all__ = [
    "DELAY_WORDING",
    "MEAN_WORDING",
    "Harvest",
    "HarvestUnknown",
    "SeveralHarvests",
    "harvest_of_dataset",
    "harvest_of_file",
    "write_harvest",
]

DELAY_WORDING = {
    DelayStatus.ESTIMATED: "estimated from opposite passes 由相邻往返作业行估计",
    DelayStatus.GIVEN: "as given 按给定值",
    DelayStatus.NONE_SEEN: "none to be seen in the points 未见延迟",
    DelayStatus.TOO_FEW_NEIGHBOURS: (
        "not estimated, too few opposite passes 往返作业行太少，未估计"
    ),
    DelayStatus.AT_EDGE: "not estimated, no clear minimum 无明确最小值，未估计",
}

MEAN_WORDING = {
    MeanStatus.OK: "ok 正常",
    MeanStatus.FEW_PASSES: (
        "fewer than three passes: no interval 作业行不足三条，无法给出区间"
    ),
    MeanStatus.NO_POINTS: "no good point: no mean 没有有效点，无法计算单产",
}


class HarvestUnknown(ApiError):
    """Neither a file nor an import of yield-monitor points."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name!r} is no file and no import of yield-monitor points: give a path, "
            "or the id that `heitu ingest monitor` stored it under"
            f" · {name} 既不是文件，也不是已导入的测产数据集，请检查"
        )


class SeveralHarvests(ApiError):
    """Points of several years or crops."""

    def __init__(self, what: str, values: Sequence[object]) -> None:
        listed = ", ".join(map(str, values))
        super().__init__(
            f"the points are of several {what}: {listed}. Clean one harvest at a time"
            f" · 测产点包含多个年份或作物：{listed}，请分开清洗"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Harvest:
    """Points of one harvest, as `models.yield_monitor.clean` takes them."""

    name: str
    table: pd.DataFrame
    crop: str | None
    left_out: int
    simulated: bool
    attribution: str | None = None
    licence: str | None = None


def harvest_of_file(
    path: Path,
    *,
    year: int | None,
    crop: str | None,
    swath: str | None,
    basis: float,
    units: Sequence[str] | None,
    columns: Sequence[str] | None,
    simulated: bool,
    reading: Mapping[str, Any],
) -> Harvest:
    """Read a logger's file as `heitu ingest monitor` does, wherever the field lies.

    Raises
    ------
    ingest.ground.errors.GroundError
        The file cannot be taken.
    SeveralHarvests
        It holds more than one year or crop.
    """
    from ingest.boundaries import jilin_counties
    from ingest.ground.headers import pairs
    from ingest.ground.monitor import length_m, take_monitor
    from ingest.ground.places import Places
    from ingest.ground.vector import read_layer

    layer = read_layer(
        path, columns=pairs(columns or (), option="--columns"), **reading
    )
    intake = take_monitor(
        layer,
        Places(jilin_counties(), anywhere=True),
        year=year,
        crop=crop,
        swath_m=None if swath is None else length_m(swath),
        basis=basis,
        units=pairs(units or (), option="--units"),
        simulated=simulated,
    )
    points = sorted(intake.records, key=lambda point: point.row)
    return _harvest(path.stem, points, left_out=intake.rows - len(points))


def harvest_of_dataset(name: str, settings: "Settings", *, crop: str | None) -> Harvest:
    """Take the points of an import from the store.

    Raises
    ------
    HarvestUnknown
        There is no such import.
    SeveralHarvests
        It holds more than one year or crop.
    """
    from ingest.ground.crops import crop_of
    from store import ground, open_store

    with (
        open_store(data=settings.data, url=settings.url) as store,
        store.connection() as conn,
    ):
        known = {one.dataset_id: one for one in ground.datasets(conn, kind="monitor")}
        if name not in known:
            raise HarvestUnknown(name)
        points = ground.find(conn, ground.MONITOR, dataset_id=name)
    dataset = known[name]
    harvest = _harvest(name, points, left_out=0)
    return Harvest(
        name=name,
        table=harvest.table,
        crop=harvest.crop or (None if crop is None else crop_of(crop)),
        left_out=0,
        simulated=harvest.simulated or dataset.simulated,
        attribution=dataset.attribution,
        licence=dataset.licence,
    )


def _harvest(name: str, points: Sequence["MonitorPoint"], *, left_out: int) -> Harvest:
    from models.yield_monitor import COLUMNS

    kept = (*COLUMNS, "elevation_m", "row", "year", "crop", "flag", "reason")
    table = pd.DataFrame(
        [{column: getattr(point, column) for column in kept} for point in points],
        columns=list(kept),
    )
    table = table.astype(dict.fromkeys((*COLUMNS, "elevation_m"), np.float64))
    for what in ("year", "crop"):
        values = sorted(table[what].dropna().unique().tolist())
        if len(values) > 1:
            raise SeveralHarvests(f"{what}s", values)
    crops = table["crop"].dropna()
    return Harvest(
        name=name,
        table=table.rename(columns={"reason": "import_reason"}),
        crop=None if crops.empty else str(crops.iloc[0]),
        left_out=left_out,
        simulated=any(point.simulated for point in points),
    )


def write_harvest(
    folder: Path,
    harvest: Harvest,
    cleaned: Cleaned,
    mean: FieldMean,
    *,
    resolution: float,
    picture: bool,
) -> None:
    """Write points.csv, points.gpkg, summary.csv, summary.json, yield.tif, yield.png.

    The raster has three bands of float32: mean (t/ha), count, standard error (t/ha).
    Without a good point there is neither raster nor picture.
    """
    import geopandas

    folder.mkdir(parents=True, exist_ok=True)
    points = cleaned.points.assign(simulated=harvest.simulated)
    _write_table(folder / "points.csv", points)
    _write_table(folder / "summary.csv", reason_table(cleaned))
    places = geopandas.points_from_xy(points["lon"], points["lat"], crs="EPSG:4326")
    # GDAL appends to a GeoPackage that is there.
    (folder / "points.gpkg").unlink(missing_ok=True)
    geopandas.GeoDataFrame(points, geometry=places).to_file(folder / "points.gpkg")
    account = json.dumps(_account(harvest, cleaned, mean), ensure_ascii=False, indent=1)
    replace_file(folder / "summary.json", account.encode())
    if mean.points:
        grid = grid_points(cleaned, grid_for(cleaned, resolution=resolution))
        count = np.where(grid.count > 0, grid.count, np.nan).astype(np.float32)
        write_cog(
            folder / "yield.tif",
            np.stack([grid.mean, count, grid.standard_error]),
            grid.geobox,
            nodata=float("nan"),
            descriptions=["yield t/ha", "points", "standard error t/ha"],
            tags={"simulated": str(harvest.simulated).lower()},
        )
    if mean.points and picture:
        from api.yield_monitor_picture import draw_harvest

        replace_file(folder / "yield.png", draw_harvest(harvest, cleaned, mean))


def _write_table(path: Path, table: pd.DataFrame) -> None:
    # Excel takes UTF-8 for the local code page unless the file starts with the mark.
    replace_file(path, table.to_csv(index=False).encode("utf-8-sig"))


def _account(harvest: Harvest, cleaned: Cleaned, mean: FieldMean) -> dict[str, Any]:
    told = reason_table(cleaned)
    counts = dict(zip(told["code"], told["points"].tolist(), strict=True))
    numbers = {
        name: None if isinstance(value, float) and np.isnan(value) else value
        for name, value in asdict(mean).items()
    }
    return {
        "source": harvest.name,
        "crop": harvest.crop,
        "simulated": harvest.simulated,
        "licence": harvest.licence,
        "attribution": harvest.attribution,
        "unit": "t/ha",
        "moisture_basis": cleaned.basis,
        "delay_s": cleaned.delay.seconds,
        "delay_status": str(cleaned.delay.status),
        "pass_start_s": cleaned.start_s,
        "pass_end_s": cleaned.end_s,
        "rows_left_out": harvest.left_out,
        "points": counts,
        "field": numbers,
    }
