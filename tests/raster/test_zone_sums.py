"""Statistics over zones: hand cases, exactextract and numpy, statuses."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import shapely
import xarray as xr
from exactextract import exact_extract  # type: ignore[import-untyped]
from exactextract.operation import Operation  # type: ignore[import-untyped]
from exactextract.raster import NumPyRasterSource  # type: ignore[import-untyped]
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry

from raster.coverage import coverage
from raster.errors import GridInvalid, SettingInvalid
from raster.zone_status import STATUS_WORDING, ZoneStatus
from raster.zone_sums import statistics, zone_statistics
from raster.zone_totals import zone_totals
from tests.raster.scenes import UTM, grid
from tests.raster.test_coverage import DEGREES, FINE, MIDDLE, star

NODATA = -32768
NINE = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 10]], np.int16)
STARS = [star(1), star(2), star(3)]
QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.77, 1.0)


def noise(
    dtype: Any = np.int16, *, dates: int = 4, geobox: GeoBox = FINE
) -> NDArray[Any]:
    """(time, y, x) with a third of no data, the last date all of it."""
    rng = np.random.default_rng(5)
    values = rng.integers(0, 60, (dates, *geobox.shape)).astype(dtype)
    if np.dtype(dtype).kind == "f":
        values += rng.normal(size=values.shape).astype(dtype)
    empty = np.nan if np.dtype(dtype).kind == "f" else 99
    values[rng.random(values.shape) < 1 / 3] = empty
    values[-1] = empty
    return values


def exact(
    plane: NDArray[Any],
    polygons: Sequence[BaseGeometry],
    stats: Sequence[str],
    *,
    geobox: GeoBox = FINE,
    weights: NDArray[Any] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Return what exactextract finds in a plane whose no data is NaN."""
    features = [
        {"type": "Feature", "geometry": shapely.geometry.mapping(p), "properties": {}}
        for p in polygons
    ]
    extent = geobox.boundingbox.bbox
    source = NumPyRasterSource(plane.astype(np.float64), *extent)
    by = None if weights is None else NumPyRasterSource(weights, *extent)
    operations = []
    for i, stat in enumerate(stats):
        name, _, q = stat.rstrip(")").partition("(q=")
        options = {"q": q} if q else {}
        operations.append(Operation(name, f"<{i}>", source, by, options))
    found = exact_extract(source, features, operations, weights=by)
    # A quantile's field gets its percent appended.
    rows = [sorted(feature["properties"].items()) for feature in found]
    columns = np.array([[value for _, value in row] for row in rows], np.float64)
    return dict(zip(stats, columns.T, strict=True))


