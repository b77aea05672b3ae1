"""Which regions are alike: their climate, traits and level as a few coordinates."""

import numpy as np

from models.county.table import Floats

MOST_COORDINATES = 5


def coordinates(*families: Floats) -> Floats:
    """Place regions so that alike ones are near, whatever describes them.

    Each family of descriptions (climate normals, soils, position) weighs the same,
    however many columns it has; the leading principal coordinates of all follow.

    Parameters
    ----------
    families : float64 (region, column), NaN counts as the mean of the column

    Returns
    -------
    float64 (region, coordinate)
        Up to 5 coordinates; the first has unit variance. None without a description
        that differs.
    """
    scaled = [family for family in map(_scaled, families) if family.shape[1]]
    if not scaled:
        return np.zeros((families[0].shape[0] if families else 0, 0))
    left, size, _ = np.linalg.svd(np.concatenate(scaled, axis=1), full_matrices=False)
    count = min(MOST_COORDINATES, int((size > 1e-6 * size[0]).sum()))
    scores = left[:, :count] * size[:count]
    # The sign of a coordinate is arbitrary, and neither distances nor ridge see it.
    return np.asarray(scores / max(float(scores[:, 0].std()), 1e-12))


def _scaled(family: Floats) -> Floats:
    """Return columns of unit variance, divided by the root of their number."""
    known = np.isfinite(family)
    family = family[:, known.any(axis=0)]
    filled = np.where(np.isfinite(family), family, np.nanmean(family, axis=0))
    spread = filled.std(axis=0)
    useful = spread > 1e-9 * np.maximum(np.abs(filled).max(axis=0, initial=0.0), 1e-9)
    centred = (filled - filled.mean(axis=0))[:, useful] / spread[useful]
    return np.asarray(centred / np.sqrt(max(centred.shape[1], 1)))
