import re
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import xarray as xr

from raster.errors import AssetMissing, NoScenes, SceneUnreadable, SettingInvalid
from raster.grid import ALBERS_CHINA, geobox_for, lonlat_bounds
from raster.season import SEASON_VARIABLES, season
from tests.raster.scenes import grid, write_scene

SUMMER: dict[str, Any] = {"start": date(2026, 4, 1), "end": date(2026, 10, 31)}
MAY: dict[str, Any] = {"start": date(2026, 5, 1), "end": date(2026, 5, 31)}

# NDVI 0.5 and 0.25 from whole numbers.
HALF: dict[str, Any] = {"red": 1000, "nir": 3000}
QUARTER: dict[str, Any] = {"red": 3000, "nir": 5000}


def ndvi_of(dataset: xr.Dataset) -> list[object]:
    values: list[object] = dataset.ndvi.to_numpy().tolist()
    return values


@pytest.fixture
def curve(tmp_path: Path) -> list[pystac.Item]:
    """Scenes of NDVI 0.2, 0.2, 0.4, 0.8, 0.6, 0.4, 0.4 on the centres of dekads."""
    days = ["05-06", "05-16", "05-26", "06-06", "06-16", "06-26", "07-06"]
    tenths = [2, 2, 4, 8, 6, 4, 4]
    return [
        write_scene(
            tmp_path, f"2026-{day}", red=500 * (10 - tenth), nir=500 * (10 + tenth)
        )
        for day, tenth in zip(days, tenths, strict=True)
    ]


def test_a_dekad_is_the_median_of_its_clear_observations(tmp_path: Path) -> None:
    items = [
        write_scene(tmp_path, "2026-05-01", red=1000, nir=9000, geobox=grid(1, 3)),
        write_scene(tmp_path, "2026-05-04", **HALF, geobox=grid(1, 3)),
        write_scene(
            tmp_path, "2026-05-07", **QUARTER, geobox=grid(1, 3), scl=[[5, 9, 3]]
        ),
        write_scene(
            tmp_path, "2026-05-12", **HALF, geobox=grid(1, 3), scl=[[0, 11, 7]]
        ),
    ]

    result = season(items, grid(1, 3), **MAY).compute()

    nodata = -32768
    assert ndvi_of(result) == [
        [[5000, 6500, 6500]],
        [[nodata, nodata, 5000]],
        [[nodata, nodata, nodata]],
    ]
    assert result.clear_count.to_numpy().tolist() == [
        [[3, 2, 2]],
        [[0, 0, 1]],
        [[0, 0, 0]],
    ]


def test_a_season_of_straight_lines_has_the_dates_of_its_corners(
    curve: list[pystac.Item],
) -> None:
    result = season(curve, grid(), **SUMMER, smoothing=0, threshold=0.3).compute()

    pixel = result.isel(y=1, x=1)
    # Days since 1 April; left level 0.38 of 0.2..0.8, right level 0.52 of 0.4..0.8.
    assert (int(pixel.sos), int(pixel.pos), int(pixel.eos)) == (54, 66, 80)
    assert int(pixel.peak) == 8000
    # Trapezoids over days 54-55, 55-66, 66-76, 76-80.
    area = 0.39 * 1 + 0.6 * 11 + 0.7 * 10 + 0.56 * 4
    assert int(pixel.integral) == pytest.approx(area * 50, abs=1)


def test_smoothing_fills_gaps_but_does_not_run_past_the_observations(
    curve: list[pystac.Item],
) -> None:
    thinned = [item for item in curve if item.id != "S2_2026-05-26"]

    lazy = season(thinned, grid(), **SUMMER, smoothing=10)
    result = lazy.isel(y=0, x=0).compute()

    valid = result.ndvi_smooth.to_numpy() != -32768
    assert result.ndvi.to_numpy().tolist()[5] == -32768
    assert np.flatnonzero(valid).tolist() == [3, 4, 5, 6, 7, 8, 9]
    # scipy.sparse.linalg.spsolve of (W + 10 D'D) z = W y over the 21 dekads.
    expected = [2465, 3396, 4281, 4932, 5165, 5100, 4941]
    np.testing.assert_allclose(result.ndvi_smooth.to_numpy()[3:10], expected, atol=1)


def test_two_composites_make_no_season(tmp_path: Path) -> None:
    items = [
        write_scene(tmp_path, "2026-05-06", **HALF),
        write_scene(tmp_path, "2026-06-06", **QUARTER),
    ]

    result = season(items, grid(), **SUMMER).isel(y=0, x=0).compute()

    assert (result.ndvi.to_numpy() != -32768).sum() == 2
    for name in ("ndvi_smooth", "sos", "pos", "eos", "peak", "integral"):
        assert (result[name].to_numpy() == -32768).all(), name


