"""Production: area times yield, and sums over counties, with the errors of both.

Yields of counties are estimates with errors that counties share: one drought lowers
all of them below what was forecast. So the variance of a sum is not the sum of the
variances; how much of the error is shared is measured on past years, and where it
cannot be measured the errors are taken to be shared wholly. Areas carried over from old
statistics drift together too; areas from samples err each by itself.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError

__all__ = [
    "Quantity",
    "QuantityInvalid",
    "error_of",
    "interval_of",
    "latest_with_error",
    "product",
    "shared_share",
    "total",
    "total_product",
    "weighted_mean",
]

# Chance that the counties of a year share more than `shared_share` says.
_DOUBT = 0.1


class QuantityInvalid(ModelError):
    """A number or error that no area, yield or production can have."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """An estimate and its standard error, in one unit; both finite, the error >= 0.

    Raises
    ------
    QuantityInvalid
    """

    value: float
    error: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and self.value >= 0):
            raise QuantityInvalid(
                f"{self.value} is no area, yield or production: give a finite number,"
                " 0 or more · 数值应为非负有限数"
            )
        if not (math.isfinite(self.error) and self.error >= 0):
            raise QuantityInvalid(
                f"{self.error} is no standard error: give a finite number, 0 or more"
                " · 标准误应为非负有限数"
            )


def error_of(*, value: float, upper: float, interval: float) -> float:
    """Return the standard error that an interval stands for, were it of a normal law.

    Its upper half is taken: a lower bound may have been cut off at 0.
    """
    from scipy.stats import norm

    return float((upper - value) / norm.ppf((1 + interval) / 2))


def product(first: Quantity, second: Quantity, *, correlation: float = 0.0) -> Quantity:
    """Multiply two estimates, as area (ha) by yield (t/ha) to production (t).

    Exact for independent estimates (Goodman 1960, JASA 55:708, equation 2), and for a
    pair that is jointly normal with a correlation (Bohrnstedt & Goldberger 1969, JASA
    64:1439, equations 2 and 6)::

        E  = xy + r sx sy
        V  = x^2 sy^2 + y^2 sx^2 + 2 r x y sx sy + (1 + r^2) sx^2 sy^2

    Raises
    ------
    QuantityInvalid
        The correlation is not in -1..1, or makes the product negative.
    """
    if not -1.0 <= correlation <= 1.0:
        raise QuantityInvalid(
            f"{correlation} is no correlation: give one from -1 to 1"
            f" · 相关系数 {correlation} 应在 -1 到 1 之间"
        )
    x, y, sx, sy = first.value, second.value, first.error, second.error
    joint = correlation * sx * sy
    variance = (x * sy) ** 2 + (y * sx) ** 2 + 2 * x * y * joint
    variance += (sx * sy) ** 2 + joint**2
    # Rounding alone can take a variance of 0 below it.
    return Quantity(x * y + joint, math.sqrt(max(variance, 0.0)))


def interval_of(quantity: Quantity, *, interval: float) -> tuple[float, float]:
    """Return the bounds of an estimate that cannot be negative.

    They are quantiles of the log-normal law with its mean and variance (Crow & Shimizu
    1988, Lognormal Distributions, section 1.2), which is near a product of two normal
    laws, and is above 0. The bounds hold the value itself, which for a relative error
    above 1 can lie beyond the upper quantile.
    """
    from scipy.stats import norm

    value = quantity.value
    if value == 0.0 or quantity.error == 0.0:
        return value, value + quantity.error * float(norm.ppf((1 + interval) / 2))
    spread = math.sqrt(math.log1p((quantity.error / value) ** 2))
    middle = math.log(value) - spread**2 / 2
    reach = float(norm.ppf((1 + interval) / 2)) * spread
    lower, upper = math.exp(middle - reach), math.exp(middle + reach)
    return min(lower, value), max(upper, value)


def total(parts: Sequence[Quantity], *, shared: float | Sequence[float]) -> Quantity:
    """Add estimates of counties whose errors have a share in common.

    With errors ``e_i = s_i (sqrt(c_i) u + sqrt(1 - c_i) w_i)``, u of the year and w_i
    of the county, the variance of the sum is ``sum (1 - c_i) s_i^2 + (sum sqrt(c_i)
    s_i)^2``; for one c, ``(1 - c) sum s_i^2 + c (sum s_i)^2``.

    Parameters
    ----------
    parts
    shared
        c, 0..1, of all or of each part: 0 adds variances as if counties were
        independent, 1 adds errors.

    Raises
    ------
    QuantityInvalid
    """
    errors = np.array([part.error for part in parts], dtype=np.float64)
    common = errors * np.sqrt(_shares(shared, len(parts)))
    variance = float(errors @ errors) + _across(common)
    return Quantity(
        math.fsum(part.value for part in parts), math.sqrt(max(variance, 0.0))
    )


def total_product(
    areas: Sequence[Quantity],
    yields: Sequence[Quantity],
    *,
    areas_shared: float | Sequence[float],
    yields_shared: float,
) -> Quantity:
    """Add the productions of counties, areas (ha) times yields (t/ha).

    Assumes that areas err independently of yields. Then the covariance of two
    counties' products is that of Bohrnstedt & Goldberger 1969 (JASA 64:1439, with the
    covariances of an area and a yield at 0)::

        x_i x_j cov(y_i, y_j) + y_i y_j cov(x_i, x_j) + cov(x_i, x_j) cov(y_i, y_j)

    and the covariances are those of `total`: an area from a sample of its own county
    has none (share 0), which leaves the shared error of the yields alone.

    Parameters
    ----------
    areas, yields
        Of the same counties, in one order.
    areas_shared, yields_shared
        Shares of the squared error in common, 0..1, as in `total`.

    Raises
    ------
    QuantityInvalid
    """
    x, y, sx, sy = (
        np.array(numbers, dtype=np.float64)
        for numbers in (
            [one.value for one in areas],
            [one.value for one in yields],
            [one.error for one in areas],
            [one.error for one in yields],
        )
    )
    common_x = sx * np.sqrt(_shares(areas_shared, len(areas)))
    common_y = sy * np.sqrt(_shares(yields_shared, len(yields)))
    own = float(((x * sy) ** 2 + (y * sx) ** 2 + (sx * sy) ** 2).sum())
    across = sum(map(_across, (x * common_y, y * common_x, common_x * common_y)))
    return Quantity(math.fsum(x * y), math.sqrt(max(own + across, 0.0)))


def weighted_mean(
    parts: Sequence[Quantity], weights: Sequence[float], *, shared: float
) -> Quantity:
    """Return the mean of county estimates by weight, as the yield of a prefecture.

    The weights, areas, are taken as known: their errors hardly move a mean of yields
    that are much alike.

    Raises
    ------
    QuantityInvalid
        The weights do not sum to more than 0, or one is negative.
    """
    whole = math.fsum(weights)
    if min(weights, default=0.0) < 0 or not whole > 0:
        raise QuantityInvalid(
            "weights of a mean are 0 or more and not all 0: give areas in ha"
            " · 权重应为非负且不全为零"
        )
    scaled = [
        Quantity(part.value * weight / whole, part.error * weight / whole)
        for part, weight in zip(parts, weights, strict=True)
    ]
    return total(scaled, shared=shared)


def shared_share(errors: NDArray[np.float64]) -> float:
    """Return the share of the squared error that the counties of a year share.

    The intraclass correlation of a one-way layout with the years as classes, as its
    upper limit with one chance in ten of being above it (Shrout & Fleiss 1979, Psychol.
    Bull. 86:420, ICC(1) and its limits): few years can hide what counties share, and an
    interval of a total has to hold all the same.

    Parameters
    ----------
    errors : float64 (year, county)
        Errors of past years, each in units of its own standard error or of the level
        of the county; NaN where there is none.

    Returns
    -------
    float
        0..1; 1 with fewer than three years, or fewer than two counties a year.
    """
    from scipy.stats import f as f_law

    counts = np.isfinite(errors).sum(axis=1)
    years, counts = errors[counts >= 2], counts[counts >= 2]
    k, n = len(years), int(counts.sum())
    if k < 3:
        return 1.0
    means = np.nanmean(years, axis=1)
    within = float(np.nansum((years - means[:, None]) ** 2)) / (n - k)
    # About 0, not about their own mean: a model that misses all years is shared error.
    between = float(counts @ means**2) / k
    if within == 0.0:
        return 0.0 if between == 0.0 else 1.0
    # The usual size of unequal classes.
    size = (n - float(counts @ counts) / n) / (k - 1)
    ratio = between / within / float(f_law.ppf(_DOUBT, k, n - k))
    return min(max((ratio - 1) / (ratio - 1 + size), 0.0), 1.0)


def latest_with_error(
    values: NDArray[np.float64], *, ahead: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Say what the next years' areas are by their last known ones.

    Sown areas drift, so the last one known is the best guess; how wrong it is was seen
    in the past: the root mean square of the relative changes over as many years as lie
    between, of all counties together, because one county has too few of them.

    Parameters
    ----------
    values : float64 (year, county), ha
        Consecutive years, the last one first known that is used; NaN where unknown.
    ahead : int
        Years from the last row to the year to say.

    Returns
    -------
    values, errors : float64 (county,)
        In ha; the error is NaN where no change over that many years was ever seen.
    """
    known = np.isfinite(values)
    last = len(values) - 1 - np.argmax(known[::-1], axis=0)
    columns = np.arange(values.shape[1])
    latest = np.where(known.any(axis=0), values[last, columns], np.nan)
    spread = np.array([_change(values, int(ahead + len(values) - 1 - i)) for i in last])
    return latest, latest * spread


def _change(values: NDArray[np.float64], years: int) -> float:
    """Return the root mean square relative change over some years; NaN unseen."""
    if years >= len(values):
        return math.nan
    before, after = values[:-years], values[years:]
    usable = np.isfinite(before) & np.isfinite(after) & (before > 0)
    if not usable.any():
        return math.nan
    change = after[usable] / before[usable] - 1
    return float(np.sqrt(np.mean(change**2)))


def _across(common: NDArray[np.float64]) -> float:
    """Sum the products of all pairs of two counties, each pair both ways round."""
    return float(common.sum()) ** 2 - float(common @ common)


def _shares(shared: float | Sequence[float], parts: int) -> NDArray[np.float64]:
    shares = np.broadcast_to(np.asarray(shared, dtype=np.float64), (parts,))
    wrong = ~((shares >= 0) & (shares <= 1))
    if wrong.any():
        raise QuantityInvalid(
            f"{shares[wrong][0]} is no share of an error: give one from 0 to 1"
            f" · 共同误差的比例 {shares[wrong][0]} 应在 0 到 1 之间"
        )
    return shares
