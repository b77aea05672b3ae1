"""A map of classes, read block by block on an equal-area grid.

Areas need pixels of one size, so every map is read through the equal-area azimuthal
projection about its own centre: near it lengths are true too (to 0.05 % at 400 km), so
that a square of a kilometre is one on the ground.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyproj
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT
from rasterio.warp import calculate_default_transform, transform_bounds
from rasterio.windows import Window

from api.area_errors import MapInvalid
from api.raster_file import open_raster
from ingest.archive import PRODUCTS, Archive
from ingest.checksum import sha256_multihash
from ingest.ground.crops import crop_of, label_of
from models.area.layout import add_counts

__all__ = ["NON_CROP", "OUTSIDE", "ClassMap", "EqualArea", "class_name", "find_map"]

# Code of pixels without a class on our grids; no class has it.
OUTSIDE = -1
NON_CROP = "non-crop"
# Of a block, so that memory does not grow with the map.
_PIXELS = 4_000_000

Codes = NDArray[np.int32]
Position = NDArray[np.floating | np.integer]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMap:
    """A raster of classes: where it lies, what its codes mean, where it is from.

    ``names`` has the codes that the person or the product names; others are called by
    their number. ``checksum`` is None for a file that is not on this machine.
    """

    href: str
    name: str
    names: Mapping[int, str] = field(default_factory=dict)
    checksum: str | None = None
    simulated: bool = False

    def called(self, code: int) -> str:
        """Name of a code."""
        return self.names.get(code, str(code))

    def at(self, lonlat: NDArray[np.float64]) -> list[str | None]:
        """Class at each place, (n, 2) degrees of WGS 84; None off the map."""
        with _opened(self.href) as source:
            codes = _codes_at(source, lonlat)
        return [None if code == OUTSIDE else self.called(code) for code in codes]

    @contextmanager
    def equal_area(self, *, side: float | None = None) -> Iterator["EqualArea"]:
        """Open the map on its equal-area grid, whose lines pass multiples of `side`.

        Parameters
        ----------
        side
            Metres; the pixels are as the map's own, so that a whole number of them
            make up a side. None for no such squares.
        """
        with _opened(self.href) as source:
            crs = _about_centre(source)
            step, _, _ = calculate_default_transform(
                source.crs, crs, source.width, source.height, *source.bounds
            )
            # Segments of whole pixels: a pixel cut in two would be of two segments.
            across = 1 if side is None else max(1, round(side / step.a))
            pixel = step.a if side is None else side / across
            unit = pixel * across
            west, south, east, north = transform_bounds(
                source.crs, crs, *source.bounds, densify_pts=101
            )
            columns = math.ceil(east / unit) - math.floor(west / unit)
            rows = math.ceil(north / unit) - math.floor(south / unit)
            transform = Affine(
                *(pixel, 0, math.floor(west / unit) * unit),
                *(0, -pixel, math.ceil(north / unit) * unit),
            )
            with WarpedVRT(
                source,
                crs=crs,
                transform=transform,
                width=columns * across,
                height=rows * across,
                # Classes have no values between them.
                resampling=Resampling.nearest,
                # Else the corners that the turning leaves empty would be of class 0.
                add_alpha=source.nodata is None,
            ) as warped:
                yield EqualArea(warped, crs, pixel, across)


@dataclass(frozen=True, slots=True)
class EqualArea:
    """An open map on its equal-area grid.

    ``across`` is how many pixels make up the side of a square.
    """

    source: WarpedVRT
    crs: str
    pixel: float
    across: int

    @property
    def pixel_ha(self) -> float:
        """Area of each pixel, ha."""
        return self.pixel**2 / 1e4

    def blocks(self) -> Iterator[tuple[int, Codes]]:
        """Give strips of the map, and the row each begins with."""
        height, width = self.source.shape
        # Strips of whole squares: no square lies in two of them.
        deep = max(1, _PIXELS // (width * self.across)) * self.across
        for row in range(0, height, deep):
            window = Window(0, row, width, min(deep, height - row))
            codes = self.source.read(1, window=window).astype(np.int32)
            codes[self.source.read_masks(1, window=window) == 0] = OUTSIDE
            yield row, codes

    def counts(self) -> dict[int, int]:
        """Pixels of each class."""
        return add_counts((codes for _, codes in self.blocks()), nodata=OUTSIDE)

    def lonlat(self, rows: Position, columns: Position) -> NDArray[np.float64]:
        """Degrees of WGS 84 of positions in pixels, (n, 2)."""
        x, y = self.metres(rows, columns).T
        back = pyproj.Transformer.from_crs(self.crs, "EPSG:4326", always_xy=True)
        # A tenth of a millimetre: files of two machines are equal to the byte.
        return np.round(np.column_stack(back.transform(x, y)), 9)

    def metres(self, rows: Position, columns: Position) -> NDArray[np.float64]:
        """Coordinates of positions in pixels on the grid, (n, 2)."""
        place = self.source.transform
        return np.column_stack([place.c + place.a * columns, place.f + place.e * rows])


def find_map(
    given: str, *, names: Mapping[int, str], archive: Path | str, simulated: bool
) -> ClassMap:
    """Find a map by its path, or a product of the archive by its id.

    Parameters
    ----------
    names
        Code -> name, from the person; goes before the product's own.
    archive
        Folder or URL of the archive.
    simulated
        The person says that the map is made up.

    Raises
    ------
    MapInvalid
        It is no raster of one band of whole numbers with a CRS.
    ingest.IngestError
        Neither a file nor a product.
    """
    path = Path(given).expanduser()
    # Looks like a file: then a missing one is told as such, not as a product.
    if path.exists() or path.suffix or "/" in given:
        found = ClassMap(
            href=str(path),
            name=path.name,
            names=names,
            checksum=sha256_multihash(path) if path.is_file() else None,
            simulated=simulated,
        )
    else:
        item = Archive(archive, create=False).item(PRODUCTS, given)
        said = item.properties
        own = {int(one["value"]): one["name"] for one in said.get("heitu:classes", ())}
        asset = item.assets["data"]
        found = ClassMap(
            href=asset.href,
            name=given,
            names={**own, **names},
            checksum=asset.extra_fields.get("file:checksum"),
            simulated=simulated or bool(said.get("heitu:simulated")),
        )
    with _opened(found.href) as source:
        # Before anything is drawn: a picture or an elevation has codes as well.
        _check(source, found.name)
    return found


def class_name(said: str) -> str:
    """One spelling for a crop or for non-crop; other names as they stand."""
    if (crop := crop_of(said)) is not None:
        return crop
    label = label_of(said)
    if label is None or said.strip() in ("0", "1"):
        return said.strip()
    return "crop" if label[0] else NON_CROP


@contextmanager
def _opened(href: str) -> Iterator[DatasetReader]:
    try:
        with open_raster(href) as source:
            yield source
    except RasterioIOError as exc:
        raise MapInvalid(
            f"{href} cannot be read as a raster ({exc}); give a GeoTIFF, or the id of "
            f"a product · 无法读取栅格 {href}，请给出 GeoTIFF 或产品编号"
        ) from exc


def _check(source: DatasetReader, name: str) -> None:
    problem = None
    if source.count != 1:
        problem = (
            f"{source.count} bands; a map of classes has one",
            f"有 {source.count} 个波段，分类图应只有一个",
        )
    elif not np.issubdtype(np.dtype(source.dtypes[0]), np.integer):
        problem = (
            f"numbers of type {source.dtypes[0]}; classes are whole numbers",
            f"数据类型为 {source.dtypes[0]}，类别应为整数",
        )
    elif source.crs is None:
        problem = ("no CRS; write one into it", "没有坐标系，请写入")
    if problem is not None:
        raise MapInvalid(f"{name} has {problem[0]} · {name} {problem[1]}")


def _about_centre(source: DatasetReader) -> str:
    west, south, east, north = transform_bounds(
        source.crs, "EPSG:4326", *source.bounds, densify_pts=21
    )
    # Tenths of a degree, so that a map cut a little differently has the same grid.
    lon, lat = round((west + east) / 2, 1), round((south + north) / 2, 1)
    return (
        f"+proj=laea +lat_0={lat} +lon_0={lon} +x_0=0 +y_0=0 +datum=WGS84 +units=m "
        "+no_defs"
    )


def _codes_at(source: DatasetReader, lonlat: NDArray[np.float64]) -> Sequence[int]:
    to_map = pyproj.Transformer.from_crs("EPSG:4326", source.crs, always_xy=True)
    x, y = to_map.transform(*lonlat.T)
    columns, rows = ~source.transform * (np.asarray(x), np.asarray(y))
    codes = []
    for row, column in zip(rows, columns, strict=True):
        if not (0 <= row < source.height and 0 <= column < source.width):
            codes.append(OUTSIDE)
            continue
        # Pixel by pixel: a few hundred places against all blocks of a province.
        window = Window(int(column), int(row), 1, 1)
        there = source.read_masks(1, window=window)[0, 0]
        codes.append(int(source.read(1, window=window)[0, 0]) if there else OUTSIDE)
    return codes
