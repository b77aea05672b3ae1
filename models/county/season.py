"""The season of a region and year as a few numbers: smooth windows, then factors.

A dozen years cannot weigh hundreds of correlated weekly values. Each series is
therefore averaged over some six broad windows, and the series of a window are turned
into a few uncorrelated factors before any model sees them. Forty years of many regions
can weigh a dozen narrower ones, which know a hot week at flowering from a hot summer;
past years choose (`models.county.stack.sharpest`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.county.table import Floats, Series, Table

SPACINGS = (60, 30)
"""Days between the centres of two windows, from the broadest; half of it is the
standard deviation of the Gaussian that weighs them."""
LOOK_BACK = 120
"""Days of the year before that count: autumn sowing, water stored in the soil."""
EXPLAINED = 0.96
"""Share of the variance of a window that the factors must hold."""
MOST_FACTORS = 3
ENOUGH = 0.75
"""Share of the weight of a window that has to be known for it to be."""
FAR = 0.5
"""Share of the range of training by which a season may leave it without a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Season:
    """Departures of each season from its region's normal.

    Attributes
    ----------
    factors : float64 (year, region, feature), of unit variance in the training
        years; what is unknown counts as normal. At most `FAR` outside the range of
        the training years: an error of units is no harvest of a thousand tons
    known : bool (year, region), whether enough of every window was there
    mostly : bool (year, region), whether half of them were: enough to learn from
    filled : float64 (year, region), share of the worst known window for which the
        normal of the region stands in
    normals : float64 (region, window), what the departures are counted from
    beyond : float64 (year, region), how far the season lies outside the training
        years: the largest distance over the range of a factor; 0 inside
    """

    factors: Floats
    known: NDArray[np.bool_]
    mostly: NDArray[np.bool_]
    filled: Floats
    normals: Floats
    beyond: Floats


def season(
    table: Table,
    *,
    training: NDArray[np.bool_],
    until: int = 366,
    spacing: int = SPACINGS[0],
) -> Season:
    """Condense what is known of each season by a day of the year.

    Parameters
    ----------
    table : Table
    training : bool (year,)
        Years from which normals, spread and factors are learnt; no other year has
        any part in them.
    until : day of the year after which nothing is known yet
    spacing : days between the centres of two windows
    """
    blocks = _windows(table.series, training=training, until=until, spacing=spacing)
    if table.scalars.shape[2]:
        whole = np.zeros(table.target.shape)
        blocks.append((table.scalars[..., None], np.zeros(1, dtype=bool), whole))
    if not blocks:
        return _empty(table)
    parts = [_condense(values, back, training=training) for values, back, _ in blocks]
    factors = np.concatenate([part.factors for part in parts], axis=2)
    beyond, factors = _beyond(
        factors,
        seen=training[:, None] & np.logical_and.reduce([part.whole for part in parts]),
    )
    share = np.sum([part.share for part in parts], axis=0)
    return Season(
        factors=factors,
        known=np.logical_and.reduce([part.known for part in parts]),
        mostly=2 * share >= sum(part.columns for part in parts),
        filled=np.max([filled for *_, filled in blocks], axis=0),
        normals=np.concatenate([part.normals for part in parts], axis=1),
        beyond=beyond,
    )


def _empty(table: Table) -> Season:
    shape = table.target.shape
    return Season(
        factors=np.zeros((*shape, 0)),
        known=np.zeros(shape, dtype=bool),
        mostly=np.zeros(shape, dtype=bool),
        filled=np.zeros(shape),
        normals=np.zeros((shape[1], 0)),
        beyond=np.zeros(shape),
    )


def _windows(
    series: Sequence[Series],
    *,
    training: NDArray[np.bool_],
    until: int,
    spacing: int,
) -> list[tuple[Floats, NDArray[np.bool_], Floats]]:
    """Average series over windows; those with the same days are taken together.

    Returns
    -------
    list of (values, back, filled)
        values float64 (year, region, series, window), NaN where unknown; back bool
        (window,), whether a window lies in the year before; filled float64
        (year, region), as in `Season`.
    """
    groups: dict[bytes, list[Series]] = {}
    for one in series:
        groups.setdefault(one.days.tobytes(), []).append(one)
    found = []
    for members in groups.values():
        days = members[0].days
        centres, weights = window_weights(days, until=until, spacing=spacing)
        if centres.size == 0:
            continue
        before = known_moments(days, until=until) < 1
        values, shares = [], []
        for one in members:
            part = _even(one.values, training=training)
            part = _with_year_before(part, days=days, until=until)
            value, share = _averaged(part, weights, back=before, training=training)
            values.append(value)
            shares.append(share)
        back = centres <= 0
        filled = _filled(np.stack(shares, axis=2)[..., ~back])
        found.append((np.stack(values, axis=2), back, filled))
    return found


