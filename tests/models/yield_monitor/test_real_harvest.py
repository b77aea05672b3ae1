"""Cleaning a real harvest: gartner.corn of the University of Minnesota, 4,949 points.

The published yields, re-computed by hand from the logger's columns with the full swath
everywhere, have the field mean 133.5 bu/ac at 15.5 % moisture.
"""

from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pytest

from models.yield_monitor import (
    Cleaned,
    DelayStatus,
    Settings,
    clean,
    field_mean,
    flow_kg_s,
    grid_for,
    grid_points,
    reason_table,
    yield_t_ha,
)
from raster.coverage import coverage
from raster.zone_sums import zone_statistics

BU_AC = float(yield_t_ha(1.0, unit="bu/ac", crop="maize"))


def logged(folder: Path) -> pd.DataFrame:
    raw = pd.read_csv(folder / "gartner.corn.raw.csv")
    return pd.DataFrame(
        {
            "lon": raw["Longitude"],
            "lat": raw["Latitude"],
            "time_s": raw["Time"] - raw["Time"].iloc[0],
            "interval_s": raw["Cycles"].astype(float),
            "distance_m": raw["Distance"] * 0.0254,
            "swath_m": raw["Swath"] * 0.0254,
            "flow_kg_s": flow_kg_s(raw["Flow"], unit="lb/s"),
            "moisture": raw["Moisture"],
        }
    )


@pytest.fixture(scope="module")
def cleaned(shared_data: Path) -> Cleaned:
    table = logged(shared_data / "yield_monitor")
    return clean(table, crop="maize", settings=Settings(basis=15.5))


def test_yields_with_the_full_swath_are_the_published_ones(shared_data: Path) -> None:
    table = logged(shared_data / "yield_monitor").assign(swath_m=9.144)
    points = clean(table, settings=Settings(basis=15.5)).points
    assert points["raw_t_ha"].mean() / BU_AC == pytest.approx(133.5, abs=0.1)
    assert points["raw_t_ha"].median() / BU_AC == pytest.approx(136.6, abs=0.1)


def test_the_field_mean_stays_what_it_was(cleaned: Cleaned) -> None:
    mean = field_mean(cleaned)
    assert mean.mean / BU_AC == pytest.approx(133.5, rel=0.03)
    assert mean.lower / BU_AC < 133.5 < mean.upper / BU_AC
    # 67.64 acres with the full swath; less where the header cut a part of it.
    assert mean.area_ha == pytest.approx(67.64 * 0.40468564, rel=0.015)


def test_all_partial_swaths_are_treated_and_no_row_is_lost(cleaned: Cleaned) -> None:
    assert len(cleaned.points) == 4949
    told = reason_table(cleaned).set_index("code")["points"]
    assert told["partial_swath"] == 34
    assert told["time_back"] == 2
    assert 0.9 < told["good"] / 4949 < 0.96


def test_this_export_was_freed_of_its_delay_before(cleaned: Cleaned) -> None:
    assert cleaned.delay.status is DelayStatus.NONE_SEEN
    assert cleaned.delay.pairs > 10_000


def test_a_delay_put_into_it_is_found(shared_data: Path) -> None:
    table = logged(shared_data / "yield_monitor")
    late = table.assign(flow_kg_s=table["flow_kg_s"].shift(4, fill_value=0.0))
    # The log has a row every 3 s: nearer than that no shift can come.
    assert clean(late).delay.seconds == pytest.approx(12, abs=3)


def test_neighbours_agree_better_than_before(cleaned: Cleaned) -> None:
    good = cleaned.points[cleaned.marks.good]
    assert good["yield_t_ha"].std() < 0.75 * cleaned.points["raw_t_ha"].std()


def test_soil_units_of_the_grid(cleaned: Cleaned, shared_data: Path) -> None:
    grid = grid_points(cleaned, grid_for(cleaned))
    assert grid.count.sum() == cleaned.marks.good.sum()
    mean = np.average(grid.mean[grid.count > 0], weights=grid.count[grid.count > 0])
    assert mean == pytest.approx(field_mean(cleaned).mean, rel=0.01)
    soil = geopandas.read_file(
        shared_data / "yield_monitor" / "gartner_soil" / "gartner.corn.shp"
    )
    zones = zone_statistics(grid.mean, coverage(grid.geobox, list(soil.geometry)))
    by_soil = zones["mean"].to_numpy()
    assert np.isfinite(by_soil).sum() >= 5
    assert np.nanmin(by_soil) > 4
    assert np.nanmax(by_soil) < 11
