"""Counties that add up to their frame: ratio benchmarking of small-area estimates."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from models.area import reasons
from models.area.quantiles import symmetric_bounds
from models.area.result import AreaEstimate, Status
from models.reasons import both

__all__ = ["benchmarked"]

# Standard errors of the difference beyond which it is no chance.
_APART = 3.0


def benchmarked(
    counties: Sequence[AreaEstimate], whole: AreaEstimate
) -> list[AreaEstimate]:
    """Scale the areas of counties so that they add up to that of the frame.

    Ratio benchmarking (Rao & Molina 2015, Small Area Estimation, 6.4.6): each area
    times the frame's over their sum. The frame's estimate rests on all segments and on
    no model; so the sum keeps what a wrong model would take from it. The best predictor
    errs independently of anything made of the same data, so to its mean squared error
    is added the square of the move (Steorts & Ghosh 2013, Statistica Sinica 23:749,
    with the move that was made in place of the expected one).

    Parameters
    ----------
    counties
        Of one crop, which together are all of the frame.
    whole
        The frame of the same crop.

    Returns
    -------
    list of AreaEstimate
        As they were, where the frame or a county has no standard error, or nothing
        is grown. Where frame and sum differ by more than three standard errors one of
        them is wrong; then they are left as they were too, limited, with the reason.
    """
    values = [one.value for one in counties if one.value is not None]
    errors = [one.se for one in counties if one.se is not None]
    if whole.value is None or whole.se is None:
        return list(counties)
    if len(values) < len(counties) or len(errors) < len(counties):
        return list(counties)
    if not (sum(values) > 0 and whole.value > 0):
        return list(counties)
    spread = float(np.sqrt(whole.se**2 + np.square(errors).sum()))
    if abs(whole.value - sum(values)) > _APART * spread:
        why = reasons.not_adding_up(sum(values), whole.value)
        return [
            replace(one, status=Status.LIMITED, reason=both(one.reason, why))
            for one in counties
        ]
    # A ratio keeps areas above 0 and no area at 0, which adding a difference does not.
    factor = whole.value / sum(values)
    return [_scaled(one, factor) for one in counties]


def _scaled(one: AreaEstimate, factor: float) -> AreaEstimate:
    assert one.value is not None
    assert one.se is not None
    assert one.df is not None
    value = one.value * factor
    se = float(np.hypot(one.se, value - one.value))
    lower, upper = symmetric_bounds(value, se, one.df, interval=one.interval)
    return replace(
        one,
        value=value,
        se=se,
        lower=lower,
        upper=upper,
        method=f"{one.method}+benchmark",
        reason=both(one.reason, reasons.benchmarked(factor)),
    )
