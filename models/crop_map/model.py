"""The model of a crop map: a mask of cropland, then the kinds of crop.

The probability of a crop is P(crop) * P(kind | crop), of non-crop 1 - P(crop), and the
class is the likeliest. Where P(crop) is below half that is non-crop whatever the
second stage would say, so those pixels never reach it: the mask costs no accuracy.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.crop_map.accuracy import Accuracy
from models.crop_map.applicability import Applicability
from models.crop_map.classes import CLASSES, NODATA
from models.crop_map.errors import FeatureMismatch
from models.crop_map.features import FeaturePlan, Layer, Planes
from models.crop_map.kernels import count_usable, encode, gather, settle
from models.crop_map.trees import Cuts, Forest

__all__ = ["MODEL_VERSION", "CropMapModel", "Labels"]

MODEL_VERSION: Final = "crop-map/1"

# Pixels coded at once: their codes stay in the CPU's second cache.
_CHUNK = 8192

Float = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Labels:
    """Class codes and their probability in per cent; both `NODATA` without a class."""

    label: NDArray[np.uint8]
    percent: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class CropMapModel:
    """A trained crop map; equal models have equal ids, see `model_file`.

    Attributes
    ----------
    plan : the inputs
    method : "hist" (histogram gradient boosting) or "forest" (random forest)
    kinds : codes of the crops it tells apart, ascending
    cuts : thresholds of both stages
    mask : crop or not
    kind : which crop; None where there is but one
    applicability : how far from the training samples is too far
    accuracy : by what was held out: "blocks", and "years" where there are several
    years : seasons of the samples
    simulated : whether any sample, or scene behind it, is simulated
    left_out : why a class is not in the map, "English · 中文" by its name
    training : what it was trained with, as plain JSON
    """

    plan: FeaturePlan
    method: str
    kinds: tuple[int, ...]
    cuts: Cuts
    mask: Forest
    kind: Forest | None
    applicability: Applicability
    accuracy: Mapping[str, Accuracy]
    years: tuple[int, ...]
    simulated: bool
    left_out: Mapping[str, str]
    training: Mapping[str, Any]

    def probabilities(self, values: Float) -> NDArray[np.float64]:
        """Return the probability of each class for samples.

        Parameters
        ----------
        values : float32 (sample, feature)
            Features in the order of `plan.names`, NaN where missing.

        Returns
        -------
        float64 (sample, class)
            In the order of `classes.CLASSES`, 0 for a class that is not in the model;
            all NaN where more features are missing than the plan allows.

        Raises
        ------
        FeatureMismatch
            There are more or fewer features than the plan has.
        """
        self._check_width(values.shape[1])
        codes = self.cuts.codes(values)
        crop = self.mask.predict_proba(codes)[:, 1]
        out = np.zeros((len(values), len(CLASSES)))
        out[:, 0] = 1 - crop
        out[:, list(self.kinds)] = crop[:, None] * self._kinds(codes).T
        # Trees answer anything, so that it is here that too little is no answer.
        out[~self.plan.complete(values)] = np.nan
        return out

    def label(self, planes: Planes) -> Labels:
        """Return class and probability of the pixels of a block.

        Raises
        ------
        FeatureMismatch
            There are more or fewer features than the plan has.
        """
        self._check_width(planes.stored.shape[0])
        tables = _tables(_Key(self), planes.layers)
        count = planes.stored.shape[1]
        label = np.full(count, NODATA, np.uint8)
        percent = np.full(count, NODATA, np.uint8)
        codes = np.empty((planes.stored.shape[0], min(count, _CHUNK)), self.cuts.dtype)
        for start in range(0, count, _CHUNK):
            part = slice(start, min(start + _CHUNK, count))
            some = codes[:, : part.stop - part.start]
            encode(planes.stored[:, part], tables, some)
            self._label(some, planes.clear[part], label[part], percent[part])
        return Labels(label, percent)

    def _label(
        self,
        codes: NDArray[Any],
        clear: NDArray[np.bool_],
        label: NDArray[np.uint8],
        percent: NDArray[np.uint8],
    ) -> None:
        usable = np.empty(codes.shape[1], np.bool_)
        found = count_usable(codes, clear, self.plan.missing_allowed, usable)
        if not found:
            return
        # Towns and woods are most of a province and cost one stage instead of two.
        places = np.flatnonzero(usable)
        crop = self.mask.predict_proba(_chosen(codes, places))[:, 1]
        label[places] = 0
        percent[places] = np.rint(100 * (1 - crop))
        grown = crop >= 0.5
        if grown.any():
            kinds = self._kinds(_chosen(codes, places[grown]))
            names = np.array(self.kinds, np.uint8)
            settle(places[grown], crop[grown], kinds, names, label, percent)

    def _kinds(self, codes: NDArray[Any]) -> NDArray[np.float64]:
        """P(kind | crop) of codes, (kind, pixel)."""
        if self.kind is None:
            return np.ones((1, codes.shape[1]))
        return np.ascontiguousarray(self.kind.predict_proba(codes).T)

    def _check_width(self, found: int) -> None:
        names = self.plan.names
        if found != len(names):
            raise FeatureMismatch(
                f"{found} features for a model with {len(names)}, {names[0]} to "
                f"{names[-1]}: give those, in this order"
                f" · 特征数 {found} 与模型的 {len(names)} 不符，请按模型的顺序给出"
            )

    def check(self) -> None:
        """Refuse arrays that would lead a kernel out of bounds.

        Raises
        ------
        ModelUnreadable
        """
        for forest in (self.mask, self.kind):
            if forest is not None:
                forest.check(self.cuts)


@dataclass(frozen=True, slots=True, eq=False)
class _Key:
    """A model as the key of a cache: one object is one model."""

    model: CropMapModel

    def __hash__(self) -> int:
        return id(self.model)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.model is self.model


# Every block of a map looks up the same tables.
@lru_cache(maxsize=2)
def _tables(key: _Key, layers: tuple[Layer, ...]) -> NDArray[Any]:
    return key.model.cuts.tables(layers)


def _chosen(codes: NDArray[Any], places: NDArray[np.intp]) -> NDArray[Any]:
    if places.size == codes.shape[1]:
        return codes
    out = np.empty((codes.shape[0], places.size), codes.dtype)
    gather(codes, places, out)
    return out
