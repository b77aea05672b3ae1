"""Prediction intervals from residuals that come in blocks of years."""

import math

import numpy as np
from numpy.typing import NDArray


def half_width(residuals: NDArray[np.float64], *, interval: float) -> float:
    """Return the half-width that covers the share `interval` in a year not yet seen.

    All counties of a year share its weather, so the year and not the row is what
    can be exchanged. Each year gives the `interval` quantile of its absolute
    residuals; the answer is the ceil((n + 1) interval)-th smallest of these n, the
    split-conformal quantile with the year as the unit (two-layer data: Dunn,
    Wasserman & Ramdas, arXiv:1809.07441).

    Parameters
    ----------
    residuals : float64 (year, county)
        Residuals of years left out of the fit; NaN where there is none.
    interval : float
        Nominal coverage, in 0..1.

    Returns
    -------
    float
        In the unit of the residuals; infinite with too few years to say.
    """
    # A year that nobody could predict says nothing, not that the error was 0.
    years = residuals[np.isfinite(residuals).any(axis=1)]
    per_year = np.sort([_quantile(year, interval) for year in years])
    rank = math.ceil((per_year.size + 1) * interval)
    return float(per_year[rank - 1]) if rank <= per_year.size else math.inf


def _quantile(residuals: NDArray[np.float64], share: float) -> float:
    known = residuals[np.isfinite(residuals)]
    return float(np.quantile(np.abs(known), share))
