"""The two stages of a crop map as scikit-learn fits them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from models.crop_map.classes import CLASSES, CROP, NON_CROP

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

__all__ = ["METHODS", "Learning", "Method", "Stages", "fit_stages"]

Method = Literal["hist", "forest"]

METHODS: Final[tuple[Method, ...]] = ("hist", "forest")
"""Histogram gradient boosting, the quicker one, and random forest."""

# Two stages with at most 126 thresholds each: a code fits into 8 bits.
_BINS = 127

Float = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Learning:
    """What the stages learn from.

    Attributes
    ----------
    values : float32 (sample, feature), NaN where missing
    labels : int64 (sample,), class codes; -1 for a crop that is not named
    weights : float64 (sample,)
    kinds : codes of the crops to tell apart, ascending
    balance : the weight of a class of n samples goes with n to the minus this power:
        0 leaves classes as frequent as they are, 1 makes them equal
    seed : of whatever is drawn
    """

    values: Float
    labels: NDArray[np.int64]
    weights: NDArray[np.float64]
    kinds: tuple[int, ...]
    balance: float
    seed: int

    def among(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> "Learning":
        """Return some of the samples."""
        return Learning(
            self.values[rows],
            self.labels[rows],
            self.weights[rows],
            self.kinds,
            self.balance,
            self.seed,
        )

    def balanced(self, classes: NDArray[Any]) -> NDArray[np.float64]:
        """Return the weights with those of the classes (sample,) in them."""
        _, number = np.unique(classes, return_inverse=True)
        total = np.bincount(number, weights=self.weights)
        factor = (total / total.mean()) ** -self.balance
        return np.asarray(self.weights * factor[number])


def codes_of(labels: NDArray[Any]) -> NDArray[np.int64]:
    """Return class codes of names, -1 for `classes.CROP`."""
    codes = {one.name: one.code for one in CLASSES} | {CROP: -1}
    return np.array([codes[name] for name in labels.tolist()], np.int64)


@dataclass(frozen=True, slots=True)
class Stages:
    """Fitted models; a stage that saw but one class is that class's code."""

    mask: Any
    kind: Any

    def predict_proba(self, values: Float) -> NDArray[np.float64]:
        """Return probabilities (sample, class) in the order of `classes.CLASSES`."""
        out = np.zeros((len(values), len(CLASSES)))
        crop = _column(self.mask, values, 1)
        out[:, NON_CROP.code] = 1 - crop
        for code in range(1, len(CLASSES)):
            out[:, code] = crop * _column(self.kind, values, code)
        return out

    @property
    def fitted(self) -> Iterator[Any]:
        """The models of scikit-learn among the two."""
        return (one for one in (self.mask, self.kind) if not isinstance(one, int))

    def importance(self, features: int) -> NDArray[np.float64]:
        """Return the importance of each feature, the mean of the stages; sums to 1."""
        found = [_importance(model, features) for model in self.fitted]
        return np.asarray(np.mean([one / max(one.sum(), 1e-300) for one in found], 0))


def fit_stages(learning: Learning, method: Method) -> Stages:
    """Fit the mask on all samples, and the kinds on those of the crops told apart."""
    grown = (learning.labels != NON_CROP.code).astype(np.int64)
    mask = _fit(learning, grown, _machine(method, learning, deep=False))
    # Crops without a name teach the mask that something grows, and no kind.
    named = learning.among(np.isin(learning.labels, learning.kinds))
    kind = _fit(named, named.labels, _machine(method, named, deep=True))
    return Stages(mask, kind)


def _fit(
    learning: Learning,
    classes: NDArray[np.int64],
    machine: "HistGradientBoostingClassifier | RandomForestClassifier",
) -> Any:  # noqa: ANN401
    there = np.unique(classes)
    if there.size < 2:
        return int(there[0]) if there.size else -1
    values, weights = learning.values, learning.balanced(classes)
    # Else scikit-learn sorts all samples anew for each of its weighted percentiles.
    if hasattr(machine, "max_bins"):
        values = _on_levels(values)
    # A step that no sample was seen in: a constant, which no tree can split.
    values = np.where(np.isnan(values).all(axis=0), np.float32(0), values)
    return machine.fit(values, classes, sample_weight=weights)


def _on_levels(values: Float) -> Float:
    """Move each value to the nearest of its feature's quantiles, fewer than bins."""
    out = values.copy()
    for column in out.T:
        known = ~np.isnan(column)
        if known.any():
            shares = np.linspace(0, 1, _BINS - 1)
            levels = np.unique(np.quantile(column[known], shares, method="nearest"))
            between = (levels[1:] + levels[:-1]) / 2
            column[known] = levels[np.searchsorted(between, column[known])]
    return out


def _column(model: Any, values: Float, code: int) -> NDArray[np.float64]:  # noqa: ANN401
    """Probability of one class, 0 where the model never saw it."""
    if isinstance(model, int):
        return np.full(len(values), float(model == code))
    places = np.flatnonzero(model.classes_ == code)
    if not places.size:
        return np.zeros(len(values))
    return np.asarray(model.predict_proba(values)[:, places[0]])


def _machine(
    method: Method, learning: Learning, *, deep: bool
) -> "HistGradientBoostingClassifier | RandomForestClassifier":
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

    # The mask reaches every pixel, and is kept light.
    if method == "forest":
        return RandomForestClassifier(
            100 if deep else 50,
            max_depth=10 if deep else 8,
            min_samples_leaf=2,
            random_state=learning.seed,
        )
    return HistGradientBoostingClassifier(
        max_iter=40 if deep else 30,
        learning_rate=0.15,
        max_leaf_nodes=15 if deep else 8,
        max_depth=5 if deep else 4,
        # The default of 20 hardly splits a hundred samples.
        min_samples_leaf=max(2, min(20, len(learning.values) // 50)),
        l2_regularization=1.0,
        max_bins=_BINS,
        # It would hold samples out at random, beside their own neighbours.
        early_stopping=False,
        random_state=learning.seed,
    )


def _importance(model: Any, features: int) -> NDArray[np.float64]:  # noqa: ANN401
    if hasattr(model, "feature_importances_"):
        return np.asarray(model.feature_importances_, np.float64)
    total = np.zeros(features)
    # The boosted trees have no importance of their own: the gain of their splits,
    # as the forest sums its impurity.
    for one in (tree for trees in model._predictors for tree in trees):
        inner = one.nodes[one.nodes["is_leaf"] == 0]
        np.add.at(total, inner["feature_idx"], inner["gain"].astype(np.float64))
    return total
