"""One band of any file GDAL reads becomes a COG, or an error that names the file."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.windows import Window

from ingest import convert as module
from ingest.convert import clip_window, convert
from ingest.source_errors import ClipOutside, SourceUnreadable
from tests.ingest.rasters import CRS, LEFT, NAMES, TOP, degrees, numbers, pixels, write
from tests.ingest.wording import english


def _convert(source: Path, target: Path, **options: object) -> object:
    given = {
        "clip": None,
        "nodata": 0,
        "scale": 1e-4,
        "offset": -0.1,
        "overview_resampling": "average",
    }
    return convert(str(source), target, **(given | options))  # type: ignore[arg-type]


@pytest.mark.parametrize("driver", ["COG", "GTiff", "JP2OpenJPEG"])
def test_every_pixel_arrives_bit_for_bit(tmp_path: Path, driver: str) -> None:
    array = numbers(1100, 1300)
    source = write(tmp_path / f"in.{NAMES[driver]}", array, driver=driver)
    _convert(source, tmp_path / "B04.tif")
    np.testing.assert_array_equal(pixels(tmp_path / "B04.tif"), array)


def test_the_result_is_a_zstd_cog_that_says_what_its_numbers_mean(
    tmp_path: Path,
) -> None:
    source = write(tmp_path / "in.tif", numbers(600, 700))
    _convert(source, tmp_path / "B04.tif")
    with rasterio.open(tmp_path / "B04.tif") as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.profile["compress"] == "zstd"
        assert (file.nodata, file.scales, file.offsets) == (0, (1e-4,), (-0.1,))


def test_a_large_band_passes_through_a_file_with_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = numbers(1500, 700)
    source = write(tmp_path / "in.jp2", array, driver="JP2OpenJPEG")
    monkeypatch.setattr(module, "IN_MEMORY", 1)
    _convert(source, tmp_path / "B04.tif")
    np.testing.assert_array_equal(pixels(tmp_path / "B04.tif"), array)


def test_a_clip_gives_whole_pixels_that_hold_it(tmp_path: Path) -> None:
    array = numbers(400, 500)
    source = write(tmp_path / "in.tif", array)
    clip = degrees(rows=(100.5, 200.5), columns=(50.5, 300.5))
    _convert(source, tmp_path / "B04.tif", clip=clip)
    with rasterio.open(tmp_path / "B04.tif") as file:
        column = round((file.transform.c - LEFT) / 10)
        row = round((TOP - file.transform.f) / 10)
        inside = array[row : row + file.height, column : column + file.width]
        np.testing.assert_array_equal(file.read(1), inside)
    assert 99 <= row <= 101
    assert 49 <= column <= 53
    assert inside.shape >= (99, 245)


def test_one_band_of_several_is_taken(tmp_path: Path) -> None:
    array = np.stack([numbers(64, 64, seed=seed) for seed in (1, 2, 3)])
    source = write(tmp_path / "in.tif", array)
    _convert(source, tmp_path / "nir.tif", index=3)
    np.testing.assert_array_equal(pixels(tmp_path / "nir.tif"), array[2])


def test_the_window_of_a_rectangle_larger_than_the_grid_is_the_grid() -> None:
    grid = GeoBox((20, 30), rasterio.Affine(10, 0, LEFT, 0, -10, TOP), CRS)
    assert clip_window(grid, (100, 20, 140, 60), href="x") == Window(0, 0, 30, 20)


def test_a_place_beside_the_file_is_an_error_that_says_so(tmp_path: Path) -> None:
    source = write(tmp_path / "in.tif", numbers(64, 64))
    with pytest.raises(ClipOutside) as caught:
        _convert(source, tmp_path / "B04.tif", clip=(10, 50, 11, 51))
    assert "in.tif has no pixel in 10-11" in english(str(caught.value))
    assert not (tmp_path / "B04.tif").exists()


@pytest.mark.parametrize("kept", [0.5, 0.98])
@pytest.mark.parametrize("driver", ["GTiff", "JP2OpenJPEG"])
def test_a_file_that_was_cut_off_is_never_taken_for_whole(
    tmp_path: Path, driver: str, kept: float
) -> None:
    path = tmp_path / f"in.{NAMES[driver]}"
    source = write(path, numbers(600, 600), driver=driver)
    source.write_bytes(source.read_bytes()[: int(source.stat().st_size * kept)])
    with pytest.raises(SourceUnreadable) as caught:
        _convert(source, tmp_path / "B04.tif")
    assert caught.value.href == str(source)
    assert not (tmp_path / "B04.tif").exists()


def test_a_file_without_crs_has_no_place_on_earth(tmp_path: Path) -> None:
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        source = write(tmp_path / "in.tif", numbers(8, 8), crs=None, transform=None)
    with (
        pytest.warns(rasterio.errors.NotGeoreferencedWarning),
        pytest.raises(SourceUnreadable) as caught,
    ):
        _convert(source, tmp_path / "B04.tif")
    assert "no coordinate reference system" in english(str(caught.value))


def test_a_band_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    source = write(tmp_path / "in.tif", numbers(8, 8))
    with pytest.raises(SourceUnreadable, match="has 1 bands, not 2"):
        _convert(source, tmp_path / "B04.tif", index=2)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match=r"nowhere\.tif"):
        _convert(tmp_path / "nowhere.tif", tmp_path / "B04.tif")
