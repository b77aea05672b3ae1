"""How many samples a wanted precision takes, and how they are shared out."""

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.area.errors import DesignImpossible

__all__ = ["RARE_LEAST", "Allocation", "allocate", "points_needed", "segments_needed"]

Float = NDArray[np.float64]
Allocation = Literal["olofsson", "proportional", "neyman", "equal"]

# Points of a rare class that Olofsson et al. 2014 advise, 50 to 100.
RARE_LEAST = 50


def points_needed(weights: Float, shares: Float, *, se: float) -> int:
    """Points for a wanted standard error of a share of the land.

    Cochran 1977, 5.25, for an infinite population; equation 13 of Olofsson et al.
    2014 (Remote Sensing of Environment 148:42): n = (sum W S / se)^2 with S =
    sqrt(p (1 - p)). It is that of Neyman's allocation; others need more.

    Parameters
    ----------
    weights
        float64 (strata,): shares of the land.
    shares
        float64 (strata,): of what is counted, in each stratum. For the overall
        accuracy the user's accuracies that are expected; for the area of a class its
        share of each stratum.
    se
        Wanted standard error, as a share.

    Returns
    -------
    int, rounded up.

    Raises
    ------
    DesignImpossible
        A share is not within 0 and 1, or `se` not above 0.
    """
    if not (0 < se < 1) or not ((shares >= 0) & (shares <= 1)).all():
        raise DesignImpossible(
            f"standard error {se:g} of shares {shares.tolist()}: give shares of 0 to 1 "
            "and a standard error between 0 and 1 · 比例应在 0 到 1 之间，"
            "标准误应大于 0 且小于 1"
        )
    deviation = np.sqrt(shares * (1 - shares))
    return math.ceil(round(float(_normal(weights) @ deviation / se) ** 2, 9))


def segments_needed(
    populations: Float, means: Float, deviations: Float, *, cv: float
) -> int:
    """Segments for a wanted coefficient of variation of a crop's area.

    Cochran 1977, 5.25 with Neyman's allocation: n = (sum N S)^2 / (V + sum N S^2),
    V = (cv sum N mean)^2.

    Parameters
    ----------
    populations
        float64 (strata,): segments in the frame.
    means, deviations
        float64 (strata,): expected mean of the crop a segment and standard deviation
        between segments, in one unit. With a map as regressor the deviation shrinks
        by sqrt(1 - r^2).
    cv
        Wanted, e.g. 0.03.

    Raises
    ------
    DesignImpossible
        The crop is nowhere expected, or `cv` not above 0.
    """
    total = float(populations @ means)
    if not (total > 0 and cv > 0):
        raise DesignImpossible(
            f"a CV of {cv:g} for an expected area of {total:g}: both have to be above "
            "0 · 变异系数和预期面积都应大于 0"
        )
    needed = float(populations @ deviations) ** 2
    needed /= (cv * total) ** 2 + float(populations @ deviations**2)
    # Rounding first: 225.00000000000003 points are 225.
    return min(math.ceil(round(needed, 9)), int(populations.sum()))


def allocate(
    total: int,
    weights: Float,
    *,
    method: Allocation = "olofsson",
    deviations: Float | None = None,
    minimum: int | None = None,
    populations: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Share samples out to strata.

    Parameters
    ----------
    total
        Samples in all.
    weights
        float64 (strata,): shares of the land, or segments of the frame.
    method
        "olofsson" gives strata that a proportional share would leave with fewer than
        `minimum` so many, and the others the rest in proportion (section 5.1 of
        Olofsson et al. 2014); "neyman" by weight times `deviations`; "proportional";
        "equal". Every method keeps to `minimum`.
    minimum
        Of each stratum; `RARE_LEAST` for "olofsson" and 2 for the others if left out,
        since one sample has no variance.
    populations
        int64 (strata,): no stratum gets more than it has.

    Returns
    -------
    int64 (strata,), adding up to `total`; strata of weight 0 get none.

    Raises
    ------
    DesignImpossible
        The strata cannot hold `total` samples, or it does not suffice for the minimum.
    """
    least = (
        minimum if minimum is not None else (RARE_LEAST if method == "olofsson" else 2)
    )
    # A stratum without land takes no sample, not even the minimum.
    there = weights > 0
    most = np.where(there, total if populations is None else populations, 0)
    floor = np.minimum(np.where(there, least, 0), most)
    if not floor.sum() <= total <= most.sum():
        raise DesignImpossible(
            f"{total} samples over {there.sum()} strata with at least {least} each and "
            f"at most {most.sum()} in all: ask for {floor.sum()} to {most.sum()}, or "
            f"for another minimum · {total} 个样本无法分配：每层至少 {least} 个，"
            f"总数应在 {floor.sum()} 到 {most.sum()} 之间"
        )
    return _shared(total, _wish(weights, method, deviations), floor, most)


def _wish(weights: Float, method: Allocation, deviations: Float | None) -> Float:
    if method == "equal":
        return np.asarray((weights > 0).astype(np.float64))
    if method != "neyman":
        return _normal(weights)
    if deviations is None or not float(weights @ deviations) > 0:
        raise DesignImpossible(
            "Neyman's allocation needs the standard deviation of each stratum, one of "
            "them above 0 · 奈曼分配需要各层标准差，且不能全为 0"
        )
    return _normal(weights * deviations)


def _shared(
    total: int, wish: Float, floor: NDArray[np.int64], most: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Share `total` in proportion to `wish`, within bounds, by largest remainders."""
    low, high = np.zeros(len(wish), bool), np.zeros(len(wish), bool)
    given = np.zeros(len(wish))
    for _ in range(2 * len(wish) + 1):
        free = ~(low | high) & (wish > 0)
        rest = total - floor[low].sum() - most[high].sum()
        part = np.where(free, wish, 0)
        given = np.where(low, floor, np.where(high, most, 0)).astype(np.float64)
        given += part * (rest / part.sum() if part.any() else 0)
        over, under = ~high & (given > most), ~low & ~high & (given < floor)
        # Fixing one side at a time is what makes the other come out right.
        if over.any() and (given - most)[over].sum() >= (floor - given)[under].sum():
            high |= over
            low &= ~over
        elif under.any():
            low |= under
        else:
            break
    whole = np.floor(given).astype(np.int64)
    # Largest remainders first, ties by place: the same allocation on every machine.
    order = np.argsort(whole - given, kind="stable")
    for place in order:
        if whole.sum() < total and whole[place] < most[place]:
            whole[place] += 1
    # What strata without a wish could still take.
    for place in order:
        more = min(total - int(whole.sum()), int(most[place] - whole[place]))
        whole[place] += max(more, 0)
    return whole


def _normal(weights: Float) -> Float:
    total = float(weights.sum())
    if not (np.isfinite(weights).all() and (weights >= 0).all() and total > 0):
        raise DesignImpossible(
            f"strata of {weights.tolist()}: sizes are numbers, 0 or more, one above 0"
            " · 各层大小应为非负数，且不能全为 0"
        )
    return np.asarray(weights / total)
