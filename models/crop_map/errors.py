"""What can be wrong with a crop map, its samples or its model.

CropMapError (a ModelError)
├── FeatureMismatch    season or table does not hold the inputs that a model declares
├── SamplesInvalid     a table of samples that says no sense
├── SamplesTooFew      no map can be trained, or its accuracy told, from these samples
├── AccuracyMissing    a map that would be published without its accuracy
├── AccuracyInvalid    an accuracy that contradicts itself
└── ModelUnreadable    a model's file is missing, damaged, or of another version
"""

from models.errors import ModelError


class CropMapError(ModelError):
    """Base of what this package raises on purpose."""


class FeatureMismatch(CropMapError):
    """A season or table does not hold the inputs that a model declares."""


class SamplesInvalid(CropMapError):
    """A table of samples holds what cannot be true."""


class SamplesTooFew(CropMapError):
    """The samples do not suffice to train a map and to tell how accurate it is."""


class AccuracyMissing(CropMapError):
    """A map is published only with its accuracy."""


class AccuracyInvalid(CropMapError):
    """An accuracy lacks a part, or its parts contradict each other."""


class ModelUnreadable(CropMapError):
    """The file of a model is missing, damaged, or of another version."""
