"""What can be wrong with a sample, a frame or a design.

ModelError
└── AreaError
    ├── SampleInvalid
    ├── FrameInvalid
    └── DesignImpossible
"""

from models.errors import ModelError

__all__ = ["AreaError", "DesignImpossible", "FrameInvalid", "SampleInvalid"]


class AreaError(ModelError):
    """Base of what the estimators of area refuse."""


class SampleInvalid(AreaError):
    """A sample holds what cannot be true, or nothing that can be used."""


class FrameInvalid(AreaError):
    """The strata or the frame that a sample was drawn from cannot be."""


class DesignImpossible(AreaError):
    """No sample can be drawn as it is asked for."""
