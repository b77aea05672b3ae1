"""Orthomosaics of drones: whatever bands they have, and only what their files say."""

import hashlib
import shutil
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp
from rasterio.transform import from_origin

from ingest.errors import PropertyInvalid
from ingest.folders import FolderSource
from tests.ingest.folders.builders import (
    LEFT,
    TOP,
    offered,
    pixels,
    reason,
    search,
    texture,
    wanted,
    write_raster,
)
from tests.ingest.wording import english

FLIGHT = {"TIFFTAG_DATETIME": "2026:07:08 10:31:00"}
RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)


def mosaic(
    path: Path,
    bands: int = 3,
    *,
    dtype: str = "uint8",
    colours: tuple[ColorInterp, ...] = (),
    descriptions: tuple[str, ...] = (),
    scales: tuple[float, ...] = (),
    metres: float = 0.05,
    tags: dict[str, str] = FLIGHT,
    crs: str | None = "EPSG:32651",
    nodata: float | None = None,
) -> Any:
    """Write a mosaic; of an alpha band the left half is clear."""
    array = np.stack([texture(80, seed=band, dtype=dtype) for band in range(bands)])
    if ColorInterp.alpha in colours:
        array[colours.index(ColorInterp.alpha)] = 255
        array[colours.index(ColorInterp.alpha), :, :40] = 0
        array[0, 0, 79] = 0
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=bands,
        height=80,
        width=80,
        dtype=dtype,
        crs=crs,
        transform=from_origin(LEFT, TOP, metres, metres),
        nodata=nodata,
    ) as raster:
        if colours:
            raster.colorinterp = colours
        raster.descriptions = descriptions or raster.descriptions
        raster.scales = scales or raster.scales
        raster.update_tags(**tags)
        raster.write(array)
    return array


def test_three_colours(tmp_path: Path) -> None:
    array = mosaic(tmp_path / "field-7.tif", colours=RGB)
    offer = offered(tmp_path)
    assert offer.collection == "drone"
    assert offer.acquired == datetime(2026, 7, 8, 2, 31, tzinfo=UTC)
    assert offer.properties == {"platform": "drone", "heitu:calibrated": False}
    assert list(offer.bands) == ["red", "green", "blue"]
    assert offer.bands["green"].scale is None
    file = FolderSource(tmp_path).fetch(offer, "green", clip=None, folder=tmp_path)
    assert np.array_equal(pixels(file.path), array[1])
    assert file.nodata is None


def test_names_in_the_file(tmp_path: Path) -> None:
    names = ("Blue (475 nm)", "Green", "RED", "Red edge", "NIR", "panchro")
    mosaic(tmp_path / "a.tif", 6, dtype="uint16", descriptions=names)
    keys = ["blue", "green", "red", "rededge", "nir", "band_6"]
    assert list(offered(tmp_path).bands) == keys


def test_bands_without_names_keep_their_numbers(tmp_path: Path) -> None:
    mosaic(tmp_path / "a.tif", 2, dtype="uint16")
    assert list(offered(tmp_path).bands) == ["band_1", "band_2"]


def test_same_name_twice(tmp_path: Path) -> None:
    mosaic(tmp_path / "a.tif", 2, dtype="uint16", descriptions=("red", "red 650"))
    assert list(offered(tmp_path).bands) == ["red", "band_2"]


def test_scale_of_the_file_counts_as_calibration(tmp_path: Path) -> None:
    mosaic(tmp_path / "a.tif", 2, dtype="uint16", scales=(0.0001, 0.0001))
    offer = offered(tmp_path)
    assert offer.properties["heitu:calibrated"] is True
    assert offer.bands["band_2"].scale == 0.0001
    assert offer.bands["band_2"].offset == 0


@pytest.mark.parametrize(
    ("dtype", "wider", "nodata"),
    [
        ("uint8", "int16", -32768),
        ("uint16", "int32", -2147483648),
        ("int16", "int32", -2147483648),
    ],
)
def test_alpha_becomes_nodata_and_zero_stays(
    tmp_path: Path, dtype: str, wider: str, nodata: int
) -> None:
    array = mosaic(
        tmp_path / "a.tif", 4, dtype=dtype, colours=(*RGB, ColorInterp.alpha)
    )
    offer = offered(tmp_path)
    assert list(offer.bands) == ["red", "green", "blue"]
    assert offer.bands["red"].nodata == nodata
    file = FolderSource(tmp_path).fetch(offer, "red", clip=None, folder=tmp_path)
    written = pixels(file.path)
    assert (file.dtype, file.nodata) == (wider, nodata)
    assert (written[:, :40] == nodata).all()
    assert np.array_equal(written[:, 40:], array[0][:, 40:])
    assert written[0, 79] == 0


def test_alpha_beside_floats(tmp_path: Path) -> None:
    colours = (*RGB, ColorInterp.alpha)
    array = mosaic(tmp_path / "a.tif", 4, dtype="float32", colours=colours)
    offer = offered(tmp_path)
    file = FolderSource(tmp_path).fetch(offer, "blue", clip=None, folder=tmp_path)
    written = pixels(file.path)
    assert np.isnan(written[:, :40]).all()
    assert np.array_equal(written[:, 40:], array[2][:, 40:])