def test_a_pixel_never_clear_is_nodata_everywhere(curve: list[pystac.Item]) -> None:
    result = season(curve, grid(1, 2, east=20), **SUMMER).isel(y=0).compute()

    assert (result.isel(x=0).pos.to_numpy() != -32768).all()
    outside = result.isel(x=1)
    assert (outside.clear_count == 0).all()
    for name in set(SEASON_VARIABLES) - {"clear_count"}:
        assert (outside[name] == -32768).all(), name


def test_decoding_by_cf_gives_numbers_and_dates(curve: list[pystac.Item]) -> None:
    raw = season(curve, grid(1, 2, east=20), **SUMMER, smoothing=0).compute()

    result = xr.decode_cf(raw)

    np.testing.assert_allclose(result.peak, [[0.8, np.nan]], rtol=1e-6)
    assert result.pos.values[0, 0] == np.datetime64("2026-06-06")
    assert np.isnat(result.pos.values[0, 1])
    assert result.ndvi.sel(time="2026-06-01").values[0, 0] == pytest.approx(0.8)


def test_coordinates_carry_the_grid_and_the_dekads(curve: list[pystac.Item]) -> None:
    result = season(curve, grid(), **SUMMER)

    assert result.odc.geobox == grid()
    assert result.ndvi.dims == ("time", "y", "x")
    assert result.sos.dims == ("y", "x")
    assert (
        result.time.values[[0, 1, -1]].tolist()
        == np.array(
            ["2026-04-01", "2026-04-11", "2026-10-21"], "datetime64[ns]"
        ).tolist()
    )
    bounds = result.time_bnds.values[-1].astype("datetime64[D]").tolist()
    assert bounds == [date(2026, 10, 21), date(2026, 11, 1)]
    dtypes = {name: str(result[name].dtype) for name in SEASON_VARIABLES}
    assert dtypes.pop("clear_count") == "uint8"
    assert set(dtypes.values()) == {"int16"}


def test_nothing_is_read_before_it_is_asked(curve: list[pystac.Item]) -> None:
    for item in curve:
        for asset in item.assets.values():
            Path(asset.href).unlink()

    result = season(curve, grid(), **SUMMER)

    with pytest.raises(SceneUnreadable, match="of item S2_2026-05-06"):
        result.compute()


def test_counting_clear_observations_reads_only_the_classes(
    curve: list[pystac.Item],
) -> None:
    for item in curve:
        Path(item.assets["B04"].href).unlink()
        del item.assets["B08"]

    result = season(curve, grid(), **SUMMER, variables=["clear_count"]).compute()

    assert set(result.data_vars) == {"clear_count"}
    assert result.clear_count.isel(y=0, x=0).to_numpy().sum() == 7


