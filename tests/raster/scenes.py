"""Tiny scenes on disk for the tests of this room."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pystac
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
) -> pystac.Item:
    """Write B04, B08, SCL (arrays or one number for all) and give the item."""
    geobox = geobox or grid()
    scl_geobox = scl_geobox or geobox
    moment = datetime.fromisoformat(when if "T" in when else f"{when}T02:30:00+00:00")
    item = pystac.Item(
        item_id or f"S2_{when[:10]}",
        geometry=None,
        bbox=list(lonlat_bounds(geobox)),
        datetime=moment,
        properties=dict(properties or {}),
    )
    for name, values, where in (
        ("B04", red, geobox),
        ("B08", nir, geobox),
        ("SCL", scl, scl_geobox),
    ):
        path = folder / f"{item.id}_{name}.tif"
        write_cog(path, _full(values, where, name), where, nodata=0)
        fields = {} if name == "SCL" else dict(calibration)
        item.add_asset(name, pystac.Asset(str(path), extra_fields=fields))
    return item


def _full(values: object, geobox: GeoBox, name: str) -> NDArray[Any]:
    dtype = np.uint8 if name == "SCL" else np.uint16
    return np.broadcast_to(np.asarray(values, dtype), geobox.shape).copy()
