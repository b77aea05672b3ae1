"""What `heitu area` refuses.

ApiError
└── AreaInputInvalid
    ├── MapInvalid
    ├── DesignInvalid
    ├── FrameFileInvalid
    └── NothingToStore
"""

from api.errors import ApiError

__all__ = [
    "AreaInputInvalid",
    "DesignInvalid",
    "FrameFileInvalid",
    "MapInvalid",
    "NothingToStore",
]


class AreaInputInvalid(ApiError):
    """A file that areas are estimated from cannot be used."""


class MapInvalid(AreaInputInvalid):
    """A raster is no map of classes."""


class DesignInvalid(AreaInputInvalid):
    """A design file is not one, or not of this sample."""


class FrameFileInvalid(AreaInputInvalid):
    """A table of segments is no area frame."""


class NothingToStore(AreaInputInvalid):
    """No area of a survey is that of a county and crop that the store knows."""