def _filled(known: Floats) -> Floats:
    """Return the largest share not known of the known windows, (year, region)."""
    gaps = np.where(known >= ENOUGH, 1 - known, 0.0)
    worst = gaps.max(axis=(2, 3), initial=0.0)
    # Weights add up to 1 but for the last bit.
    return np.asarray(np.where(worst > 1e-9, worst, 0.0))


def _averaged(
    values: Floats,
    weights: Floats,
    *,
    back: NDArray[np.bool_],
    training: NDArray[np.bool_],
) -> tuple[Floats, Floats]:
    """Return windows (.., window) of moments (.., moment), and the share known.

    For a moment unknown the region's normal stands in, so that a week lost in summer
    makes no cool season. With less than `ENOUGH` known a window is NaN; the year
    before may be absent altogether.
    """
    known = np.isfinite(values)
    share = (known | back).astype(np.float64) @ weights
    if not known.all():
        values = np.where(known, values, _mean(values[training]))
    usable = np.isfinite(values)
    total = np.where(usable, values, 0.0) @ weights
    weight = usable.astype(np.float64) @ weights
    empty = np.full(total.shape, np.nan)
    enough = (weight > 1e-6) & (share >= ENOUGH)
    return np.asarray(np.divide(total, weight, out=empty, where=enough)), share


def window_weights(
    days: NDArray[np.int64], *, until: int, spacing: int = SPACINGS[0]
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
    step = float(np.median(np.diff(days))) if days.size > 1 else spacing / 2
    start, end = moments[0] - step, float(moments[-1])
    count = max(1, round((end - start) / spacing))
    centres = start + (np.arange(count) + 0.5) * (end - start) / count
    # A value stands for the step that ends on its day.
    distance = (moments - step / 2)[:, None] - centres
    weights = np.exp(-0.5 * np.square(distance / max(spacing / 2, step / 2)))
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
    """A block of windows condensed; `whole` is where even the year before is known."""

    factors: Floats
    known: NDArray[np.bool_]
    whole: NDArray[np.bool_]
    share: Floats
    columns: int
    normals: Floats


def _condense(
    values: Floats, back: NDArray[np.bool_], *, training: NDArray[np.bool_]
) -> _Part:
    """Turn (year, region, series, window) into factors of the departures."""
    normal = _mean(values[training])
    departures = values - normal
    spread = np.sqrt(_mean(_mean(np.square(departures[training]))))
    departures = np.divide(departures, spread, out=departures * 0.0, where=spread > 0)
    finite = np.isfinite(departures)
    # (.., window, series): one set of axes serves every window.
    turned = np.swapaxes(departures, 2, 3)
    axes = _axes(turned[training])
    scale = (turned[training] @ axes).reshape(-1, axes.shape[1])
    scale = np.sqrt(_mean(np.square(scale)))
    factors = np.where(np.isfinite(turned), turned, 0.0) @ axes
    scores = np.divide(factors, scale, out=np.zeros_like(factors), where=scale > 0)
    rows = values.shape[:2]
    now = finite[..., ~back]
    return _Part(
        factors=scores.reshape(*rows, -1),
        known=np.asarray(now.all(axis=(2, 3))),
        whole=np.asarray(finite.all(axis=(2, 3))),
        share=now.sum(axis=(2, 3)).astype(np.float64),
        columns=int(np.prod(now.shape[2:])),
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


def _beyond(factors: Floats, *, seen: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return by how much of its range the worst factor leaves what was seen.

    And the factors, held within `FAR` of that range.
    """
    known = factors[seen]
    if len(known) < 2 or factors.shape[2] == 0:
        return np.zeros(factors.shape[:2]), factors
    low, high = known.min(axis=0), known.max(axis=0)
    reach = np.maximum(high - low, 1e-9)
    excess = np.maximum(low - factors, factors - high) / reach
    held = np.clip(factors, low - FAR * reach, high + FAR * reach)
    return np.asarray(excess.clip(0).max(axis=2)), held
