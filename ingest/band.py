"""One band of a scene or product, as arrays in memory with their grid."""

from dataclasses import dataclass
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
            )
