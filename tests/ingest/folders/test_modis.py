"""MODIS 13Q1 from HDF4-EOS, read by pyhdf, and from GeoTIFF exports."""

import sys
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from ingest.folders import FolderSource, ReaderMissing
from ingest.stac_item import footprint
from tests.ingest.folders.builders import offered, pixels, reason, search, write_raster
from tests.ingest.wording import english

NAME = "MOD13Q1.A2026177.h26v04.061.2026194051203"
SIZE = 48
# Tile h26v04 of the MODIS sinusoidal grid: 8 tiles east of the middle, 5 to the north.
EDGE = 1111950.5197665233
LEFT, TOP = 8 * EDGE, 5 * EDGE
STRUCTURE = f"""GROUP=SwathStructure
END_GROUP=SwathStructure
GROUP=GridStructure
	GROUP=GRID_1
		GridName="MODIS_Grid_16DAY_250m_500m_VI"
		XDim={SIZE}
		YDim={SIZE}
		UpperLeftPointMtrs=({LEFT:.6f},{TOP:.6f})
		LowerRightMtrs=({LEFT + EDGE:.6f},{TOP - EDGE:.6f})
		Projection=GCTP_SNSOID
		ProjParams=(6371007.181000,0,0,0,0,0,0,0,0,0,0,0,0)
		SphereCode=-1
"""
LAYERS = {
    "NDVI": ("int16", -3000, -2000, 10_000, 10_000.0),
    "EVI": ("int16", -3000, -2000, 10_000, 10_000.0),
    "VI Quality": ("uint16", 65535, 0, 65_534, None),
    "pixel reliability": ("int8", -1, 0, 4, None),
    "composite day of the year": ("int16", -1, 1, 366, None),
}
# Codes of the HDF4 types.
TYPES = {"int8": 20, "int16": 22, "uint16": 23, "float32": 5}


def numbers(layer: str, dtype: str) -> Any:
    _, fill, low, high, _ = LAYERS[layer]
    values = np.random.default_rng(len(layer)).integers(low, high, (SIZE, SIZE))
    values[:5, :7] = fill
    return values.astype(dtype)


def hdf(
    folder: Path,
    *,
    structure: str = STRUCTURE,
    scale: float | None = None,
    fill: int | None = None,
    dtype: str | None = None,
) -> Path:
    sd = pytest.importorskip("pyhdf.SD", reason="pyhdf reads HDF4")
    path = folder / f"{NAME}.hdf"
    file = sd.SD(str(path), sd.SDC.WRITE | sd.SDC.CREATE)
    file.attr("StructMetadata.0").set(sd.SDC.CHAR, structure)
    for layer, (usual, usual_fill, _, _, usual_scale) in LAYERS.items():
        kind = dtype or usual
        data = file.create(f"250m 16 days {layer}", TYPES[kind], (SIZE, SIZE))
        data.attr("_FillValue").set(TYPES[usual], (usual_scale and fill) or usual_fill)
        if usual_scale:
            data.attr("scale_factor").set(sd.SDC.FLOAT64, scale or usual_scale)
        data[:] = numbers(layer, kind)
        data.endaccess()
    file.end()
    return path


def test_tile_in_hdf(tmp_path: Path) -> None:
    path = hdf(tmp_path)
    offer = offered(tmp_path)
    assert (offer.collection, offer.item_id) == ("modis-13Q1-061", NAME)
    assert offer.acquired == datetime(2026, 6, 26, tzinfo=UTC)
    assert offer.properties == {
        "platform": "terra",
        "instruments": ["modis"],
        "start_datetime": "2026-06-26T00:00:00Z",
        "end_datetime": "2026-07-11T23:59:59Z",
    }
    ndvi = offer.bands["ndvi"]
    assert (ndvi.scale, ndvi.offset, ndvi.nodata) == (0.0001, 0.0, -3000)
    assert sorted(offer.bands) == [
        "composite_day",
        "evi",
        "ndvi",
        "pixel_reliability",
        "vi_quality",
    ]
    # As GDAL names it, where it has the driver.
    assert ndvi.href == (
        f'HDF4_EOS:EOS_GRID:"{path}":MODIS_Grid_16DAY_250m_500m_VI:250m 16 days NDVI'
    )


def test_footprint_is_that_of_the_tile(tmp_path: Path) -> None:
    hdf(tmp_path)
    # h26v04: 40 to 50 N, 80 to 90 degrees at the equator, divided by the cosine.
    west, south, east, north = offered(tmp_path).footprint.bounds
    assert (south, north) == pytest.approx((40, 50), abs=1e-3)
    assert west == pytest.approx(80 / np.cos(np.radians(40)), abs=1e-3)
    assert east == pytest.approx(90 / np.cos(np.radians(50)), abs=1e-3)


