"""The declared inputs, and the lazy map over a season's blocks."""

import json
from datetime import date
from typing import Any

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from models.crop_map import CropMapModel, crop_map
from models.crop_map.classes import NODATA
from models.crop_map.cube import CELL
from models.crop_map.errors import FeatureMismatch
from models.crop_map.features import FeaturePlan
from models.crop_map.training import Settings, train
from tests.models.crop_map.made_up import FOUR, PLAN, features, table
from tests.models.messages import refused

SHAPE = (40, 50)
GRID = GeoBox.from_bbox(
    (600_000, 4_800_000, 600_500, 4_800_400), "EPSG:32651", resolution=10
)


@pytest.fixture(scope="module")
def model() -> CropMapModel:
    settings = Settings(methods=("hist",), least_samples=10)
    return train(table(FOUR), PLAN, settings, simulated=True).model


def season(*, clear: int = 1, chunk: int = 16, **attributes: Any) -> xr.Dataset:
    """A season of a country of maize, with gaps, as `raster.season.season` makes it."""
    rng = np.random.default_rng(6)
    steps, (height, width) = len(PLAN.steps()), SHAPE
    values = features(["maize"] * height * width, rng, gaps=0.1)
    stored = np.where(np.isnan(values), -32768, np.rint(values * 1e4)).astype(np.int16)
    cube = stored.T.reshape(-1, height, width)
    said = {"_FillValue": np.int16(-32768), "scale_factor": 1e-4, "units": "1"}

    def lazy(array: NDArray[Any]) -> da.Array:
        sides = (*array.shape[:-2], chunk, chunk)
        return da.from_array(array, chunks=sides)  # type: ignore[no-untyped-call,no-any-return]

    count = np.full((steps, height, width), clear, np.uint8)
    count[:, :3, :4] = 0
    return xr.Dataset(
        {
            "ndvi_smooth": (("time", "y", "x"), lazy(cube[:steps]), said),
            "clear_count": (("time", "y", "x"), lazy(count), {"units": "1"}),
            "peak": (("y", "x"), lazy(cube[steps]), said),
            "integral": (("y", "x"), lazy(cube[steps + 1]), said),
        },
        coords=xr_coords(GRID, always_yx=True),
        attrs={"simulated": 0, "lineage": "{}", **attributes},
    )


def test_features_are_named_by_the_first_day_of_their_step() -> None:
    plan = FeaturePlan(series=("ndvi", "lswi_smooth"), metrics=("peak",))
    assert len(plan.names) == 2 * 21 + 1
    assert plan.names[0] == "ndvi_0401"
    assert plan.names[20] == "ndvi_1021"
    assert plan.names[-2:] == ("lswi_smooth_1021", "peak")


def test_a_season_over_the_new_year_ends_in_its_year() -> None:
    plan = FeaturePlan(first=(10, 1), last=(6, 30))
    assert plan.window(2026) == (date(2025, 10, 1), date(2026, 6, 30))


def test_a_plan_is_read_as_it_was_described() -> None:
    plan = FeaturePlan(series=("evi2",), step=10, last=(8, 31))
    assert FeaturePlan.of(json.loads(json.dumps(plan.described()))) == plan


def test_values_are_physical_and_nan_where_the_season_has_nodata() -> None:
    cube = season().compute()
    values = PLAN.planes(cube).values(slice(None))
    stored = cube["peak"].values.ravel()
    expected = np.where(stored == -32768, np.nan, stored * 1e-4)
    np.testing.assert_allclose(values[:, 7], expected, rtol=1e-6)


def test_a_pixel_seen_in_fewer_than_a_third_of_the_steps_is_not_clear() -> None:
    counts = np.zeros((7, 4), np.uint8)
    # 7 / 3 = 2.33: three steps suffice, however often each was seen.
    for pixel, steps in enumerate((0, 2, 3, 7)):
        counts[:steps, pixel] = 9
    assert PLAN.often_seen(counts).tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        (lambda cube: cube.drop_vars("peak"), "no variable peak"),
        (lambda cube: cube.isel(time=slice(5)), "5 steps, the plan 7"),
        (lambda cube: cube.assign(peak=cube["peak"] * 1.0), "peak is float64"),
    ],
)
def test_a_season_of_another_kind_is_refused(changed: Any, match: str) -> None:
    with refused(FeatureMismatch, match=match):
        PLAN.planes(changed(season().compute()))


def test_steps_that_differ_from_year_to_year_are_refused() -> None:
    with refused(FeatureMismatch, match="differ from year to year"):
        FeaturePlan(step="date").steps()


def test_a_plan_that_asks_for_nothing_is_refused() -> None:
    with refused(FeatureMismatch, match="needs inputs"):
        FeaturePlan(series=(), metrics=())


@pytest.mark.parametrize("wrong", [{"least_clear": 1.5}, {"most_missing": 1}])
def test_shares_above_one_are_refused(wrong: dict[str, Any]) -> None:
    with refused(FeatureMismatch, match="give shares"):
        FeaturePlan(**wrong)


# The map.


def test_the_map_of_blocks_is_the_map_of_the_whole(model: CropMapModel) -> None:
    whole = model.label(PLAN.planes(season().compute()))
    found = crop_map(season(chunk=16), model).compute(scheduler="synchronous")
    np.testing.assert_array_equal(found["crop"], whole.label.reshape(SHAPE))
    np.testing.assert_array_equal(found["probability"], whole.percent.reshape(SHAPE))


def test_pixels_without_enough_clear_data_are_nodata_in_all_layers(
    model: CropMapModel,
) -> None:
    found = crop_map(season(), model).compute(scheduler="synchronous")
    for name in ("crop", "probability", "extrapolation"):
        assert found[name].dtype == np.uint8
        assert (found[name].values[:3, :4] == NODATA).all()
        assert found[name].attrs["_FillValue"] == NODATA
    assert (found["crop"].values[10:, 10:] == 1).mean() > 0.8


def test_extrapolation_is_that_of_the_pixel_in_the_middle_of_a_square(
    model: CropMapModel,
) -> None:
    cube = season(chunk=CELL)
    found = crop_map(cube, model)["extrapolation"].compute(scheduler="synchronous")
    middle = 24 * SHAPE[1] + 24
    values = PLAN.planes(cube.compute()).values(np.array([middle]))
    expected = np.rint(100 * model.applicability.index(values)[0])
    square = found.values[16:32, 16:32]
    assert set(np.unique(square)) <= {expected, NODATA}


@pytest.mark.parametrize(("scenes", "expected"), [(0, 1), (1, 1)])
def test_a_map_of_simulated_samples_is_simulated(
    model: CropMapModel, scenes: int, expected: int
) -> None:
    assert crop_map(season(simulated=scenes), model).attrs["simulated"] == expected


def test_a_season_that_lacks_a_variable_is_refused_at_once(model: CropMapModel) -> None:
    with refused(FeatureMismatch, match="no variable integral"):
        crop_map(season().drop_vars("integral"), model)
