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
from shapely.geometry import Polygon, mapping

from ingest.band import BandData
from ingest.errors import BandInvalid, PropertyInvalid

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
# Straight edges of a 600 km grid bend in degrees; 64 chords stay within 2 m, and
# points that bend an edge by less than 1e-5 degree (1 m) are dropped again.
FOOTPRINT_CHORDS = 64
FOOTPRINT_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file as it lies on disk: name inside the item's folder, size, checksum."""

    name: str
    size: int
    checksum: str


def build_item(
    *,
    collection: str,
    item_id: str,
    acquired: datetime | None,
    geobox: GeoBox,
    bands: Mapping[str, BandData],
    files: Mapping[str, WrittenFile],
    properties: Mapping[str, Any],
) -> pystac.Item:
    """Describe written bands as a STAC 1.1 item with relative links.

    Parameters
    ----------
    collection, item_id : str
        Ids, equal to the names of the folders the item lies in.
    acquired : datetime or None
        Timezone-aware acquisition time, stored in UTC. None for a product,
        whose `properties` then hold start_datetime and end_datetime.
    geobox : GeoBox
        Grid of the item; footprint and bbox in EPSG:4326 are taken from it.
    bands : mapping of str to BandData
        The pixels by asset key, all in the CRS of `geobox`.
    files : mapping of str to WrittenFile
        The file of each band, same keys.
    properties : mapping
        Further item properties, e.g. ``eo:cloud_cover`` in percent.

    Returns
    -------
    pystac.Item
        Asset hrefs are relative (``./B04.tif``); no self link.

    Raises
    ------
    PropertyInvalid
        `acquired` has no timezone.
    BandInvalid
        No bands, or a band in another CRS than `geobox`.
    """
    _check_bands(item_id, geobox, bands)
    outline = footprint(geobox)
    item = pystac.Item(
        id=item_id,
        geometry=mapping(outline),
        bbox=list(outline.bounds),
        datetime=None if acquired is None else _utc(item_id, acquired),
        properties=dict(properties),
        collection=collection,
    )
    _describe_grid(item, geobox)
    for key, band in bands.items():
        _add_asset(item, key, band, files[key])
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


def _check_bands(item_id: str, geobox: GeoBox, bands: Mapping[str, BandData]) -> None:
    if not bands:
        raise BandInvalid(f"{item_id}: no bands; give at least one")
    for key, band in bands.items():
        if band.geobox.crs != geobox.crs:
            raise BandInvalid(
                f"{item_id} {key}: band in {band.geobox.crs}, item in {geobox.crs}; "
                "bring the bands to one CRS first"
            )


def _utc(item_id: str, acquired: datetime) -> datetime:
    if acquired.tzinfo is None:
        raise PropertyInvalid(
            f"{item_id}: acquisition time {acquired.isoformat()} has no timezone; "
            "give it one, e.g. replace(tzinfo=UTC)"
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


def _add_asset(item: pystac.Item, key: str, band: BandData, file: WrittenFile) -> None:
    asset = pystac.Asset(
        href=f"./{file.name}", media_type=pystac.MediaType.COG, roles=["data"]
    )
    item.add_asset(key, asset)
    ProjectionExtension.ext(asset).shape = list(band.geobox.shape)
    ProjectionExtension.ext(asset).transform = _transform(band.geobox)
    count = 1 if band.array.ndim == 2 else band.array.shape[0]
    RasterExtension.ext(asset, add_if_missing=True).apply(
        [_raster_band(band) for _ in range(count)]
    )
    FileExtension.ext(asset, add_if_missing=True).apply(
        checksum=file.checksum, size=file.size
    )
    if key in SENTINEL2_BANDS:
        common_name, wavelength = SENTINEL2_BANDS[key]
        eo_band = Band.create(key, common_name, center_wavelength=wavelength)
        EOExtension.ext(asset, add_if_missing=True).bands = [eo_band]


def _raster_band(band: BandData) -> RasterBand:
    metres = abs(band.geobox.resolution.x) if _crs(band.geobox).projected else None
    return RasterBand.create(
        nodata=_nodata(band.nodata),
        sampling=Sampling.AREA,
        data_type=DataType(band.array.dtype.name),
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
        raise BandInvalid("a grid without CRS has no place on Earth; give it one")
    return geobox.crs


def _add_links(item: pystac.Item) -> None:
    for rel, href in (
        ("root", "../../catalog.json"),
        ("parent", "../collection.json"),
        ("collection", "../collection.json"),
    ):
        item.add_link(pystac.Link(rel, href, media_type=pystac.MediaType.JSON))
