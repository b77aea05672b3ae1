"""How far a map extrapolates: dissimilarity index and area of applicability.

Meyer & Pebesma 2021 (Methods Ecol. Evol. 12:1620): features are standardised and
weighted by their importance; the dissimilarity index of a pixel is its distance to
the nearest training sample over the mean distance between training samples. Its
threshold is the largest index, outliers aside (quartile 3 + 1.5 times the range
between quartiles), that training samples have to those of other blocks.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from models.crop_map.kernels import nearest

__all__ = ["MOST_SAMPLES", "Applicability"]

MOST_SAMPLES: Final = 1000
"""Training samples kept: the index of a pixel costs as many distances."""

Float = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Applicability:
    """What of the training data tells near from far.

    Attributes
    ----------
    features : int64 (used,), places of the features with any importance
    centre, factor : float64 (used,), mean, and importance over standard deviation
    training : float32 (used, sample), standardised and weighted
    threshold : distance at which the area of applicability ends
    """

    features: NDArray[np.int64]
    centre: NDArray[np.float64]
    factor: NDArray[np.float64]
    training: Float
    threshold: float

    @classmethod
    def of(
        cls,
        values: Float,
        *,
        importance: NDArray[np.float64],
        blocks: NDArray[np.integer],
        rng: np.random.Generator,
    ) -> Self:
        """Learn what is near from training samples.

        Parameters
        ----------
        values : float32 (sample, feature)
        importance : float64 (feature,), not negative
        blocks : integer (sample,)
            The threshold is of distances between blocks.
        rng
            Draws `MOST_SAMPLES` where there are more.
        """
        used = np.flatnonzero((importance > 0) & ~np.isnan(values).all(axis=0))
        columns = values[:, used].astype(np.float64)
        centre, spread = np.nanmean(columns, axis=0), np.nanstd(columns, axis=0)
        weight = importance[used] / importance[used].sum()
        factor = np.divide(weight, spread, out=np.zeros_like(weight), where=spread > 0)
        bare = cls(used, centre, factor, np.empty((used.size, 0), np.float32), 1.0)
        count = min(len(values), MOST_SAMPLES)
        kept = np.sort(rng.choice(len(values), count, replace=False))
        points = bare._scaled(values[kept])
        training = np.ascontiguousarray(points.T)
        threshold = _threshold(points, blocks[kept])
        return cls(used, centre, factor, training, threshold)

    def index(self, values: Float) -> NDArray[np.float64]:
        """Return the dissimilarity of samples (sample, feature) over its threshold.

        Above 1 a sample lies outside the area of applicability. A missing value counts
        as the training mean.
        """
        points = self._scaled(values)
        out = np.empty(len(points))
        scratch = np.empty(self.training.shape[1], np.float32)
        nearest(points, self.training, scratch, out)
        return out / self.threshold

    def _scaled(self, values: Float) -> Float:
        apart = (values[:, self.features] - self.centre) * self.factor
        return np.nan_to_num(apart, nan=0.0).astype(np.float32)


def _threshold(points: Float, blocks: NDArray[np.integer]) -> float:
    """Largest distance, outliers aside, to the nearest sample of another block.

    The mean distance between samples, which divides both the index and its threshold,
    falls out of their ratio.
    """
    found = []
    for block in np.unique(blocks):
        own = blocks == block
        if own.all():
            continue
        out = np.empty(int(own.sum()))
        others = np.ascontiguousarray(points[~own].T)
        nearest(points[own], others, np.empty(others.shape[1], np.float32), out)
        found.append(out)
    apart = np.concatenate(found) if found else np.zeros(1)
    low, high = np.quantile(apart, (0.25, 0.75))
    inside = apart[apart <= high + 1.5 * (high - low)]
    # Samples that are all alike: whatever differs from them is outside.
    return max(float(inside.max()), 1e-12)
