"""NetCDF files of gridded weather: what they hold, and windows of it.

NetCDF-4 and NetCDF-3 (classic and 64-bit offset). Packed integers are unpacked and
fill values become NaN; the names of the axes are those of the Climate Data Store, old
(``time``, ``lat``) and new (``valid_time``, ``latitude``).
"""

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import netCDF4
import numpy as np
import scipy.io
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from ingest.weather.errors import GridElsewhere, GridUnusable, WeatherUnreadable

__all__ = [
    "Bounds",
    "FileGrid",
    "Grid",
    "check_axes",
    "file_grid",
    "opened",
    "read",
    "times",
]

Float = NDArray[np.float64]

Bounds = tuple[float, float, float, float]
"""West, south, east, north; degrees, WGS 84."""

TIME_NAMES: Final = ("time", "valid_time")
_LATITUDES: Final = ("lat", "latitude")
_LONGITUDES: Final = ("lon", "longitude")

# Coordinates are stored as float32 now and then: 130.3 is then off by 1e-5.
_TOLERANCE = 1e-3

# Reanalyses that are still preliminary share a file with the final ones.
_VERSIONS: Final = "expver"


@dataclass(frozen=True, slots=True)
class Grid:
    """A north-up grid in degrees: its north-west corner, cell sizes, rows, columns."""

    west: float
    north: float
    width: float
    height: float
    rows: int
    cols: int

    @property
    def geobox(self) -> GeoBox:
        """The grid as the raster room knows it, EPSG:4326."""
        affine = Affine(self.width, 0, self.west, 0, -self.height, self.north)
        return GeoBox((self.rows, self.cols), affine, "EPSG:4326")


@dataclass(frozen=True, slots=True, eq=False)
class FileGrid:
    """Cell centres of a file, in its own order, longitudes from -180 to 180.

    `height` and `width` are those of a cell, degrees.
    """

    lat: Float
    lon: Float
    height: float
    width: float
    path: Path

    def window(self, bounds: Bounds) -> tuple[slice, slice, Grid]:
        """Rows and columns of the file whose cells touch a rectangle.

        Raises
        ------
        GridElsewhere
            None does.
        GridUnusable
            The columns do not lie side by side in the file.
        """
        west, south, east, north = bounds
        rows = _touched(self.lat, self.height, south, north)
        cols = _touched(self.lon, self.width, west, east)
        if not (len(rows) and len(cols)):
            raise GridElsewhere(
                f"{self.path} reaches from {self.lon.min():g} to {self.lon.max():g} °E "
                f"and {self.lat.min():g} to {self.lat.max():g} °N, where none of the "
                "places lies; the file is left out"
                f" · {self.path} 的范围不含所需地点，未导入",
                path=self.path,
            )
        if cols[-1] - cols[0] + 1 != len(cols):
            raise _unusable(self.path, "its columns jump within the window")
        grid = Grid(
            # Without the noise of float32, so that equal grids are equal.
            west=round(float(self.lon[cols].min() - self.width / 2), 4),
            north=round(float(self.lat[rows].max() + self.height / 2), 4),
            width=self.width,
            height=self.height,
            rows=len(rows),
            cols=len(cols),
        )
        return slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1), grid


def _touched(centres: Float, step: float, low: float, high: float) -> NDArray[np.intp]:
    return np.flatnonzero((centres + step / 2 > low) & (centres - step / 2 < high))


@contextmanager
def opened(path: Path) -> Iterator[netCDF4.Dataset]:
    """Open a file whole, as a netCDF4.Dataset.

    Raises
    ------
    WeatherUnreadable
        It is not there, no NetCDF, damaged, or cut off. Also raised for what the block
        meets when it reads.
    """
    try:
        _check_whole(path)
        with netCDF4.Dataset(path) as dataset:
            yield dataset
    except (OSError, RuntimeError) as exc:
        raise _unreadable(path, str(exc)) from exc


def _check_whole(path: Path) -> None:
    """Refuse what the NetCDF library would read without a word."""
    with path.open("rb") as file:
        start = file.read(4)
        if start[:2] == b"PK" and zipfile.is_zipfile(path):
            raise _unreadable(path, "a zip archive: unpack it and give the folder")
        if start[:3] != b"CDF":
            return
        # The missing end of a classic file is read as zeros: scipy maps all of it.
        file.seek(0)
        try:
            with scipy.io.netcdf_file(file, mmap=True):
                pass
        except (ValueError, IndexError, TypeError) as exc:
            raise _unreadable(path, "a NetCDF-3 file cut off or damaged") from exc


def times(dataset: netCDF4.Dataset, path: Path) -> tuple[str, list[datetime]]:
    """Name and moments, UTC, of the time axis.

    Raises
    ------
    WeatherUnreadable
        No time axis, or one without readable units.
    """
    name = _named(dataset, TIME_NAMES, path)
    axis = dataset.variables[name]
    try:
        found = netCDF4.num2date(
            np.atleast_1d(axis[:]),
            axis.units,
            getattr(axis, "calendar", "standard"),
            only_use_cftime_datetimes=False,
            only_use_python_datetimes=True,
        )
    except (AttributeError, ValueError, OverflowError) as exc:
        raise _unreadable(path, f"its times cannot be read: {exc}") from exc
    return name, [moment.replace(tzinfo=UTC) for moment in np.ravel(np.array(found))]


