"""Areas from samples, with standard errors: never from counting pixels alone."""

from models.area.accuracy import Assessment, assess, sample_of_matrix
from models.area.benchmark import benchmarked
from models.area.counties import county_areas, small_county_areas
from models.area.errors import (
    AreaError,
    DesignImpossible,
    FrameInvalid,
    SampleInvalid,
)
from models.area.result import AreaEstimate, Share, Status
from models.area.sample_size import allocate, points_needed, segments_needed
from models.area.segments import Stratum, crop_area, total_area
from models.area.small_area import FayHerriot, fay_herriot

__all__ = [
    "AreaError",
    "AreaEstimate",
    "Assessment",
    "DesignImpossible",
    "FayHerriot",
    "FrameInvalid",
    "SampleInvalid",
    "Share",
    "Status",
    "Stratum",
    "allocate",
    "assess",
    "benchmarked",
    "county_areas",
    "crop_area",
    "fay_herriot",
    "points_needed",
    "sample_of_matrix",
    "segments_needed",
    "small_county_areas",
    "total_area",
]
