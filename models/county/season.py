"""The season of a region and year as a few numbers: smooth windows, then factors.

A dozen years cannot weigh hundreds of correlated weekly values. Each series is
therefore averaged over some six broad windows, and the series of a window are turned
into a few uncorrelated factors before any model sees them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.county.table import Floats, Series, Table

SPACING = 60
"""Days between the centres of two windows."""
WIDTH = 30.0
"""Standard deviation of the Gaussian window, in days."""
LOOK_BACK = 120
"""Days of the year before that count: autumn sowing, water stored in the soil."""
EXPLAINED = 0.96
"""Share of the variance of a window that the factors must hold."""
MOST_FACTORS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Season:
    """Departures of each season from its region's normal.

    Attributes
    ----------
    factors : float64 (year, region, feature), of unit variance in the training
        years; 0, the normal, where only the year before is unknown
    known : bool (year, region), whether every value needed was there
    normals : float64 (region, window), what the departures are counted from
    beyond : float64 (year, region), how far the season lies outside the training
        years: the largest distance over the range of a factor; 0 inside
    """

    factors: Floats
    known: NDArray[np.bool_]
    normals: Floats
    beyond: Floats


def season(table: Table, *, training: NDArray[np.bool_], until: int = 366) -> Season:
    """Condense what is known of each season by a day of the year.

    Parameters
    ----------
    table : Table
    training : bool (year,)
        Years from which normals, spread and factors are learnt; no other year has
        any part in them.
    until : day of the year after which nothing is known yet
    """
    blocks = [*_windows(table.series, training=training, until=until)]
    if table.scalars.shape[2]:
        blocks.append((table.scalars[..., None], np.zeros(1, dtype=bool)))
    if not blocks:
        return _empty(table)
    parts = [_condense(values, back, training=training) for values, back in blocks]
    factors = np.concatenate([part.factors for part in parts], axis=2)
    return Season(
        factors=np.where(np.isfinite(factors), factors, 0.0),
        known=np.logical_and.reduce([part.known for part in parts]),
        normals=np.concatenate([part.normals for part in parts], axis=1),
        beyond=_beyond(factors, training=training),
    )


def _empty(table: Table) -> Season:
    shape = table.target.shape
    return Season(
        factors=np.zeros((*shape, 0)),
        known=np.zeros(shape, dtype=bool),
        normals=np.zeros((shape[1], 0)),
        beyond=np.zeros(shape),
    )


def _windows(
    series: Sequence[Series], *, training: NDArray[np.bool_], until: int
) -> list[tuple[Floats, NDArray[np.bool_]]]:
    """Average series over windows; those with the same days are taken together.

    Returns
    -------
    list of (values, back)
        values float64 (year, region, series, window), NaN where unknown; back bool
        (window,), whether a window lies in the year before.
    """
    groups: dict[bytes, list[Series]] = {}
    for one in series:
        groups.setdefault(one.days.tobytes(), []).append(one)
    found = []
    for members in groups.values():
        days = members[0].days
        values = np.stack(
            [_even(one.values, training=training) for one in members], axis=2
        )
        centres, weights = window_weights(days, until=until)
        if centres.size:
            part = _with_year_before(values, days=days, until=until)
            back = known_moments(days, until=until) < 1
            found.append((_averaged(part, weights, back=back), centres <= 0))
    return found


def _averaged(values: Floats, weights: Floats, *, back: NDArray[np.bool_]) -> Floats:
    """Return windows (.., window) of moments (.., moment), NaN where one is unknown.

    The year before may be absent: then the rest of a window stands for it.
    """
    absent = ~np.isfinite(values) & back
    total = np.where(absent, 0.0, values) @ weights
    weight = (~absent).astype(np.float64) @ weights
    empty = np.full(total.shape, np.nan)
    return np.asarray(np.divide(total, weight, out=empty, where=weight > 1e-6))


def window_weights(
    days: NDArray[np.int64], *, until: int
) -> tuple[Floats, NDArray[np.float64]]:
    """Return the centres of the windows and the weight of each moment in them.

    Moments are those of the end of the year before (`LOOK_BACK`, as days below 1),
    then those of the year, up to `until`.

    Returns
    -------
    float64 (window,), float64 (moment, window); each column sums to 1
    """
    moments = known_moments(days, until=until)
    if moments.size == 0:
        return np.empty(0), np.empty((0, 0))
    step = float(np.median(np.diff(days)))
    start, end = moments[0] - step, float(moments[-1])
    count = max(1, round((end - start) / SPACING))
    centres = start + (np.arange(count) + 0.5) * (end - start) / count
    # A value stands for the step that ends on its day.
    distance = (moments - step / 2)[:, None] - centres
    weights = np.exp(-0.5 * np.square(distance / max(WIDTH, step / 2)))
    return centres, weights / weights.sum(axis=0)


def known_moments(days: NDArray[np.int64], *, until: int) -> NDArray[np.int64]:
    """Return the days, those of the year before below 1, that are known by `until`."""
    before = days[days > 366 - LOOK_BACK] - 366
    return np.concatenate([before, days[days <= until]])


def _with_year_before(values: Floats, *, days: NDArray[np.int64], until: int) -> Floats:
    """Put the end of the year before in front of each year's moments."""
    back = values[..., days > 366 - LOOK_BACK]
    before = np.full_like(back, np.nan)
    before[1:] = back[:-1]
    return np.concatenate([before, values[..., days <= until]], axis=-1)


