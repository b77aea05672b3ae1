"""Crop maps: from season features to a class and a probability for each pixel."""

from models.crop_map.accuracy import Accuracy, Share, required_accuracy
from models.crop_map.classes import CLASSES, CROP, NODATA, NON_CROP, CropClass
from models.crop_map.cube import crop_map
from models.crop_map.errors import (
    AccuracyInvalid,
    AccuracyMissing,
    CropMapError,
    FeatureMismatch,
    ModelUnreadable,
    SamplesInvalid,
    SamplesTooFew,
)
from models.crop_map.features import FeaturePlan
from models.crop_map.model import MODEL_VERSION, CropMapModel
from models.crop_map.model_file import load_model, model_id, save_model
from models.crop_map.samples import Remark
from models.crop_map.training import Settings, Training, train

__all__ = [
    "CLASSES",
    "CROP",
    "MODEL_VERSION",
    "NODATA",
    "NON_CROP",
    "Accuracy",
    "AccuracyInvalid",
    "AccuracyMissing",
    "CropClass",
    "CropMapError",
    "CropMapModel",
    "FeatureMismatch",
    "FeaturePlan",
    "ModelUnreadable",
    "Remark",
    "SamplesInvalid",
    "SamplesTooFew",
    "Settings",
    "Share",
    "Training",
    "crop_map",
    "load_model",
    "model_id",
    "required_accuracy",
    "save_model",
    "train",
]
