"""Models: cubes, series and tables in; county yields and yield maps out. Pure."""

from models.county_yield import (
    INTERVAL,
    MODEL_VERSION,
    CountyYieldModel,
    CropModel,
)
from models.errors import (
    ColumnMissing,
    ModelError,
    RowsDuplicated,
    SeasonInvalid,
    ShapeMismatch,
    ValueInvalid,
    YieldTooLarge,
)
from models.evaluation import Skill, skill
from models.features import (
    CROPS,
    FEATURES,
    PURITY,
    SEASON_FEATURES,
    WEATHER_FEATURES,
    season_features,
    weather_features,
)

__all__ = [
    "CROPS",
    "FEATURES",
    "INTERVAL",
    "MODEL_VERSION",
    "PURITY",
    "SEASON_FEATURES",
    "WEATHER_FEATURES",
    "ColumnMissing",
    "CountyYieldModel",
    "CropModel",
    "ModelError",
    "RowsDuplicated",
    "SeasonInvalid",
    "ShapeMismatch",
    "Skill",
    "ValueInvalid",
    "YieldTooLarge",
    "season_features",
    "skill",
    "weather_features",
]
