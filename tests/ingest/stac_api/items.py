"""Items as the providers write them, cut down to what is read.

Their form is that of real ones: Earth Search S2B_T38XNF_20250422T091553_L2A and
S2A_31UFU_20230701_0_L2A; Planetary Computer S2B_MSIL2A_20190629T212529_R043_T06VVN_…;
Copernicus S2C_MSIL2A_20250330T100051_N0511_R122_T33UWP_…; MODIS as stactools-modis
writes MOD13Q1.A2022017.h12v11.061.…. Places and days are moved to Jilin.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from shapely.geometry import Polygon, box, mapping

from tests.ingest.stac_api.api import ItemDict

__all__ = [
    "BANDS",
    "FIELD",
    "TILE",
    "copernicus",
    "earth_search",
    "earth_search_old",
    "hls",
    "item",
    "landsat",
    "modis",
    "planetary_computer",
    "radar",
]

FIELD = box(125.30, 43.60, 125.40, 43.70)
TILE = box(124.6, 43.2, 126.0, 44.2)
# Our keys, the common names of Earth Search, metres.
BANDS = {"B04": ("red", 10), "B08": ("nir", 10), "B11": ("swir16", 20)}


def item(
    item_id: str,
    *,
    collection: str,
    properties: dict[str, Any],
    assets: dict[str, dict[str, Any]],
    place: Polygon = TILE,
) -> ItemDict:
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [],
        "id": item_id,
        "collection": collection,
        "geometry": mapping(place),
        "bbox": list(place.bounds),
        "properties": properties,
        "assets": assets,
        "links": [],
    }


def earth_search(
    day: str = "2025-06-01",
    *,
    baseline: str | None = "05.11",
    offset: float | None = -0.1,
    cloud: float = 12.5,
    place: Polygon = TILE,
    base: str = "https://e84.example/c1",
) -> ItemDict:
    """Collection 1: numbers as ESA made them."""
    stamp = day.replace("-", "")
    bands = {
        name: _asset(f"{base}/{key}.tif", metres, [_raster(metres, offset)])
        for key, (name, metres) in BANDS.items()
    }
    scl = _asset(f"{base}/SCL.tif", 20, [{"nodata": 0, "spatial_resolution": 20}])
    return item(
        f"S2B_T51TXK_{stamp}T023552_L2A",
        collection="sentinel-2-c1-l2a",
        properties={
            "datetime": f"{day}T02:40:12.345Z",
            "platform": "sentinel-2b",
            "constellation": "sentinel-2",
            "eo:cloud_cover": cloud,
            "grid:code": "MGRS-51TXK",
            "proj:code": "EPSG:32651",
            "s2:tile_id": f"S2B_OPER_MSI_L2A_TL_2BPS_{stamp}T050000_A037000_T51TXK",
            "s2:datatake_id": f"GS2B_{stamp}T023549_037000_N05.11",
            **({"s2:processing_baseline": baseline} if baseline else {}),
        },
        assets={**bands, "scl": scl},
        place=place,
    )


def earth_search_old(
    day: str = "2023-07-01", *, applied: bool | None = True, baseline: str = "05.09"
) -> ItemDict:
    """Of the first collection: the offset stands in the item, not in the file."""
    made = earth_search(day, baseline=baseline)
    made |= {"id": f"S2A_51TXK_{day.replace('-', '')}_0_L2A"}
    made |= {"collection": "sentinel-2-l2a"}
    if applied is not None:
        made["properties"]["earthsearch:boa_offset_applied"] = applied
    return made


def planetary_computer(
    day: str = "2025-06-01",
    *,
    baseline: str | None = "05.11",
    base: str = "https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2",
) -> ItemDict:
    """Neither scale nor offset; the baseline is not in the id."""
    stamp = day.replace("-", "")
    bands = {
        key: _asset(f"{base}/{key}.tif", metres) for key, (_, metres) in BANDS.items()
    }
    return item(
        f"S2B_MSIL2A_{stamp}T023549_R089_T51TXK_{stamp}T050000",
        collection="sentinel-2-l2a",
        properties={
            "datetime": f"{day}T02:35:49.024000Z",
            "platform": "Sentinel-2B",
            "constellation": "Sentinel 2",
            "eo:cloud_cover": 0.314306,
            "s2:mgrs_tile": "51TXK",
            "s2:datatake_id": f"GS2B_{stamp}T023549_037000_N05.11",
            "s2:generation_time": f"{day}T05:00:00.830Z",
            "proj:epsg": 32651,
            **({"s2:processing_baseline": baseline} if baseline else {}),
        },
        assets={**bands, "SCL": _asset(f"{base}/SCL.tif", 20)},
    )


def copernicus(
    day: str = "2025-06-01", *, baseline: str = "05.11", offset: float | None = -0.1
) -> ItemDict:
    """Every band in every resolution from its own on, on S3 and, signed in, HTTPS."""
    stamp = day.replace("-", "")
    number = baseline.replace(".", "")
    name = f"S2C_MSIL2A_{stamp}T023551_N{number}_R089_T51TXK_{stamp}T060000"
    assets = {}
    for key, (_, metres) in {**BANDS, "SCL": ("", 20)}.items():
        for coarse in (10, 20, 60):
            if coarse >= metres:
                stated = None if key == "SCL" else offset
                assets[f"{key}_{coarse}m"] = _jp2(
                    name, f"{key}_{coarse}m", coarse, stated
                )
    return item(
        name,
        collection="sentinel-2-l2a",
        properties={
            "datetime": f"{day}T02:35:51.025Z",
            "start_datetime": f"{day}T02:35:51.025Z",
            "end_datetime": f"{day}T02:35:51.025Z",
            "platform": "sentinel-2c",
            "grid:code": "MGRS-51TXK",
            "eo:cloud_cover": 86.041468,
            "eopf:datatake_id": f"GS2C_{stamp}T023551_002952_N{baseline}",
            "processing:version": baseline,
            "processing:datetime": f"{day}T06:00:00.000000Z",
            "auth:schemes": {"s3": {"type": "s3"}},
            "statistics": {"water": 0.069663},
        },
        assets=assets,
    ) | {"stac_version": "1.1.0"}


def landsat(day: str = "2025-06-02", *, scale: float = 2.75e-05) -> ItemDict:
    base = "https://landsateuwest.blob.core.windows.net/landsat-c2"
    reflectance = {"scale": scale, "offset": -0.2, "nodata": 0}
    return item(
        f"LC08_L2SP_117030_{day.replace('-', '')}_02_T1",
        collection="landsat-c2-l2",
        properties={
            "datetime": f"{day}T02:20:05.1Z",
            "platform": "landsat-8",
            "eo:cloud_cover": 30.0,
            "landsat:wrs_path": "117",
            "landsat:wrs_row": "030",
            "landsat:collection_number": "02",
            "landsat:collection_category": "T1",
        },
        assets={
            "red": _asset(f"{base}/SR_B4.TIF", 30, [reflectance]),
            "nir08": _asset(f"{base}/SR_B5.TIF", 30, [reflectance]),
            "lwir11": _asset(
                f"{base}/ST_B10.TIF",
                30,
                [{"scale": 0.00341802, "offset": 149.0, "nodata": 0}],
            ),
            "qa_pixel": _asset(f"{base}/QA_PIXEL.TIF", 30, [{"nodata": 1}]),
        },
    )


def hls() -> ItemDict:
    base = "https://hls2euwest.blob.core.windows.net/hls2/S30"
    return item(
        "HLS.S30.T51TXK.2025153T023552.v2.0",
        collection="hls2-s30",
        properties={
            "datetime": "2025-06-02T02:35:52Z",
            "platform": "sentinel-2b",
            "eo:cloud_cover": 45.0,
        },
        assets={
            key: _asset(f"{base}/{key}.tif", 30) for key in ("B04", "B8A", "Fmask")
        },
    )


def radar() -> ItemDict:
    base = "https://sentinel1euwestrtc.blob.core.windows.net/sentinel1-grd-rtc"
    band = {"nodata": -32768, "data_type": "float32", "spatial_resolution": 10.0}
    return item(
        "S1A_IW_GRDH_1SDV_20250602T214500_20250602T214525_059465_0761A2_rtc",
        collection="sentinel-1-rtc",
        properties={
            "datetime": "2025-06-02T21:45:12Z",
            "platform": "SENTINEL-1A",
            "sat:orbit_state": "descending",
            "sat:relative_orbit": 105,
        },
        assets={
            "vv": _asset(f"{base}/iw-vv.rtc.tiff", 10, [band]),
            "vh": _asset(f"{base}/iw-vh.rtc.tiff", 10, [band]),
        },
    )


def modis(start: str = "2025-05-25", *, scale: float = 0.0001) -> ItemDict:
    """A composite of 16 days: no datetime."""
    base = "https://modiseuwest.blob.core.windows.net/modis-061-cogs"
    first = datetime.fromisoformat(start).replace(tzinfo=UTC)
    last = first + timedelta(days=15)
    scaled = {"NDVI", "EVI"}
    layers = (*scaled, "VI_Quality", "composite_day_of_the_year", "pixel_reliability")
    return item(
        f"MOD13Q1.A{first:%Y%j}.h26v04.061.{last:%Y%j}034512",
        collection="modis-13Q1-061",
        properties={
            "datetime": None,
            "start_datetime": f"{first:%Y-%m-%d}T00:00:00Z",
            "end_datetime": f"{last:%Y-%m-%d}T23:59:59Z",
            "platform": "terra",
            "modis:horizontal-tile": 26,
            "modis:vertical-tile": 4,
        },
        assets={
            f"250m_16_days_{name}": {
                "href": f"{base}/{name}.tif",
                "raster:bands": [{"scale": scale} if name in scaled else {}],
            }
            for name in layers
        },
    )


def _raster(metres: int, offset: float | None) -> dict[str, Any]:
    band = {"nodata": 0, "data_type": "uint16", "spatial_resolution": metres}
    if offset is None:
        return band
    return {**band, "scale": 0.0001, "offset": offset}


def _asset(
    href: str, metres: int, bands: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    transform = [float(metres), 0, 600000, 0, -float(metres), 4900020]
    asset = {"href": href, "roles": ["data"], "proj:transform": transform}
    return asset | ({} if bands is None else {"raster:bands": bands})


def _jp2(name: str, key: str, metres: int, offset: float | None) -> dict[str, Any]:
    path = f"{name}.SAFE/GRANULE/IMG_DATA/R{metres}m/T51TXK_{key}.jp2"
    zipper = "https://zipper.dataspace.copernicus.eu/odata/v1/Products(bf1711dc)"
    raster = {} if offset is None else {"raster:scale": 0.0001, "raster:offset": offset}
    return {
        "href": f"s3://eodata/Sentinel-2/MSI/L2A/{path}",
        "type": "image/jp2",
        "alternate": {"https": {"href": f"{zipper}/Nodes({key})/$value"}},
        "file:size": 118933074,
        "file:checksum": "1620" + "1d" * 32,
        "gsd": metres,
        "nodata": 0,
        **raster,
    }