def test_internal_mask_becomes_nodata(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    array = mosaic(path, colours=RGB)
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "r+") as raster,
    ):
        raster.write_mask(np.arange(80 * 80).reshape(80, 80) % 80 >= 20)
    offer = offered(tmp_path)
    file = FolderSource(tmp_path).fetch(offer, "red", clip=None, folder=tmp_path)
    written = pixels(file.path)
    assert (written[:, :20] == -32768).all()
    assert np.array_equal(written[:, 20:], array[0][:, 20:])


def test_nodata_of_the_file_stays(tmp_path: Path) -> None:
    mosaic(tmp_path / "a.tif", colours=RGB, nodata=0)
    offer = offered(tmp_path)
    assert offer.bands["red"].nodata == 0
    file = FolderSource(tmp_path).fetch(offer, "red", clip=None, folder=tmp_path)
    assert (file.dtype, file.nodata) == ("uint8", 0)


def test_time_that_is_given_wins(tmp_path: Path) -> None:
    mosaic(tmp_path / "a.tif")
    flown = datetime(2026, 7, 9, 2, 0, tzinfo=UTC)
    (offer,) = FolderSource(tmp_path, acquired=flown).search(wanted()).offers
    assert offer.acquired == flown


def test_time_without_zone(tmp_path: Path) -> None:
    with pytest.raises(PropertyInvalid, match="no timezone"):
        FolderSource(tmp_path, acquired=datetime(2026, 7, 9))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"crs": None}, "has no coordinate reference system"),
        ({"tags": {}}, "does not say when it was flown (TIFFTAG_DATETIME is missing)"),
        ({"tags": {"TIFFTAG_DATETIME": "July"}}, "TIFFTAG_DATETIME is July"),
        (
            {"dtype": "uint32", "bands": 4, "colours": (*RGB, ColorInterp.alpha)},
            "numbers of type uint32",
        ),
    ],
)
def test_mosaics_that_cannot_be_used(
    tmp_path: Path, changed: dict[str, Any], says: str
) -> None:
    mosaic(tmp_path / "a.tif", **changed)
    assert says in english(reason(tmp_path))


def test_name_that_cannot_be_an_id(tmp_path: Path) -> None:
    mosaic(tmp_path / "东地块.tif")
    assert "东地块: this name cannot be an id" in english(reason(tmp_path))


def test_file_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    mosaic(path)
    path.write_bytes(path.read_bytes()[:6])
    assert "cannot be opened" in english(reason(tmp_path))


def test_maps_are_no_mosaics(tmp_path: Path) -> None:
    mosaic(tmp_path / "dem.tif", 1, metres=30)
    write_raster(
        tmp_path / "soil.tif", texture(9), metres=0.01, left=124, crs="EPSG:4326"
    )
    assert search(tmp_path).offers == ()
    assert search(tmp_path).refused == ()


def test_coarse_mosaic_that_is_named(tmp_path: Path) -> None:
    mosaic(tmp_path / "plane.tif", metres=2.5)
    assert offered(tmp_path / "plane.tif").item_id.startswith("plane-2026")


def test_id_tells_time_and_content(tmp_path: Path) -> None:
    path = tmp_path / "field-7.tif"
    mosaic(path)
    content = path.read_bytes()
    # Shorter than a MiB: its first and its last are both the whole file.
    digest = hashlib.sha256(b"%d" % len(content) + content + content).hexdigest()
    assert offered(tmp_path).item_id == f"field-7-20260708T023100-{digest[:8]}"


def test_two_flights_of_one_name_are_two_items(tmp_path: Path) -> None:
    for day in ("01", "08"):
        (tmp_path / day).mkdir()
        tags = {"TIFFTAG_DATETIME": f"2026:07:{day} 10:31:00"}
        mosaic(tmp_path / day / "ortho.tif", tags=tags)
    found = search(tmp_path)
    assert [offer.acquired.day for offer in found.offers] == [1, 8]
    assert len({offer.item_id for offer in found.offers}) == 2
    assert found.refused == ()


def test_two_mosaics_of_one_time_are_two_items(tmp_path: Path) -> None:
    for bands in (3, 4):
        (tmp_path / str(bands)).mkdir()
        mosaic(tmp_path / str(bands) / "ortho.tif", bands)
    assert len({offer.item_id for offer in search(tmp_path).offers}) == 2


def test_same_file_thrice_is_one_item(tmp_path: Path) -> None:
    mosaic(tmp_path / "ortho.tif")
    (tmp_path / "copy").mkdir()
    shutil.copy(tmp_path / "ortho.tif", tmp_path / "copy")
    with zipfile.ZipFile(tmp_path / "copy.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.write(tmp_path / "ortho.tif", "ortho.tif")
    with tarfile.open(tmp_path / "copy.tar", "w") as tar:
        tar.add(tmp_path / "ortho.tif", "ortho.tif")
    assert offered(tmp_path).item_id == offered(tmp_path / "copy.zip").item_id
    assert offered(tmp_path / "copy.tar").item_id == offered(tmp_path).item_id


def test_name_too_long_for_an_id(tmp_path: Path) -> None:
    mosaic(tmp_path / f"{'a' * 190}.tif")
    assert "200 characters" in english(reason(tmp_path))