def _even(values: Floats, *, training: NDArray[np.bool_]) -> Floats:
    """Return the square root of what is never negative and long-tailed, as rain is."""
    seen = values[training]
    seen = seen[np.isfinite(seen)]
    if seen.size == 0 or seen.min() < 0 or seen.std() == 0:
        return values
    skewness = np.mean(((seen - seen.mean()) / seen.std()) ** 3)
    # A negative value that training never saw has no root: it counts as none.
    return np.sqrt(np.maximum(values, 0.0)) if skewness > 1 else values


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    factors: Floats
    known: NDArray[np.bool_]
    normals: Floats


def _condense(
    values: Floats, back: NDArray[np.bool_], *, training: NDArray[np.bool_]
) -> _Part:
    """Turn (year, region, series, window) into factors of the departures."""
    normal = _mean(values[training])
    departures = values - normal
    spread = np.sqrt(_mean(_mean(np.square(departures[training]))))
    departures = np.divide(
        departures, spread, out=np.zeros_like(departures), where=spread > 0
    )
    known = np.asarray(np.isfinite(departures[..., ~back]).all(axis=(2, 3)))
    # (.., window, series): one set of axes serves every window.
    turned = np.swapaxes(departures, 2, 3)
    axes = _axes(turned[training])
    factors = turned @ axes
    scale = np.sqrt(_mean(np.square(factors[training].reshape(-1, axes.shape[1]))))
    scores = np.divide(factors, scale, out=np.zeros_like(factors), where=scale > 0)
    rows = values.shape[:2]
    return _Part(
        factors=scores.reshape(*rows, -1),
        known=known,
        normals=normal.reshape(rows[1], -1),
    )


def _axes(departures: Floats) -> Floats:
    """Return the leading principal axes (series, factor) of departures (.., series)."""
    rows = departures.reshape(-1, departures.shape[-1])
    rows = rows[np.isfinite(rows).all(axis=1)]
    if len(rows) < 2:
        return np.eye(departures.shape[-1])[:, :MOST_FACTORS]
    variances, axes = np.linalg.eigh(rows.T @ rows / len(rows))
    variances, axes = np.maximum(variances[::-1], 0.0), axes[:, ::-1]
    share = np.cumsum(variances) / max(variances.sum(), np.finfo(float).tiny)
    count = min(int(np.searchsorted(share, EXPLAINED) + 1), MOST_FACTORS)
    # The sign of an axis is arbitrary: make it the same wherever it is computed.
    chosen = axes[:, :count]
    largest = np.abs(chosen).argmax(axis=0)
    return np.asarray(chosen * np.sign(chosen[largest, np.arange(count)]))


def _mean(values: Floats) -> Floats:
    """Return the mean over the first axis of what is known, NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    empty = np.full(count.shape, np.nan)
    return np.asarray(np.divide(total, count, out=empty, where=count > 0))


def _beyond(factors: Floats, *, training: NDArray[np.bool_]) -> Floats:
    """Return by how much of its range the worst factor leaves the training years."""
    seen = factors[training].reshape(-1, factors.shape[2])
    seen = seen[np.isfinite(seen).all(axis=1)]
    if len(seen) < 2 or factors.shape[2] == 0:
        return np.zeros(factors.shape[:2])
    low, high = seen.min(axis=0), seen.max(axis=0)
    excess = np.maximum(low - factors, factors - high) / np.maximum(high - low, 1e-9)
    return np.asarray(np.where(np.isfinite(excess), excess, 0.0).clip(0).max(axis=2))