@pytest.mark.parametrize(
    ("key", "layer"),
    [
        ("ndvi", "NDVI"),
        ("vi_quality", "VI Quality"),
        ("pixel_reliability", "pixel reliability"),
    ],
)
def test_numbers_are_those_of_the_hdf(tmp_path: Path, key: str, layer: str) -> None:
    hdf(tmp_path)
    offer = offered(tmp_path)
    file = FolderSource(tmp_path).fetch(offer, key, clip=None, folder=tmp_path)
    expected = numbers(layer, LAYERS[layer][0])
    assert np.array_equal(pixels(file.path), expected)
    assert pixels(file.path).dtype == expected.dtype
    assert file.geobox.affine.c == pytest.approx(LEFT)
    assert file.geobox.resolution.x == pytest.approx(EDGE / SIZE)


def test_clip_of_a_tile(tmp_path: Path) -> None:
    hdf(tmp_path)
    offer = offered(tmp_path)
    clip = (114.0, 43.01, 116.0, 44.99)
    file = FolderSource(tmp_path).fetch(offer, "ndvi", clip=clip, folder=tmp_path)
    assert footprint(file.geobox).covers(shapely.box(*clip))
    # 1.98 degrees are 220.2 km, cut out of ten pixels of 23.166 km that end at 45 N.
    assert file.geobox.shape[0] == 10


def test_sixteen_days_count(tmp_path: Path) -> None:
    hdf(tmp_path)
    for start, end, count in (
        (date(2026, 7, 11), date(2026, 7, 20), 1),
        (date(2026, 7, 12), date(2026, 7, 20), 0),
        (date(2026, 6, 1), date(2026, 6, 26), 1),
        (date(2026, 6, 1), date(2026, 6, 25), 0),
    ):
        assert len(search(tmp_path, start=start, end=end).offers) == count


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"structure": "GROUP=GridStructure"}, "does not give StructMetadata.0/XDim"),
        ({"structure": STRUCTURE.replace("SNSOID", "GEO")}, "sinusoidal grid"),
        ({"structure": STRUCTURE.replace("6371007", "6378137")}, "sinusoidal grid"),
        ({"scale": 100.0}, "scale of NDVI is 100.0 instead of 10000.0"),
        ({"fill": -1000}, "fill value of NDVI is -1000 instead of -3000"),
        ({"dtype": "float32"}, "type of NDVI is unknown instead of int16"),
    ],
)
def test_hdf_that_contradicts_the_specification(
    tmp_path: Path, changed: dict[str, Any], says: str
) -> None:
    hdf(tmp_path, **changed)
    assert says in english(reason(tmp_path))


def test_hdf_that_was_cut_off(tmp_path: Path) -> None:
    path = hdf(tmp_path)
    path.write_bytes(path.read_bytes()[:2000])
    assert f"{path.name}: cannot be read as HDF4" in english(reason(tmp_path))


def test_without_pyhdf_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hdf(tmp_path)
    offer = offered(tmp_path)
    monkeypatch.setitem(sys.modules, "pyhdf.SD", None)
    assert 'pip install "heitu[modis]"' in english(reason(tmp_path))
    with pytest.raises(ReaderMissing, match="pip install"):
        FolderSource(tmp_path).fetch(offer, "ndvi", clip=None, folder=tmp_path)


def test_hdf_in_a_zip(tmp_path: Path) -> None:
    path = hdf(tmp_path)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(path, path.name)
    path.unlink()
    assert "unpack it" in english(reason(tmp_path))


def export(folder: Path, layer: str, **changed: Any) -> Path:
    dtype, fill = LAYERS[layer][:2]
    path = folder / f"{NAME}_250m_16_days_{layer.replace(' ', '_')}.tif"
    array = numbers(layer, changed.get("dtype", dtype))
    write_raster(path, array, metres=250, nodata=changed.get("nodata", fill))
    return path


def test_geotiff_exports(tmp_path: Path) -> None:
    for layer in ("NDVI", "EVI", "VI Quality", "pixel reliability"):
        export(tmp_path, layer)
    offer = offered(tmp_path)
    assert sorted(offer.bands) == ["evi", "ndvi", "pixel_reliability", "vi_quality"]
    assert offer.bands["evi"].scale == 0.0001
    file = FolderSource(tmp_path).fetch(offer, "ndvi", clip=None, folder=tmp_path)
    assert np.array_equal(pixels(file.path), numbers("NDVI", "int16"))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"dtype": "float32"}, "type of NDVI is float32 instead of int16"),
        ({"nodata": 0}, "fill value of NDVI is 0.0 instead of -3000"),
    ],
)
def test_export_that_was_changed(
    tmp_path: Path, changed: dict[str, Any], says: str
) -> None:
    export(tmp_path, "NDVI", **changed)
    assert says in english(reason(tmp_path))
