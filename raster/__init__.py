"""Arrays: grids, masks, composites, smoothing, phenology, zonal sums, COGs.

No network, no database; takes STAC items and numpy arrays, gives xarray and COGs.
The season itself is `raster.season.season`: exported here, the function would hide its
module.
"""

from raster.cog import write_cog
from raster.errors import (
    AssetMissing,
    ClusterFailed,
    ClusterUnreachable,
    DiskFull,
    GeometryInvalid,
    GridInvalid,
    NoClearPixel,
    NoScenes,
    OffsetUnknown,
    ProductBusy,
    RasterError,
    SceneUnreadable,
    SettingInvalid,
    WorkersDiffer,
    WriteFailed,
)
from raster.grid import ALBERS_CHINA, geobox_for
from raster.indices import INDICES, Index, index_named
from raster.season import SEASON_VARIABLES
from raster.step import TimeStep, dekad_of, dekads
from raster.zonal import ZoneMeans, zone_index, zone_mean

__all__ = [
    "ALBERS_CHINA",
    "INDICES",
    "SEASON_VARIABLES",
    "AssetMissing",
    "ClusterFailed",
    "ClusterUnreachable",
    "DiskFull",
    "GeometryInvalid",
    "GridInvalid",
    "Index",
    "NoClearPixel",
    "NoScenes",
    "OffsetUnknown",
    "ProductBusy",
    "RasterError",
    "SceneUnreadable",
    "SettingInvalid",
    "TimeStep",
    "WorkersDiffer",
    "WriteFailed",
    "ZoneMeans",
    "dekad_of",
    "dekads",
    "geobox_for",
    "index_named",
    "write_cog",
    "zone_index",
    "zone_mean",
]