def file_grid(dataset: netCDF4.Dataset, path: Path) -> FileGrid:
    """Cell centres, checked to be regular.

    Raises
    ------
    WeatherUnreadable
        No latitudes or longitudes.
    GridUnusable
        Not regular, or fewer than two rows or columns, whose size nobody knows.
    """
    lat = _centres(dataset, _LATITUDES, path)
    lon = _centres(dataset, _LONGITUDES, path)
    height, width = _step(lat, path), _step(lon, path)
    return FileGrid(lat, (lon + 180) % 360 - 180, height, width, path)


def _step(centres: Float, path: Path) -> float:
    """Distance between evenly spaced centres, without the noise of float32."""
    if len(centres) < 2:
        raise _unusable(path, "it has only one row or column, of unknown size")
    step = float(centres[-1] - centres[0]) / (len(centres) - 1)
    if not np.allclose(np.diff(centres), step, rtol=_TOLERANCE, atol=0):
        raise _unusable(path, "its rows or columns are not evenly spaced")
    return round(abs(step), 6)


def _centres(dataset: netCDF4.Dataset, names: Sequence[str], path: Path) -> Float:
    axis = dataset.variables[_named(dataset, names, path)]
    if axis.ndim != 1:
        raise _unusable(path, f"its {axis.name} has {axis.ndim} dimensions, not one")
    return np.ma.filled(np.ma.asarray(axis[:], np.float64), np.nan)


def read(
    dataset: netCDF4.Dataset,
    variable: str,
    *,
    steps: slice,
    window: tuple[slice, slice],
    path: Path,
) -> Float:
    """Read some times of a window of a variable that `check_axes` let pass, north up.

    Parameters
    ----------
    steps
        Positions on the time axis.
    window
        Rows and columns in the order of the file.

    Returns
    -------
    float64 (time, y, x), in the unit of the file, NaN where nothing is. Of a file with
    final and preliminary values (dimension ``expver``) the first that is there.

    Raises
    ------
    WeatherUnreadable
        It has a dimension that is not known, for example several members.
    """
    array = dataset.variables[variable]
    wanted = _wanted(array, steps, window, path)
    values = np.ma.filled(
        np.ma.asarray(array[tuple(wanted.values())], np.float64), np.nan
    )
    names = [name for name, part in wanted.items() if isinstance(part, slice)]
    if _VERSIONS in names:
        values = _first_there(values, names.index(_VERSIONS))
        names.remove(_VERSIONS)
    if not set(names).intersection(TIME_NAMES):
        names, values = [TIME_NAMES[0], *names], values[None]
    order = [_position(names, known) for known in (TIME_NAMES, _LATITUDES, _LONGITUDES)]
    upright = np.transpose(values, order)
    rows = dataset.variables[_named(dataset, _LATITUDES, path)][window[0]]
    return upright[:, ::-1] if len(rows) > 1 and rows[0] < rows[-1] else upright


def check_axes(
    dataset: netCDF4.Dataset, variable: str, *, moments: int, path: Path
) -> None:
    """Refuse a variable that does not lie along time, latitude and longitude.

    A file of one moment may have it as a scalar, and no time axis.

    Raises
    ------
    WeatherUnreadable
        An axis is missing.
    """
    has = set(dataset.variables[variable].dimensions)
    wanted = [_LATITUDES, _LONGITUDES, *([TIME_NAMES] if moments != 1 else [])]
    for names in wanted:
        if not has.intersection(names):
            raise _unreadable(path, f"{variable} has no axis {' or '.join(names)}")


def _wanted(
    array: "netCDF4.Variable[Any]",
    steps: slice,
    window: tuple[slice, slice],
    path: Path,
) -> Mapping[str, slice | int]:
    """Choose what to read along each dimension; an integer drops it."""
    parts: dict[str, slice | int] = {}
    for name, size in zip(array.dimensions, array.shape, strict=True):
        if name in TIME_NAMES:
            parts[name] = steps
        elif name in _LATITUDES:
            parts[name] = window[0]
        elif name in _LONGITUDES:
            parts[name] = window[1]
        elif name == _VERSIONS:
            parts[name] = slice(None)
        elif size == 1:
            parts[name] = 0
        else:
            raise _unreadable(path, f"{array.name} has {size} values of {name!r}")
    return parts


def _first_there(values: Float, axis: int) -> Float:
    versions = np.moveaxis(values, axis, 0)
    found: Float = versions[0]
    for later in versions[1:]:
        found = np.where(np.isnan(found), later, found)
    return found


def _position(names: Sequence[str], known: Sequence[str]) -> int:
    return next(i for i, name in enumerate(names) if name in known)


def _named(dataset: netCDF4.Dataset, names: Sequence[str], path: Path) -> str:
    for name in names:
        if name in dataset.variables:
            return name
    raise _unreadable(path, f"it has no variable {' or '.join(names)}")


def _unreadable(path: Path, why: str) -> WeatherUnreadable:
    return WeatherUnreadable(
        f"{path} cannot be read ({why}); the file is left out, fetch it again"
        f" · 无法读取 {path}，未导入，请重新下载",
        path=path,
    )


def _unusable(path: Path, why: str) -> GridUnusable:
    return GridUnusable(
        f"the grid of {path} cannot be used ({why}); the file is left out, give files "
        f"on a regular grid of longitudes and latitudes · {path} 的网格不规则，未导入",
        path=path,
    )
