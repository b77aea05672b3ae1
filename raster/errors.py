"""What can go wrong in this room.

RasterError
├── SettingInvalid      an argument is outside what the function accepts
├── GridInvalid         array and grid do not fit, or the grid cannot serve
├── GeometryInvalid     a polygon that cannot be burnt onto a grid
├── NoScenes            no item to build a season from
├── SceneUnreadable     a scene's file is missing, truncated or corrupt
├── AssetMissing        an item lacks an asset the season needs
├── OffsetUnknown       an item does not say how its numbers become reflectance
├── WeightsUnreadable   a file of zone weights is missing or damaged
├── NoClearPixel        a season in which no pixel was ever seen clear
├── ProductBusy         another process is writing the same product
├── ClusterUnreachable  no dask scheduler with workers at the address
├── WorkersDiffer       the cluster's workers run other versions
├── ClusterFailed       the dask cluster was lost in the middle of the work
└── WriteFailed         a raster could not be written
    └── DiskFull        ... because no space is left
"""

from pathlib import Path


class RasterError(Exception):
    """Any failure of this room."""


class SettingInvalid(RasterError):
    """An argument is outside what the function accepts."""


class GridInvalid(RasterError):
    """Array and grid do not fit together, or the grid cannot serve the purpose."""


class GeometryInvalid(RasterError):
    """A polygon that cannot be burnt onto a grid."""


class NoScenes(RasterError):
    """No item to build a season from."""


class _SceneFault(RasterError):
    """A fault of one item; carries its id and, where it is known, the file."""

    # Optional keywords, so that pickling (which replays only the message) works
    # when the error travels from a dask worker.
    def __init__(
        self, message: str, *, item_id: str | None = None, href: str | None = None
    ) -> None:
        super().__init__(message)
        self.item_id = item_id
        self.href = href


class SceneUnreadable(_SceneFault):
    """A scene's file is missing, truncated or corrupt."""


class AssetMissing(_SceneFault):
    """An item lacks an asset the season needs."""


class OffsetUnknown(_SceneFault):
    """An item does not say how its numbers become reflectance."""


class WeightsUnreadable(RasterError):
    """A file of zone weights is missing or damaged."""


class NoClearPixel(RasterError):
    """A season in which no pixel was ever seen clear."""


class ProductBusy(RasterError):
    """Another process is writing the same product; carries its pid where known."""

    def __init__(self, message: str, *, pid: int | None = None) -> None:
        super().__init__(message)
        self.pid = pid


class ClusterUnreachable(RasterError):
    """No dask scheduler with workers at the address."""


class WorkersDiffer(RasterError):
    """The cluster's workers run other versions, so that they may compute otherwise."""


class ClusterFailed(RasterError):
    """The dask cluster was lost in the middle of the work."""


class WriteFailed(RasterError):
    """A raster could not be written."""

    def __init__(self, message: str, *, path: Path | None = None) -> None:
        super().__init__(message)
        self.path = path


class DiskFull(WriteFailed):
    """A raster could not be written because no space is left."""
