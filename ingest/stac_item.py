"""STAC items for files that were just written, without touching the disk.

Extensions: projection 2.0 (grid), raster 1.1 (`raster:bands`: scale, offset,
nodata), eo 1.1 (`eo:bands`, cloud cover) and file 2.1 (checksum, size), the
versions pystac speaks and odc-stac, stackstac and rio-tiler read.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pystac
import shapely
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pystac.extensions.eo import Band, EOExtension
from pystac.extensions.file import FileExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import (
    DataType,
    NoDataStrings,
    RasterBand,
    RasterExtension,
    Sampling,
)
from pystac.utils import datetime_to_str
from shapely.geometry import Polygon, mapping

from ingest.band import BandFile
from ingest.errors import BandInvalid, PropertyInvalid
from ingest.storage import StoredFile

__all__ = ["Interval", "ItemFile", "build_item", "check_grids", "footprint"]

# Common name and centre wavelength in um of Sentinel-2 MSI bands (ESA,
# Sentinel-2 User Handbook; names of the eo extension 1.1).
SENTINEL2_BANDS = {
    "B01": ("coastal", 0.443),
    "B02": ("blue", 0.490),
    "B03": ("green", 0.560),
    "B04": ("red", 0.665),
    "B05": ("rededge", 0.704),
    "B06": ("rededge", 0.740),
    "B07": ("rededge", 0.783),
    "B08": ("nir", 0.842),
    "B8A": ("nir08", 0.865),
    "B09": ("nir09", 0.945),
    "B11": ("swir16", 1.610),
    "B12": ("swir22", 2.190),
}
SOURCE = "heitu:source"

Interval = tuple[datetime, datetime]

# HLS has bands of the same names, and its B05 is not the same everywhere: only beside
# the classes of Sentinel-2 do the names mean the above.
SENTINEL2_MASK = "SCL"

# Straight edges of a 600 km grid bend in degrees; 64 chords stay within 2 m, and
# points that bend an edge by less than 1e-5 degree (1 m) are dropped again.
FOOTPRINT_CHORDS = 64
FOOTPRINT_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class ItemFile:
    """A file of an item: what it means, how it was stored, how many bands it has."""

    band: BandFile
    stored: StoredFile
    count: int = 1


def build_item(
    *,
    collection: str,
    item_id: str,
    acquired: datetime | None,
    geobox: GeoBox,
    files: Mapping[str, ItemFile],
    properties: Mapping[str, Any],
    outline: shapely.Geometry | None = None,
    interval: Interval | None = None,
) -> pystac.Item:
    """Describe written files as a STAC 1.1 item with relative links.

    Parameters
    ----------
    collection, item_id : str
        Ids, equal to the names of the folders the item lies in.
    acquired : datetime or None
        Timezone-aware acquisition time, stored in UTC. None for what has a time
        range, which `interval` then gives.
    geobox : GeoBox
        Grid of the item; footprint and bbox in EPSG:4326 are taken from it.
    files : mapping of str to ItemFile
        The files by asset key, all in the CRS of `geobox`.
    properties : mapping
        Further item properties, e.g. ``eo:cloud_cover`` in percent.
    outline : Geometry, optional
        Where the pixels are, EPSG:4326: its part within the grid is the geometry.
    interval : (datetime, datetime), optional
        First and last moment, timezone-aware, stored in UTC.

    Returns
    -------
    pystac.Item
        Asset hrefs are relative (``./B04.tif``); no self link.

    Raises
    ------
    PropertyInvalid
        There is no time or one without timezone, or `outline` is not on the grid.
    BandInvalid
        No files, or one in another CRS than `geobox`.
    """
    check_grids(item_id, geobox, {key: file.band.geobox for key, file in files.items()})
    place = _place(item_id, geobox, outline)
    item = pystac.Item(
        id=item_id,
        geometry=mapping(place),
        bbox=list(place.bounds),
        datetime=None if acquired is None else _utc(item_id, acquired),
        properties={**properties, **_times(item_id, acquired, interval)},
        collection=collection,
    )
    _describe_grid(item, geobox)
    for key, file in files.items():
        _add_asset(item, key, file)
    if SENTINEL2_MASK in files:
        _name_bands(item)
    _add_links(item)
    return item


def footprint(geobox: GeoBox) -> Polygon:
    """Outline of a grid in EPSG:4326, its edges densified before projecting."""
    extent = geobox.extent.geom
    step = max(extent.bounds[2] - extent.bounds[0], extent.bounds[3] - extent.bounds[1])
    dense = shapely.segmentize(extent, step / FOOTPRINT_CHORDS)
    project = _crs(geobox).transformer_to_crs("EPSG:4326")
    outline = shapely.transform(dense, project, interleaved=False)
    return shapely.simplify(outline, FOOTPRINT_TOLERANCE)


def check_grids(item_id: str, geobox: GeoBox, grids: Mapping[str, GeoBox]) -> None:
    """See that bands can stand in one item.

    Raises
    ------
    BandInvalid
        No bands, or a band in another CRS than `geobox`.
    """
    if not grids:
        raise BandInvalid(
            f"{item_id}: no bands; give at least one"
            f" · {item_id}：没有波段，请至少给出一个"
        )
    for key, grid in grids.items():
        if grid.crs != geobox.crs:
            raise BandInvalid(
                f"{item_id} {key}: band in {grid.crs}, item in {geobox.crs}; "
                "bring the bands to one CRS first"
                f" · {item_id} {key}：波段坐标系为 {grid.crs}，影像为 {geobox.crs}，"
                "请先统一坐标系"
            )


def _place(
    item_id: str, geobox: GeoBox, outline: shapely.Geometry | None
) -> shapely.Geometry:
    """Footprint of the grid, or the polygons of `outline` that lie within it."""
    grid = footprint(geobox)
    if outline is None:
        return grid
    within = shapely.intersection(shapely.make_valid(outline), grid)
    # Where only edges touch, an intersection is a line or a point.
    parts = shapely.get_parts(shapely.get_parts(within))
    polygons = [part for part in parts if isinstance(part, Polygon) and part.area]
    if not polygons:
        raise PropertyInvalid(
            f"{item_id}: its footprint {outline.bounds} is not on its grid "
            f"{grid.bounds} (degrees); check both"
            f" · {item_id}：影像轮廓 {outline.bounds} 不在其格网 {grid.bounds} 内，"
            "请检查"
        )
    # GeoJSON (RFC 7946) wants outer rings counter-clockwise.
    return shapely.orient_polygons(shapely.union_all(polygons))


def _times(
    item_id: str, acquired: datetime | None, interval: Interval | None
) -> dict[str, str]:
    if interval is None:
        if acquired is None:
            raise PropertyInvalid(
                f"{item_id}: no time; give when it was acquired, or the first and last "
                f"moment · {item_id}：没有时间，请给出获取时间或起止时间"
            )
        return {}
    start, end = (_utc(item_id, moment) for moment in interval)
    if end < start:
        raise PropertyInvalid(
            f"{item_id}: ends {end.isoformat()}, before it starts {start.isoformat()}: "
            f"change one of the two · {item_id}：结束时间早于开始时间，请更正"
        )
    return {
        "start_datetime": datetime_to_str(start),
        "end_datetime": datetime_to_str(end),
    }


def _utc(item_id: str, acquired: datetime) -> datetime:
    if acquired.tzinfo is None:
        raise PropertyInvalid(
            f"{item_id}: time {acquired.isoformat()} has no timezone; "
            "give it one, e.g. replace(tzinfo=UTC)"
            f" · {item_id}：时间 {acquired.isoformat()} 没有时区，请补上"
        )
    return acquired.astimezone(UTC)


def _describe_grid(item: pystac.Item, geobox: GeoBox) -> None:
    crs = _crs(geobox)
    epsg = crs.to_epsg()
    bounds = geobox.boundingbox
    ProjectionExtension.ext(item, add_if_missing=True).apply(
        code=None if epsg is None else f"EPSG:{epsg}",
        # An own CRS such as Albers 25/47/105 has no code, and code then is null.
        wkt2=crs.to_wkt() if epsg is None else None,
        bbox=list(bounds.bbox),
        shape=list(geobox.shape),
        transform=_transform(geobox),
    )
    if crs.projected:
        item.common_metadata.gsd = abs(geobox.resolution.x)


def _add_asset(item: pystac.Item, key: str, file: ItemFile) -> None:
    band = file.band
    asset = pystac.Asset(
        href=f"./{file.stored.name}", media_type=pystac.MediaType.COG, roles=["data"]
    )
    item.add_asset(key, asset)
    ProjectionExtension.ext(asset).shape = list(band.geobox.shape)
    ProjectionExtension.ext(asset).transform = _transform(band.geobox)
    RasterExtension.ext(asset, add_if_missing=True).apply(
        [_raster_band(band) for _ in range(file.count)]
    )
    FileExtension.ext(asset, add_if_missing=True).apply(
        checksum=file.stored.checksum, size=file.stored.size
    )
    if band.source is not None:
        asset.extra_fields[SOURCE] = band.source


def _name_bands(item: pystac.Item) -> None:
    for key in item.assets.keys() & SENTINEL2_BANDS.keys():
        common_name, wavelength = SENTINEL2_BANDS[key]
        band = Band.create(key, common_name, center_wavelength=wavelength)
        EOExtension.ext(item.assets[key], add_if_missing=True).bands = [band]


def _raster_band(band: BandFile) -> RasterBand:
    metres = abs(band.geobox.resolution.x) if _crs(band.geobox).projected else None
    return RasterBand.create(
        nodata=_nodata(band.nodata),
        sampling=Sampling.AREA,
        data_type=DataType(band.dtype),
        spatial_resolution=metres,
        scale=band.scale,
        offset=band.offset,
    )


def _nodata(value: float | None) -> float | NoDataStrings | None:
    # JSON has no NaN; the raster extension writes it as a string.
    return NoDataStrings.NAN if value is not None and math.isnan(value) else value


def _transform(geobox: GeoBox) -> list[float]:
    return [float(number) for number in tuple(geobox.affine)[:6]]


def _crs(geobox: GeoBox) -> CRS:
    if geobox.crs is None:
        raise BandInvalid(
            "a grid without CRS has no place on Earth; give it one"
            " · 格网没有坐标系，无法定位，请补上"
        )
    return geobox.crs


def _add_links(item: pystac.Item) -> None:
    for rel, href in (
        ("root", "../../catalog.json"),
        ("parent", "../collection.json"),
        ("collection", "../collection.json"),
    ):
        item.add_link(pystac.Link(rel, href, media_type=pystac.MediaType.JSON))