def decoded(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.where(values == 99, np.nan, values.astype(np.float64))


def test_nine_pixels_by_hand() -> None:
    result = zone_statistics(NINE, coverage(DEGREES, [MIDDLE]))

    # The corners count a quarter, the edges a half.
    total = (1 + 3 + 7 + 10) / 4 + (2 + 4 + 6 + 8) / 2 + 5
    assert result["sum"].item() == total == 20.25
    assert result["mean"].item() == 20.25 / 4
    assert result["weight"].item() == 4
    assert result["status"].item() == "ok"


def test_a_pixel_without_data_does_not_count() -> None:
    values = NINE.copy()
    values[1, 1] = NODATA

    result = zone_statistics(values, coverage(DEGREES, [MIDDLE]), nodata=NODATA)

    assert result["mean"].item() == (20.25 - 5) / 3
    assert result["share"].item() == 0.75
    assert result["status"].item() == "partial"


def test_scale_and_offset_make_physical_values() -> None:
    result = zone_statistics(
        NINE,
        coverage(DEGREES, [MIDDLE]),
        scale=0.5,
        offset=100,
        quantiles=[0, 1],
        edges=[100, 102, 105],
    )

    assert result["mean"].item() == 100 + 5.0625 / 2
    assert result["sum"].item() == 4 * 100 + 20.25 / 2
    assert result["quantile"].values.tolist() == [[100.5, 105]]
    # Below 102: 1, 2, 3; the last bin holds its upper edge, 10 * 0.5 + 100.
    assert result["histogram"].values.tolist() == [[1.0, 3.0]]
    assert result["bin_upper"].values.tolist() == [102, 105]


@pytest.mark.parametrize("dtype", ["int16", "uint8", "int32", "float32", "float64"])
def test_mean_sum_and_count_are_those_of_exactextract(dtype: str) -> None:
    values = noise(dtype)

    result = zone_statistics(values, coverage(FINE, STARS), nodata=99)

    for date in range(3):
        theirs = exact(decoded(values[date]), STARS, ["mean", "sum", "count"])
        at = result.isel(time=date)
        np.testing.assert_allclose(at["mean"], theirs["mean"], rtol=1e-6)
        np.testing.assert_allclose(at["sum"], theirs["sum"], rtol=1e-6)
        np.testing.assert_allclose(at["weight"], theirs["count"], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32", "float64"])
def test_quantiles_are_those_of_exactextract(dtype: str) -> None:
    values = noise(dtype)

    result = zone_statistics(
        values, coverage(FINE, STARS), nodata=99, quantiles=QUANTILES
    )

    asked = [f"quantile(q={q})" for q in QUANTILES]
    for date in range(3):
        theirs = exact(decoded(values[date]), STARS, asked)
        ours = result["quantile"].isel(time=date).values
        np.testing.assert_allclose(ours.T, list(theirs.values()), rtol=1e-6)


def test_quantiles_of_values_far_apart() -> None:
    # Too far for counting: these are sorted.
    values = np.array([[-30000, 2, 3], [4, 32000, 6], [7, 8, 10]], np.int16)
    weights = coverage(DEGREES, [MIDDLE])

    result = zone_statistics(values, weights, quantiles=QUANTILES)

    asked = [f"quantile(q={q})" for q in QUANTILES]
    theirs = exact(values, [MIDDLE], asked, geobox=DEGREES)
    np.testing.assert_allclose(
        result["quantile"].values[0], np.ravel([*theirs.values()])
    )


def test_quantiles_of_distinct_equal_weights_are_those_of_numpy() -> None:
    everything = coverage(DEGREES, [shapely.box(0, 0, 3, 3)])

    result = zone_statistics(NINE, everything, quantiles=QUANTILES)

    np.testing.assert_allclose(
        result["quantile"].values[0], np.quantile(NINE, QUANTILES)
    )


@pytest.mark.parametrize("dtype", ["int16", "uint8", "int32", "float64"])
def test_histograms_are_those_of_numpy(dtype: str) -> None:
    values, edges = noise(dtype), [5, 10, 30.5, 120]
    weights = coverage(FINE, STARS)

    result = zone_statistics(values, weights, nodata=99, edges=edges)

    shares = weights.matrix().toarray().reshape(-1, *FINE.shape)
    for date in range(3):
        plane = decoded(values[date])
        for zone in range(3):
            expected, _ = np.histogram(plane, edges, weights=shares[zone])
            ours = result["histogram"].isel(time=date, zone=zone)
            np.testing.assert_allclose(ours, expected, rtol=1e-6)


def test_an_edge_in_physical_units_means_the_whole_number_behind_it() -> None:
    values = np.array([[6, 7, 8]] * 3, np.int16)
    everything = coverage(DEGREES, [shapely.box(0, 0, 3, 3)])

    # 0.07 / 0.01 is a little above 7.
    result = zone_statistics(values, everything, scale=0.01, edges=[0, 0.07, 0.1])

    assert result["histogram"].values.tolist() == [[3, 6]]


def test_weights_are_those_of_exactextract() -> None:
    values = noise("int16")
    fraction = np.random.default_rng(8).random(FINE.shape).astype(np.float32)

    result = zone_statistics(values, coverage(FINE, STARS), nodata=99, weights=fraction)

    for date in range(3):
        theirs = exact(
            decoded(values[date]),
            STARS,
            ["weighted_mean", "weighted_sum"],
            weights=fraction,
        )
        at = result.isel(time=date)
        np.testing.assert_allclose(at["mean"], theirs["weighted_mean"], rtol=1e-6)
        np.testing.assert_allclose(at["sum"], theirs["weighted_sum"], rtol=1e-6)


def test_classes_are_what_a_mask_gives() -> None:
    values = noise("int16")
    crops = np.random.default_rng(8).integers(0, 4, FINE.shape).astype(np.uint8)

    result = zone_statistics(
        values,
        coverage(FINE, STARS),
        nodata=99,
        classes=crops,
        codes=(3, 1),
        quantiles=[0.5],
    )

    assert result["mean"].dims == ("zone", "class", "time")
    for code in (3, 1):
        for date in range(3):
            masked = np.where(crops == code, decoded(values[date]), np.nan)
            theirs = exact(masked, STARS, ["mean", "sum", "median"])
            at = result.sel({"class": code}).isel(time=date)
            np.testing.assert_allclose(at["mean"], theirs["mean"], rtol=1e-6)
            np.testing.assert_allclose(at["sum"], theirs["sum"], rtol=1e-6)
            np.testing.assert_allclose(at["quantile"][:, 0], theirs["median"])


def test_areas_in_square_metres() -> None:
    utm = grid(4, 4)
    to_lonlat = Transformer.from_crs(UTM, "EPSG:4326", always_xy=True)
    west, south, east, north = utm.boundingbox.bbox
    part = shapely.transform(
        shapely.box(west + 5, south, east, north),
        to_lonlat.transform,
        interleaved=False,
    )
    values = np.ones((2, 4, 4), np.uint8)
    values[1, :2] = 0
    crops = np.tile(np.array([1, 1, 1, 2], np.uint8), (4, 1))

    result = zone_statistics(
        values, coverage(utm, [part]), nodata=0, classes=crops, codes=(1, 2)
    )

    # 100 km east of its meridian the scale of UTM is 0.9996 (1 + (100 / 6380)² / 2).
    square = 100 / (0.9996 * (1 + (100 / 6380) ** 2 / 2)) ** 2
    expected = np.array([[10, 5], [4, 2]]) * square
    np.testing.assert_allclose(result["area"][0], expected, rtol=2e-5)
    np.testing.assert_allclose(result["area_on_grid"][0], expected[:, 0], rtol=2e-5)


def statuses(result: xr.Dataset) -> list[Any]:
    return list(result["status"].values.tolist())


def test_no_number_without_an_honest_one() -> None:
    zones = [
        shapely.box(0, 0, 3, 3),
        shapely.box(7, 7, 9, 9),
        shapely.box(1.2, 1.2, 1.9, 1.9),
        shapely.box(2.5, 2.5, 9, 9),
        shapely.box(0, 0, 1, 1),
        shapely.box(2, 0, 4, 3),
    ]
    values = np.full((2, 3, 3), 5, np.int16)
    values[1, 2, 0] = NODATA

    result = zone_statistics(
        values,
        coverage(DEGREES, zones),
        nodata=NODATA,
        quantiles=[0.5],
        edges=[0, 10],
        zones=list("abcdef"),
    )

    assert result["zone"].values.tolist() == list("abcdef")
    assert statuses(result) == [
        ["ok", "partial"],
        ["outside", "outside"],
        ["too_small", "too_small"],
        ["too_small", "too_small"],
        ["ok", "no_data"],
        ["partial", "partial"],
    ]
    found = [[True, True], *[[False] * 2] * 3, [True, False], [True, True]]
    for name in ("mean", "sum", "area", "quantile", "histogram"):
        shown = result[name].values.reshape(6, 2)
        assert np.isfinite(shown).tolist() == found, name
    np.testing.assert_allclose(result["share"][0], [1, 8 / 9])
    np.testing.assert_allclose(result["share"][5], [0.5, 0.5])
    np.testing.assert_allclose(
        result["inside"], [1, 0, 1, 0.25 / 6.5**2, 1, 0.5], rtol=1e-6
    )
    assert np.isnan(result["area_on_grid"][[1, 2, 3]]).all()


def test_a_zone_of_exactly_one_pixel_is_large_enough() -> None:
    # Its shares are float32 and sum to 1 - 3e-8.
    weights = coverage(FINE, [shapely.box(0.281, 0.265, 0.381, 0.365)])

    result = zone_statistics(noise(), weights, nodata=99)

    assert result["status"].values[0, 0] in {"ok", "partial"}


def test_a_class_that_is_not_there() -> None:
    zones = [
        shapely.box(0, 0, 3, 3),
        shapely.box(0, 0, 1, 3),
        shapely.box(7, 7, 9, 9),
        shapely.box(0.1, 0.1, 0.9, 0.9),
    ]
    crops = np.array([[2, 2, 1], [2, 2, 1], [2, 2, 1]], np.uint8)
    fraction = np.full((3, 3), 0.5)
    fraction[1:, :2] = 0

    result = zone_statistics(
        NINE, coverage(DEGREES, zones), classes=crops, codes=(1, 2), weights=fraction
    )

    assert statuses(result) == [
        ["ok", "ok"],
        ["empty", "ok"],
        ["outside", "outside"],
        ["too_small", "too_small"],
    ]
    assert np.isnan(result["mean"].values[1, 0])
    # No crop is an area of zero, not an unknown one.
    assert result["area_on_grid"].values[1, 0] == 0
    assert np.isnan(result["area_on_grid"].values[2:]).all()


def test_less_than_a_pixel_of_a_class_is_too_small() -> None:
    zone = shapely.box(0.5, 0, 2.5, 3)
    crops = np.array([[1, 0, 0], [0, 0, 0], [0, 0, 0]], np.uint8)

    result = zone_statistics(
        NINE, coverage(DEGREES, [zone]), classes=crops, codes=(0, 1)
    )

    assert statuses(result) == [["ok", "too_small"]]
    assert np.isfinite(result["mean"].values).tolist() == [[True, False]]


def test_how_much_is_complete_can_be_said() -> None:
    values = NINE.copy()
    values[0, 0] = NODATA
    weights = coverage(DEGREES, [shapely.box(0, 0, 3, 3)])

    result = zone_statistics(values, weights, nodata=NODATA, complete=0.85)

    assert result["status"].item() == "ok"


def test_statuses_are_worded_in_both_languages() -> None:
    assert set(STATUS_WORDING) == set(ZoneStatus)
    for wording in STATUS_WORDING.values():
        assert wording.en.isascii()
        assert "\u4e00" <= wording.zh[0] <= "\u9fff"


def test_infinity_is_no_data() -> None:
    values = NINE.astype(np.float32)
    values[0] = np.nan, np.inf, -np.inf

    result = zone_statistics(values, coverage(DEGREES, [shapely.box(0, 0, 3, 3)]))

    assert result["sum"].item() == 40
    assert result["weight"].item() == 6


def test_a_zone_that_is_no_data_everywhere_has_no_quantile() -> None:
    result = zone_statistics(
        noise(), coverage(FINE, STARS), nodata=99, quantiles=[0.5], edges=[0, 60]
    )

    assert statuses(result.isel(time=-1)) == ["no_data"] * 3
    assert np.isnan(result["quantile"].isel(time=-1)).all()
    assert np.isnan(result["histogram"].isel(time=-1)).all()
    assert (result["share"].isel(time=-1) == 0).all()


@pytest.mark.parametrize("nodata", [None, -1, 300, 1.5, np.nan])
def test_a_nodata_no_value_can_equal_leaves_none_out(nodata: float | None) -> None:
    weights = coverage(DEGREES, [shapely.box(0, 0, 3, 3)])

    result = zone_statistics(
        NINE.astype(np.uint8), weights, nodata=nodata, edges=[0, 99], quantiles=[0]
    )

    assert result["sum"].item() == NINE.sum()
    assert result["histogram"].item() == 9
    assert result["quantile"].item() == 1


def test_booleans_and_half_floats_and_foreign_byte_orders() -> None:
    weights = coverage(DEGREES, [shapely.box(0, 0, 3, 3)])

    for dtype, total in (("bool", 9), ("float16", 46), (">i2", 46), (">f4", 46)):
        result = zone_statistics(NINE.astype(dtype), weights, quantiles=[1])
        assert result["sum"].item() == total


def test_settings_of_a_data_array_are_its_attributes() -> None:
    attributes = {"_FillValue": np.int16(1), "scale_factor": 0.5, "add_offset": 100.0}
    values = wrap_xr(NINE, DEGREES).assign_attrs(attributes)
    weights = coverage(DEGREES, [shapely.box(0, 0, 3, 3)])

    result = zone_statistics(values, weights)

    assert result["sum"].item() == 800 + (46 - 1) / 2
    assert zone_statistics(values, weights, nodata=2)["weight"].item() == 8


def test_dates_keep_their_names() -> None:
    days = np.array(["2026-05-01", "2026-05-11"], "datetime64[ns]")
    values = wrap_xr(np.stack([NINE, NINE]), DEGREES, time=list(days))

    result = zone_statistics(values, coverage(DEGREES, [MIDDLE]))

    assert result["mean"].dims == ("zone", "time")
    assert result["time"].values.tolist() == days.tolist()
    assert zone_statistics(values[0], coverage(DEGREES, [MIDDLE]))["mean"].dims == (
        "zone",
    )


@pytest.mark.parametrize(
    ("values", "asked", "error", "reason"),
    [
        (NINE[:, :2], {}, GridInvalid, "do not fit the coverage's grid"),
        (NINE[0], {}, GridInvalid, "do not fit the coverage's grid"),
        (NINE.astype(complex), {}, SettingInvalid, "complex128 cannot be summed"),
        (NINE, {"scale": 0}, SettingInvalid, "scale 0"),
        (NINE, {"quantiles": [1.1]}, SettingInvalid, "from 0 to 1"),
        (NINE, {"quantiles": [np.nan]}, SettingInvalid, "from 0 to 1"),
        (NINE, {"edges": [1, 1]}, SettingInvalid, "that ascend"),
        (NINE, {"edges": [1]}, SettingInvalid, "two or more"),
        (NINE, {"zones": ["a", "b"]}, SettingInvalid, "2 labels for 1 zones"),
        (NINE, {"codes": (1,)}, SettingInvalid, "codes and codes classes"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    values: NDArray[Any], asked: dict[str, Any], error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=f"{reason}.* · "):
        zone_statistics(values, coverage(DEGREES, [MIDDLE]), **asked)


def test_values_of_another_place_are_refused() -> None:
    east = GeoBox.from_bbox((1, 0, 4, 3), "EPSG:4326", resolution=1)

    with pytest.raises(GridInvalid, match=r"values lie on .* · "):
        zone_statistics(wrap_xr(NINE, east), coverage(DEGREES, [MIDDLE]))


def test_quantiles_need_tables() -> None:
    totals = zone_totals(NINE, coverage(DEGREES, [MIDDLE]))

    with pytest.raises(SettingInvalid, match="with_tables"):
        statistics(totals, quantiles=[0.5])
