"""Forests of scikit-learn as plain arrays: safe to store, quick to ask.

`Forest.of` takes a fitted `RandomForestClassifier` or `HistGradientBoostingClassifier`
apart; what the arrays say equals its `predict_proba`, missing values included, which
trees of both kinds send to the side that they learned.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from models.crop_map.errors import ModelUnreadable
from models.crop_map.features import Layer
from models.crop_map.kernels import shares

__all__ = ["Cuts", "Forest"]

_LEAF = 0xFFFF
_MOST_CUTS = 65_000
_MOST_FEATURES = 0x7FFF

Float = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Tree:
    """A tree as scikit-learn has it; children are -1 in a leaf."""

    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    missing_left: NDArray[np.bool_]
    values: NDArray[np.float64]

    @property
    def inner(self) -> NDArray[np.bool_]:
        return self.left >= 0


@dataclass(frozen=True, slots=True)
class Cuts:
    """The thresholds of each feature, ascending, that some trees compare with."""

    values: tuple[NDArray[np.float64], ...]

    @classmethod
    def of(cls, models: Sequence[Any], features: int) -> Self:
        """Gather the thresholds of fitted models of scikit-learn.

        Raises
        ------
        ModelUnreadable
            There are too many features, or too many thresholds of one, to be coded.
        """
        found: list[set[float]] = [set() for _ in range(features)]
        for tree in (tree for model in models for tree in _trees(model)):
            for f, cut in zip(
                tree.feature[tree.inner].tolist(),
                tree.threshold[tree.inner].tolist(),
                strict=True,
            ):
                found[f].add(cut)
        most = max(map(len, found), default=0)
        if most > _MOST_CUTS or features > _MOST_FEATURES:
            raise ModelUnreadable(
                f"trees with {features} features and {most} thresholds of one: train "
                "with fewer or shallower trees"
                f" · 特征 {features} 个、单特征阈值 {most} 个过多，请减少或变浅决策树"
            )
        return cls(tuple(np.array(sorted(one), np.float64) for one in found))

    @property
    def dtype(self) -> type[np.uint8] | type[np.uint16]:
        """The smallest type that holds every code."""
        return np.uint8 if max(map(len, self.values), default=0) < 255 else np.uint16

    def codes(self, values: Float) -> NDArray[Any]:
        """Return the codes of features (sample, feature) as (feature, sample)."""
        out = np.zeros(values.shape[::-1], self.dtype)
        for f, cuts in enumerate(self.values):
            column = values[:, f].astype(np.float64)
            known = ~np.isnan(column)
            # 0 is kept for missing. "left", because a value on a threshold goes left.
            out[f, known] = 1 + np.searchsorted(cuts, column[known], side="left")
        return out

    def tables(self, layers: Sequence[Layer]) -> NDArray[Any]:
        """Return the code of every int16 of each feature, (feature, 65536)."""
        # All values that a pixel can have, once, in place of a search for every pixel.
        every = np.arange(-32768, 32768).astype(np.int16)
        return np.concatenate(
            [
                Cuts((cuts,)).codes(layer.values(every)[:, None]).astype(self.dtype)
                for cuts, layer in zip(self.values, layers, strict=True)
            ]
        )


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees that tell probabilities; see `kernels` for words and codes.

    Attributes
    ----------
    boosted : whether the trees' sums are logits, else shares to be averaged
    words : int64 (node,)
    values : float64 (node, 1) boosted, (node, output) else
    roots, depths : int64 (tree,)
    base : float64 (output,), what the sums begin with
    """

    boosted: bool
    words: NDArray[np.int64]
    values: NDArray[np.float64]
    roots: NDArray[np.int64]
    depths: NDArray[np.int64]
    base: NDArray[np.float64]

    @classmethod
    def of(cls, model: Any, cuts: Cuts) -> Self:  # noqa: ANN401
        """Take a fitted model of scikit-learn apart.

        Parameters
        ----------
        model
            `RandomForestClassifier` or `HistGradientBoostingClassifier`.
        cuts
            Thresholds that hold those of the model.
        """
        boosted = _is_boosted(model)
        words, values, roots, depths = [], [], [], []
        size = 0
        for tree in _trees(model):
            order, child, depth = _breadth_first(tree)
            # All trees in one array: places count from its start.
            words.append(_words(tree, order, child + size, cuts))
            values.append(tree.values[order])
            roots.append(size)
            depths.append(depth)
            size += order.size
        return cls(
            boosted,
            np.concatenate(words),
            np.ascontiguousarray(np.concatenate(values)),
            np.array(roots, np.int64),
            np.array(depths, np.int64),
            np.asarray(model._baseline_prediction, np.float64).ravel()
            if boosted
            else np.zeros(len(model.classes_)),
        )

    def predict_proba(self, codes: NDArray[Any]) -> NDArray[np.float64]:
        """Return probabilities (sample, class) of codes (feature, sample).

        Classes are in the order of the model's own.
        """
        out = np.empty((self.base.size, codes.shape[1]))
        shares(
            codes,
            self.words,
            self.roots,
            self.depths,
            self.values,
            self.base,
            self.boosted,
            out,
        )
        # Of two classes boosting has one logit.
        if self.base.size == 1:
            return np.stack([1 - out[0], out[0]], axis=1)
        return np.ascontiguousarray(out.T)

    def check(self, cuts: Cuts) -> None:
        """Refuse arrays that would lead a kernel out of bounds.

        Raises
        ------
        ModelUnreadable
        """
        nodes = self.words.size
        # Kernels do not check bounds; a damaged file must end here.
        left, leaf = self.words >> 32, (self.words & 0xFFFF) == _LEAF
        good = (
            self.words.ndim == 1
            and self.values.shape in {(nodes, 1), (nodes, self.base.size)}
            and self.roots.shape == self.depths.shape
            and bool(((self.roots >= 0) & (self.roots < nodes)).all())
            and bool((left >= 0).all() and (left < nodes - ~leaf).all())
            and bool(((self.words >> 16 & 0x7FFF) < len(cuts.values)).all())
        )
        if not good:
            raise ModelUnreadable(
                "the trees of this model point outside themselves: train it again"
                " · 模型中的决策树已损坏，请重新训练"
            )


