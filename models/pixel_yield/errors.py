"""What can be wrong with the input of a pixel model.

models.errors.ModelError
└── PixelModelError
    ├── CropUnknown
    ├── WeatherMissing
    ├── SeriesInvalid
    └── NoRelation
"""

from models.errors import ModelError

__all__ = [
    "CropUnknown",
    "NoRelation",
    "PixelModelError",
    "SeriesInvalid",
    "WeatherMissing",
]


class PixelModelError(ModelError):
    """Base of what a pixel model refuses."""


class CropUnknown(PixelModelError):
    """The model has no parameters for the crop."""


class WeatherMissing(PixelModelError):
    """The season has days without weather in every county."""


class SeriesInvalid(PixelModelError):
    """Series and their dates do not fit, or are not as a season holds them."""


class NoRelation(PixelModelError):
    """Too few values, or all alike: no line goes through them."""
