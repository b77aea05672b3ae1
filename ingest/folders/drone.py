"""An orthomosaic of a drone: one GeoTIFF whose bands and time its maker may not name.

Nothing is assumed of the numbers: without a scale in the file they have none, and the
scene says ``heitu:calibrated: false``. TIFFTAG_DATETIME knows no time zone (TIFF 6.0,
DateTime); drones write local time there, which is read as China Standard Time, UTC+8.

A name such as ``ortho.tif`` belongs to many flights, so the id is the name, the time in
UTC and 8 digits of the content: ``ortho-20250601T023000-1a2b3c4d``.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError
from rasterio.windows import Window

from ingest.band import BandFile
from ingest.convert import clip_window, convert, unreadable
from ingest.folders.errors import ProductInvalid
from ingest.folders.files import Files
from ingest.folders.header import Header, read_header
from ingest.folders.product import SOURCE, Product, checked_id, day_of, invalid
from ingest.offer import BandOffer, Bounds, SceneOffer
from ingest.stac_item import footprint
from raster.cog import write_cog_blocks

__all__ = ["COLLECTION", "convert_band", "products"]

COLLECTION = "drone"
# Satellites that anyone can get see no finer; coarser files are maps of other kinds.
FINEST_METRES = 1.0
METRES_OF_A_DEGREE = 111_320
STRIP = 1024
COLOURS = {
    ColorInterp.red: "red",
    ColorInterp.green: "green",
    ColorInterp.blue: "blue",
}
TIME_TAG = "TIFFTAG_DATETIME"
CHINA_STANDARD_TIME = timezone(timedelta(hours=8))
# A type that holds every number of another and one more, which then means no data.
WIDER: dict[str, tuple[str, float]] = {
    "uint8": ("int16", -32768),
    "int16": ("int32", -2147483648),
    "uint16": ("int32", -2147483648),
    "float32": ("float32", float("nan")),
    "float64": ("float64", float("nan")),
}

_NAMES = (
    ("rededge", re.compile(r"red[ _-]?edge", re.IGNORECASE)),
    ("nir", re.compile(r"\bnir\b|near[ _-]?infrared", re.IGNORECASE)),
    ("lwir", re.compile(r"\blwir\b|thermal", re.IGNORECASE)),
    ("red", re.compile(r"\bred\b", re.IGNORECASE)),
    ("green", re.compile(r"\bgreen\b", re.IGNORECASE)),
    ("blue", re.compile(r"\bblue\b", re.IGNORECASE)),
)


def products(
    files: Files, *, acquired: datetime | None, named: bool
) -> Iterator[Product]:
    """GeoTIFFs that are orthomosaics: pixels up to a metre, or `named` by the user.

    Parameters
    ----------
    files : Files
        What no satellite's reader knows.
    acquired : datetime or None
        Time of the flight, over that of the file.
    named : bool
        The user gave this one file: it counts whatever its pixels.
    """
    for name in files.sizes:
        if not name.lower().endswith((".tif", ".tiff")):
            continue
        title = PurePosixPath(name).stem
        try:
            header = read_header(files.href(name), product=title, file=name)
        except ProductInvalid as exc:
            yield Product(title, frozenset({name}), _raising(exc), day_of(title))
            continue
        if named or _pixel(header) <= FINEST_METRES:
            reading = _Reading(files, name, title, header, acquired)
            yield Product(title, frozenset({name}), reading.offer, day_of(title))


def convert_band(band: BandOffer, target: Path, *, clip: Bounds | None) -> BandFile:
    """Write one band as a COG.

    Where an alpha band or a mask of the file says that there is no picture, the number
    becomes `band.nodata`, in a wider type if need be so that no real number is lost.

    Raises
    ------
    ingest.source_errors.SourceError
        The file cannot be read, or no pixel of it lies in `clip`.
    """
    header = read_header(band.href, product=target.stem, file=band.href)
    if not header.masked:
        return convert(
            band.href,
            target,
            clip=clip,
            nodata=band.nodata,
            scale=band.scale,
            offset=band.offset,
            index=band.index,
            overview_resampling="average",
        )
    window = clip_window(header.grid, clip, href=band.href)
    return _convert_hidden(band, header, target, window)


def _convert_hidden(
    band: BandOffer, header: Header, target: Path, window: Window
) -> BandFile:
    dtype, nodata = WIDER[header.dtypes[band.index - 1]]
    written = BandFile(
        path=target,
        geobox=header.grid[window.toslices()],
        dtype=dtype,
        nodata=nodata,
        scale=band.scale,
        offset=band.offset,
        source=band.href,
    )
    try:
        with rasterio.open(band.href) as raster:
            write_cog_blocks(
                target,
                _unhidden(raster, band.index, window, written),
                written.geobox,
                dtype=dtype,
                nodata=nodata,
                scale=band.scale,
                offset=band.offset,
            )
    except RasterioError as exc:
        raise unreadable(band.href, str(exc)) from exc
    return written


def _pixel(header: Header) -> float:
    """Height of a pixel in metres, also where the CRS counts degrees."""
    size = float(abs(header.grid.resolution.y))
    return size if header.metres is not None else size * METRES_OF_A_DEGREE


def _unhidden(
    raster: rasterio.io.DatasetReader, index: int, window: Window, band: BandFile
) -> Iterator[tuple[tuple[slice, slice], NDArray[Any]]]:
    for row in range(0, window.height, STRIP):
        rows = min(STRIP, window.height - row)
        strip = Window(window.col_off, window.row_off + row, window.width, rows)
        seen = _seen(raster, strip)
        pixels = raster.read(index, window=strip).astype(band.dtype)
        # The type is one of WIDER, which holds this number.
        empty = np.array(band.nodata).astype(band.dtype)
        yield (
            (slice(row, row + rows), slice(0, window.width)),
            np.where(seen, pixels, empty),
        )


def _seen(raster: rasterio.io.DatasetReader, window: Window) -> NDArray[np.bool_]:
    # Of other types than uint8 and uint16 GDAL takes an alpha band for one of many.
    if ColorInterp.alpha in raster.colorinterp:
        alpha = raster.read(
            raster.colorinterp.index(ColorInterp.alpha) + 1, window=window
        )
        return np.asarray(alpha > 0)
    return np.asarray(raster.dataset_mask(window=window) > 0)


def _raising(error: ProductInvalid) -> Callable[[], SceneOffer]:
    def refuse() -> SceneOffer:
        raise error

    return refuse


@dataclass(frozen=True, slots=True)
class _Reading:
    """One file and its header."""

    files: Files
    name: str
    title: str
    header: Header
    acquired: datetime | None

    def offer(self) -> SceneOffer:
        bands = self._bands()
        acquired = self.acquired or self._stamped()
        return SceneOffer(
            source=SOURCE,
            collection=COLLECTION,
            item_id=self._id(acquired),
            acquired=acquired,
            footprint=footprint(self.header.grid),
            bands=bands,
            properties={
                "platform": "drone",
                "heitu:calibrated": all(b.scale is not None for b in bands.values()),
            },
        )

    def _id(self, acquired: datetime) -> str:
        time = f"{acquired.astimezone(UTC):%Y%m%dT%H%M%S}"
        digest = self.files.digest(self.name)[:8]
        return checked_id(f"{checked_id(self.title)}-{time}-{digest}")

    def _stamped(self) -> datetime:
        stamp = self.header.tags.get(TIME_TAG, "")
        try:
            local = datetime.strptime(stamp, "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007
        except ValueError as exc:
            raise invalid(
                self.title,
                self.name,
                f"does not say when it was flown ({TIME_TAG} is "
                f"{stamp or 'missing'}); give the time of the flight (acquired)",
                "没有拍摄时间，请指定飞行时间（acquired）",
            ) from exc
        return local.replace(tzinfo=CHINA_STANDARD_TIME)

    def _bands(self) -> dict[str, BandOffer]:
        bands: dict[str, BandOffer] = {}
        for index, (colour, text) in enumerate(
            zip(self.header.colours, self.header.descriptions, strict=True), start=1
        ):
            if colour == ColorInterp.alpha:
                continue
            key = _key(colour, text)
            if key is None or key in bands:
                key = f"band_{index}"
            bands[key] = self._band(key, index)
        return bands

    def _band(self, key: str, index: int) -> BandOffer:
        header = self.header
        scale, offset = header.scales[index - 1], header.offsets[index - 1]
        calibrated = (scale, offset) != (1, 0)
        return BandOffer(
            key=key,
            href=self.files.href(self.name),
            nodata=self._nodata(index),
            scale=scale if calibrated else None,
            offset=offset if calibrated else None,
            index=index,
            size=self.files.size(self.name),
            resolution=header.metres,
        )

    def _nodata(self, index: int) -> float | None:
        if not self.header.masked:
            return self.header.nodata
        dtype = self.header.dtypes[index - 1]
        if dtype not in WIDER:
            raise invalid(
                self.title,
                self.name,
                f"has a mask beside numbers of type {dtype}, which cannot be brought "
                "together; save it as uint8, uint16 or float32",
                f"带掩膜的 {dtype} 数据无法处理，请另存为 uint8、uint16 或 float32",
            )
        return WIDER[dtype][1]


def _key(colour: ColorInterp, text: str | None) -> str | None:
    """Name of a band by its description, else by its colour; None = not known."""
    for key, pattern in _NAMES:
        if text and pattern.search(text):
            return key
    return COLOURS.get(colour)
