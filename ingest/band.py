"""One band of a scene or product: pixels in memory, or a file already written."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from ingest.errors import BandInvalid


@dataclass(frozen=True, slots=True)
class BandData:
    """Pixels with the grid and the scaling that give them a meaning.

    Attributes
    ----------
    array : ndarray
        Shape (y, x) or (bands, y, x), any dtype a GeoTIFF can hold.
    geobox : GeoBox
        Grid of the array; may be coarser than the grid of its item.
    nodata : float or None
        Pixel value that means "no data", in stored units; None when every
        value is data.
    scale, offset : float or None
        Physical value = stored value * scale + offset. None for class codes
        and for arrays already in physical units.

    Raises
    ------
    BandInvalid
        The array does not have the shape of its grid.
    """

    array: NDArray[Any]
    geobox: GeoBox
    nodata: float | None
    scale: float | None = None
    offset: float | None = None

    def __post_init__(self) -> None:
        grid = tuple(self.geobox.shape)
        if self.array.ndim not in (2, 3) or self.array.shape[-2:] != grid:
            raise BandInvalid(
                f"array of shape {self.array.shape} on a grid of {grid} (y, x): "
                "pass (y, x) or (bands, y, x) of the grid's size"
                f" · 数组 {self.array.shape} 与格网 {grid} 不符，请给出同样大小的数组"
            )


@dataclass(frozen=True, slots=True)
class BandFile:
    """A COG on disk, with the grid and the scaling that give it a meaning.

    Attributes
    ----------
    path : Path
        The file.
    geobox : GeoBox
        Its grid; may be coarser than the grid of its item.
    dtype : str
        NumPy name of its numbers, e.g. "uint16".
    nodata, scale, offset : float or None
        As in `BandData`.
    source : str or None
        Where its pixels come from, without secrets: what a repair asks again.
    """

    path: Path
    geobox: GeoBox
    dtype: str
    nodata: float | None
    scale: float | None = None
    offset: float | None = None
    source: str | None = None
