"""Arrays: grids, masks, composites, smoothing, phenology, zonal sums, COGs.

No network, no database; takes STAC items and numpy arrays, gives xarray and COGs.
The season itself is `raster.season.season`, and the weights of zones are made by
`raster.coverage.coverage`: exported here, the functions would hide their modules.
"""

from raster.cog import write_cog
from raster.coverage import Coverage
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
    WeightsUnreadable,
    WorkersDiffer,
    WriteFailed,
)
from raster.grid import ALBERS_CHINA, geobox_for
from raster.indices import INDICES, Index, index_named
from raster.remote import gdal_path, s3_options
from raster.season import SEASON_VARIABLES
from raster.step import TimeStep, dekad_of, dekads
from raster.zonal import ZoneMeans, zone_index, zone_mean
from raster.zone_status import STATUS_WORDING, ZoneStatus
from raster.zone_sums import zone_statistics
from raster.zone_totals import ZoneTotals, zone_totals

__all__ = [
    "ALBERS_CHINA",
    "INDICES",
    "SEASON_VARIABLES",
    "STATUS_WORDING",
    "AssetMissing",
    "ClusterFailed",
    "ClusterUnreachable",
    "Coverage",
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
    "WeightsUnreadable",
    "WorkersDiffer",
    "WriteFailed",
    "ZoneMeans",
    "ZoneStatus",
    "ZoneTotals",
    "dekad_of",
    "dekads",
    "gdal_path",
    "geobox_for",
    "index_named",
    "s3_options",
    "write_cog",
    "zone_index",
    "zone_mean",
    "zone_statistics",
    "zone_totals",
]
