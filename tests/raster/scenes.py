"""Tiny scenes on disk for the tests of this room."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from raster.cog import write_cog
from raster.grid import lonlat_bounds

UTM = "EPSG:32651"
PLAIN = {"raster:bands": [{"scale": 0.0001, "offset": 0.0}]}


def grid(
    height: int = 3, width: int = 3, *, resolution: float = 10, east: float = 0
) -> GeoBox:
    """Grid in UTM 51N whose upper left corner is (600000 + east, 4800000)."""
    return GeoBox.from_bbox(
        (
            600_000 + east,
            4_800_000 - height * resolution,
            600_000 + east + width * resolution,
            4_800_000,
        ),
        UTM,
        resolution=resolution,
    )


def write_scene(
    folder: Path,
    when: str,
    *,
    red: object,
    nir: object,
    scl: object = 4,
    geobox: GeoBox | None = None,
    scl_geobox: GeoBox | None = None,
    item_id: str = "",
    calibration: Mapping[str, Any] = PLAIN,
    properties: Mapping[str, Any] | None = None,
    others: Mapping[str, tuple[object, GeoBox]] | None = None,
) -> pystac.Item:
    """Write B04, B08, SCL and `others` (arrays, or one number for all) and the item."""
    geobox = geobox or grid()
    bands = {
        "B04": (red, geobox),
        "B08": (nir, geobox),
        "SCL": (scl, scl_geobox or geobox),
        **(others or {}),
    }
    item = _item(item_id or f"S2_{when[:10]}", when, geobox, properties)
    for name, (values, where) in bands.items():
        dtype = np.uint8 if name == "SCL" else np.uint16
        path = folder / f"{item.id}_{name}.tif"
        write_cog(path, _full(values, where, dtype), where, nodata=0)
        fields = {} if name == "SCL" else dict(calibration)
        item.add_asset(name, pystac.Asset(str(path), extra_fields=fields))
    return item


def write_hls(
    folder: Path, when: str, *, red: object, nir: object, fmask: object = 0
) -> pystac.Item:
    """Write B04, B8A (int16, nodata -9999) and Fmask of an HLS S30 granule."""
    item = _item(f"HLS.S30.T51TXJ.{when}.v2.0", when, grid(), None)
    for name, values, dtype, nodata in (
        ("B04", red, np.int16, -9999),
        ("B8A", nir, np.int16, -9999),
        ("Fmask", fmask, np.uint8, 255),
    ):
        path = folder / f"{item.id}_{name}.tif"
        write_cog(path, _full(values, grid(), dtype), grid(), nodata=nodata)
        item.add_asset(name, pystac.Asset(str(path)))
    return item


def write_landsat(
    folder: Path, when: str, *, red: object, nir: object, qa: object = 21824
) -> pystac.Item:
    """Write red, nir08 and qa_pixel of a Landsat 9 Collection 2 scene."""
    scaled = {"raster:bands": [{"scale": 0.0000275, "offset": -0.2}]}
    item = _item("LC09_L2SP_118029_20260502_02_T1", when, grid(), None)
    for name, values, nodata in (
        ("red", red, 0),
        ("nir08", nir, 0),
        ("qa_pixel", qa, 1),
    ):
        path = folder / f"{item.id}_{name}.tif"
        write_cog(path, _full(values, grid(), np.uint16), grid(), nodata=nodata)
        fields = {} if name == "qa_pixel" else scaled
        item.add_asset(name, pystac.Asset(str(path), extra_fields=fields))
    return item


def flip_one_bit(path: Path) -> None:
    """Change one bit in the middle of a COG's first block."""
    with rasterio.open(path) as file:
        start, size = (
            int(file.get_tag_item(f"BLOCK_{what}_0_0", "TIFF", bidx=1))
            for what in ("OFFSET", "SIZE")
        )
    content = bytearray(path.read_bytes())
    content[start + size // 2] ^= 128
    path.write_bytes(content)


def _item(
    item_id: str, when: str, geobox: GeoBox, properties: Mapping[str, Any] | None
) -> pystac.Item:
    return pystac.Item(
        item_id,
        geometry=None,
        bbox=list(lonlat_bounds(geobox)),
        datetime=datetime.fromisoformat(
            when if "T" in when else f"{when}T02:30:00+00:00"
        ),
        properties=dict(properties or {}),
    )


def _full(values: object, geobox: GeoBox, dtype: Any) -> NDArray[Any]:
    return np.broadcast_to(np.asarray(values, dtype), geobox.shape).copy()
