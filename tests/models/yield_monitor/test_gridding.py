import numpy as np
import pandas as pd
import pytest

from models.yield_monitor import Settings, clean, grid_for, grid_points
from raster import GridInvalid
from tests.models.yield_monitor.harvests import harvest

PLAIN = Settings(delay=0, start=0, end=0)


def test_pixels_hold_mean_count_and_standard_error() -> None:
    table = harvest(passes=2, length=100, noise=0.0)
    cleaned = clean(table, settings=PLAIN)
    grid = grid_points(cleaned, grid_for(cleaned, resolution=1000.0))
    (row,), (col,) = np.nonzero(grid.count)
    yields = cleaned.points["yield_t_ha"]
    assert grid.count[row, col] == len(table) == 50
    assert grid.mean[row, col] == pytest.approx(yields.mean(), rel=1e-6)
    error = yields.std(ddof=1) / np.sqrt(50)
    assert grid.standard_error[row, col] == pytest.approx(error, rel=1e-5)


def test_a_pixel_of_one_point_has_no_standard_error() -> None:
    cleaned = clean(harvest(passes=2, length=100), settings=PLAIN)
    grid = grid_points(cleaned, grid_for(cleaned, resolution=2.0))
    assert (grid.count == 1).any()
    assert np.isnan(grid.standard_error[grid.count == 1]).all()
    assert np.isnan(grid.mean[grid.count == 0]).all()


def test_the_grid_is_in_the_zone_of_the_field() -> None:
    assert str(grid_for(clean(harvest(passes=1))).crs) == "EPSG:32651"


def test_a_harvest_without_good_points_has_no_grid() -> None:
    nothing = clean(harvest(passes=1).assign(flow_kg_s=-1.0))
    with pytest.raises(GridInvalid, match=r"no point .* is good.* · 没有"):
        grid_for(nothing)


def test_points_off_the_grid_do_not_count() -> None:
    cleaned = clean(harvest(passes=4, length=100), settings=PLAIN)
    part = grid_for(cleaned)[3:6, :]
    assert 0 < grid_points(cleaned, part).count.sum() < len(cleaned.good)


def test_an_index_of_any_kind_is_kept() -> None:
    table = harvest(passes=2)
    table.index = pd.Index([f"r{i}" for i in range(len(table))])
    assert clean(table).points.index.equals(table.index)