def _is_boosted(model: Any) -> bool:  # noqa: ANN401
    return hasattr(model, "_baseline_prediction")


def _trees(model: Any) -> Iterator[_Tree]:  # noqa: ANN401
    """Give the trees of a fitted model in the order in which they are summed."""
    if _is_boosted(model):
        for predictors in model._predictors:
            yield from (_boosted_tree(one.nodes) for one in predictors)
    else:
        yield from (_forest_tree(one.tree_) for one in model.estimators_)


def _boosted_tree(nodes: NDArray[Any]) -> _Tree:
    leaf = nodes["is_leaf"].astype(bool)
    return _Tree(
        nodes["feature_idx"].astype(np.int64),
        nodes["num_threshold"].astype(np.float64),
        np.where(leaf, -1, nodes["left"].astype(np.int64)),
        np.where(leaf, -1, nodes["right"].astype(np.int64)),
        nodes["missing_go_to_left"].astype(bool),
        nodes["value"].astype(np.float64)[:, None],
    )


def _forest_tree(tree: Any) -> _Tree:  # noqa: ANN401
    counts = tree.value[:, 0, :]
    return _Tree(
        tree.feature.astype(np.int64),
        tree.threshold.astype(np.float64),
        tree.children_left.astype(np.int64),
        tree.children_right.astype(np.int64),
        tree.missing_go_to_left.astype(bool),
        counts / counts.sum(axis=1, keepdims=True),
    )


def _breadth_first(tree: _Tree) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Order nodes so that siblings are neighbours.

    Returns the nodes in their new order, the new place of each one's left child (its
    own for a leaf), and the depth of the tree.
    """
    order, depths = [0], [0]
    child = np.empty(tree.left.size, np.int64)
    for place, node in enumerate(order):
        child[place] = place
        if tree.left[node] >= 0:
            child[place] = len(order)
            order += [int(tree.left[node]), int(tree.right[node])]
            depths += [depths[place] + 1] * 2
    return np.array(order, np.int64), child[: len(order)], max(depths)


def _words(
    tree: _Tree, order: NDArray[np.int64], child: NDArray[np.int64], cuts: Cuts
) -> NDArray[np.int64]:
    inner = tree.inner[order]
    feature = np.where(inner, tree.feature[order], 0)
    # A leaf must not shift its codes, or a missing value would leave it.
    missing_left = tree.missing_left[order] | ~inner
    place = np.array(
        [
            np.searchsorted(cuts.values[f], cut) if splits else _LEAF - 1
            for f, cut, splits in zip(
                feature, tree.threshold[order], inner, strict=True
            )
        ],
        np.int64,
    )
    # Where a missing value goes right, codes are one less, and so is the last one.
    last = place + missing_left
    return np.asarray(
        child << 32 | (~missing_left).astype(np.int64) << 31 | feature << 16 | last
    )
