"""Yields of pixels and fields: models, maps that add up to counties, uncertainty."""

from models.pixel_yield.calibration import Calibration, CalibrationStatus, calibrate
from models.pixel_yield.canopy import METHOD_WORDING, Method, canopy_index
from models.pixel_yield.county_map import (
    EXACT,
    STATUS_WORDING,
    CountyFit,
    CountyMap,
    MapStatus,
    area_weights,
    county_map,
)
from models.pixel_yield.errors import (
    CropUnknown,
    NoRelation,
    PixelModelError,
    SeriesInvalid,
    WeatherMissing,
)
from models.pixel_yield.fields import field_yields
from models.pixel_yield.light_use import (
    LIGHT_USE,
    LightUse,
    LightUseCrop,
    county_light,
    fapar,
    temperature_scalar,
    water_scalar,
)
from models.pixel_yield.peak import PeakIndex, fit_peak
from models.pixel_yield.rounding import NODATA, SCALE, quantise
from models.pixel_yield.spread import spread
from models.pixel_yield.uncertainty import (
    ErrorStatus,
    WithinError,
    county_sd,
    field_sd,
    pixel_sd,
)

__all__ = [
    "EXACT",
    "LIGHT_USE",
    "METHOD_WORDING",
    "NODATA",
    "SCALE",
    "STATUS_WORDING",
    "Calibration",
    "CalibrationStatus",
    "CountyFit",
    "CountyMap",
    "CropUnknown",
    "ErrorStatus",
    "LightUse",
    "LightUseCrop",
    "MapStatus",
    "Method",
    "NoRelation",
    "PeakIndex",
    "PixelModelError",
    "SeriesInvalid",
    "WeatherMissing",
    "WithinError",
    "area_weights",
    "calibrate",
    "canopy_index",
    "county_light",
    "county_map",
    "county_sd",
    "fapar",
    "field_sd",
    "field_yields",
    "fit_peak",
    "pixel_sd",
    "quantise",
    "spread",
    "temperature_scalar",
    "water_scalar",
]