def test_blocks_join_to_the_same_season(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    large = grid(60, 50)
    items = [
        write_scene(
            tmp_path,
            f"2026-{month:02}-{day:02}",
            red=rng.integers(200, 2000, large.shape),
            nir=rng.integers(2000, 6000, large.shape),
            scl=rng.choice([4, 5, 9], large.shape),
            geobox=large,
        )
        for month in (5, 6, 7)
        for day in (3, 13, 23)
    ]

    whole = season(items, large, **SUMMER).compute()
    blocks = season(items, large, **SUMMER, chunk=17).compute()

    xr.testing.assert_identical(whole, blocks)


def test_tiles_of_one_date_count_once_and_complete_each_other(tmp_path: Path) -> None:
    west = write_scene(tmp_path, "2026-05-02", **HALF, geobox=grid(1, 3), item_id="b")
    east = write_scene(
        tmp_path, "2026-05-02", **QUARTER, geobox=grid(1, 3, east=20), item_id="a"
    )

    result = season([east, west], grid(1, 5), **MAY, step="date", smoothing=0).compute()

    assert ndvi_of(result) == [[[5000, 5000, 5000, 2500, 2500]]]
    assert result.clear_count.to_numpy().tolist() == [[[1, 1, 1, 1, 1]]]


def test_classes_at_20_m_serve_reflectance_at_10_m(tmp_path: Path) -> None:
    item = write_scene(
        tmp_path,
        "2026-05-02",
        **HALF,
        geobox=grid(4, 4),
        scl=[[4, 9], [9, 4]],
        scl_geobox=grid(2, 2, resolution=20),
    )

    result = season([item], grid(4, 4), **MAY, variables=["clear_count"]).compute()

    assert result.clear_count.isel(time=0).to_numpy().tolist() == [
        [1, 1, 0, 0],
        [1, 1, 0, 0],
        [0, 0, 1, 1],
        [0, 0, 1, 1],
    ]


def test_the_offset_of_each_item_is_its_own(tmp_path: Path) -> None:
    shifted = {"raster:bands": [{"scale": 0.0001, "offset": -0.1}]}
    items = [
        write_scene(tmp_path, "2026-05-02", **HALF),
        write_scene(tmp_path, "2026-05-12", red=2000, nir=4000, calibration=shifted),
    ]

    result = season(items, grid(1, 1), **MAY, variables=["ndvi"]).compute()

    assert ndvi_of(result)[:2] == [[[5000]], [[5000]]]


def test_numbers_without_meaning_are_no_observation(tmp_path: Path) -> None:
    item = write_scene(
        tmp_path,
        "2026-05-02",
        red=[[0, 1000, 65535, 500, 900]],
        nir=[[3000, 0, 3000, 600, 9000]],
        geobox=grid(1, 5),
        calibration={"raster:bands": [{"scale": 0.0001, "offset": -0.1}]},
    )

    result = season([item], grid(1, 5), **MAY, step="date", smoothing=0).compute()

    # Nodata, nodata, saturated, sum not positive; -0.01 and 0.8 is clipped to 1.
    assert ndvi_of(result) == [[[-32768, -32768, -32768, -32768, 10000]]]


def test_a_season_on_another_projection_finds_the_same_values(
    curve: list[pystac.Item],
) -> None:
    around = lonlat_bounds(grid())
    albers = geobox_for(around, crs=ALBERS_CHINA, resolution=10)

    result = season(curve, albers, **SUMMER, variables=["peak"], smoothing=0).compute()

    found = result.peak.to_numpy()[result.peak.to_numpy() != -32768]
    # The scene is 3 by 3 pixels; the turned grid sees about as many.
    assert 5 <= found.size <= 14
    assert set(found.tolist()) == {8000}


def test_simulated_scenes_mark_the_season(tmp_path: Path) -> None:
    real = write_scene(tmp_path, "2026-05-02", **HALF)
    made = write_scene(
        tmp_path, "2026-05-12", **HALF, properties={"heitu:simulated": True}
    )

    assert season([real], grid(), **MAY).attrs["simulated"] == 0
    assert season([real, made], grid(), **MAY).attrs["simulated"] == 1


def test_a_corrupt_scene_is_an_error_not_a_gap(curve: list[pystac.Item]) -> None:
    path = Path(curve[2].assets["B08"].href)
    path.write_bytes(path.read_bytes()[:-60])

    with pytest.raises(SceneUnreadable, match=r"S2_2026-05-26_B08\.tif") as caught:
        season(curve, grid(), **SUMMER).compute()

    assert caught.value.item_id == "S2_2026-05-26"


def test_an_item_without_classes_is_refused_at_once(curve: list[pystac.Item]) -> None:
    del curve[3].assets["SCL"]

    with pytest.raises(AssetMissing, match="S2_2026-06-06 has no asset SCL"):
        season(curve, grid(), **SUMMER)


def test_no_scenes_is_an_error() -> None:
    with pytest.raises(NoScenes, match="no scene acquired"):
        season([], grid(), **MAY)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"variables": ["ndvi", "evj"]}, "no variable 'evj': choose an index .evi"),
        ({"variables": []}, "ask for at least one"),
        ({"step": "week"}, "unknown step 'week'"),
        ({"step": 0}, "steps of 0 days"),
        ({"composite": "mean"}, "unknown composite 'mean'"),
        ({"seasons": 3}, "3 seasons"),
        ({"cloud_buffer": -1}, "cloud buffer of -1 m"),
        ({"index": "clear_count"}, "no index 'clear_count'"),
        ({"step": "date"}, "use step='dekad', or smoothing=0"),
        ({"smoothing": -1}, "smoothing -1"),
        ({"threshold": 0}, "threshold 0"),
        ({"end": date(2025, 1, 1)}, "before it starts"),
        ({"chunk": 0}, "chunk 0"),
    ],
)
def test_settings_out_of_range_are_refused(
    curve: list[pystac.Item], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingInvalid, match=message) as caught:
        season(curve, grid(), **(SUMMER | settings))

    # Whoever sets them reads Chinese or English.
    assert re.search("[\u4e00-\u9fff]", str(caught.value).split(" · ")[1])
