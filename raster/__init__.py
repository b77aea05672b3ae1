"""Arrays: grids, masks, composites, smoothing, phenology, zonal sums, COGs.

No network, no database; takes STAC items and numpy arrays, gives xarray and COGs.
The season itself is `raster.season.season`: exported here, the function would hide its
module.
"""

from raster.cog import write_cog
from raster.dekad import TimeStep, dekad_of, dekads
from raster.errors import (
    AssetMissing,
    DiskFull,
    GeometryInvalid,
    GridInvalid,
    NoScenes,
    OffsetUnknown,
    RasterError,
    SceneUnreadable,
    SettingInvalid,
    WriteFailed,
)
from raster.grid import ALBERS_CHINA, geobox_for
from raster.season import SEASON_VARIABLES
from raster.zonal import ZoneMeans, zone_index, zone_mean

__all__ = [
    "ALBERS_CHINA",
    "SEASON_VARIABLES",
    "AssetMissing",
    "DiskFull",
    "GeometryInvalid",
    "GridInvalid",
    "NoScenes",
    "OffsetUnknown",
    "RasterError",
    "SceneUnreadable",
    "SettingInvalid",
    "TimeStep",
    "WriteFailed",
    "ZoneMeans",
    "dekad_of",
    "dekads",
    "geobox_for",
    "write_cog",
    "zone_index",
    "zone_mean",
]
