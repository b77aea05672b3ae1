"""What to think of each estimate of a year: a status, and why, in two languages."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.county.forecast import FAR, MINIMUM_YEARS, Forecast
from models.reasons import NO_INTERVAL, Reason, both

Status = Literal["estimated", "extrapolated", "level", "missing"]
"""Level and season; the same beyond what training saw; level alone; no number."""

NO_FEATURES = Reason(
    "from the level alone: the table has no features of the season",
    "仅据常年水平估计：表中没有当季特征",
)
NO_SEASON = Reason(
    "from the level alone: features of this season are missing",
    "仅据常年水平估计：当季特征缺失",
)
NO_SKILL = Reason(
    "falls back to the level: in past years the season did not tell yields",
    "退回常年水平：往年当季特征未能解释单产",
)
NO_NUMBER = Reason("no number can be computed", "无法算出数值")


@dataclass(frozen=True, slots=True)
class Judgement:
    """Status of one estimate, and its reason; None where there is nothing to say."""

    status: Status
    reason: Reason | None = None


def judge(found: Forecast, *, features: bool = True) -> tuple[Judgement, ...]:
    """Judge the estimate of each region.

    Parameters
    ----------
    found : Forecast
    features : whether the table has anything that changes from season to season

    Returns
    -------
    tuple of Judgement, (region,)
    """
    return tuple(
        _with_interval(_judge(found, region, features=features), found, region)
        for region in range(found.value.size)
    )


def _judge(found: Forecast, region: int, *, features: bool) -> Judgement:
    known = int(found.years_known[region])
    if known < MINIMUM_YEARS:
        return Judgement("missing", few_years(known))
    if not np.isfinite(found.value[region]):
        return Judgement("missing", NO_NUMBER)
    if not features:
        return Judgement("level", NO_FEATURES)
    if not found.season_known[region]:
        return Judgement("level", NO_SEASON)
    if not found.trust:
        return Judgement("level", NO_SKILL)
    if found.beyond[region] > FAR:
        return Judgement("extrapolated", far(float(found.beyond[region])))
    return Judgement("estimated")


def _with_interval(judged: Judgement, found: Forecast, region: int) -> Judgement:
    bounds = found.lower[region], found.upper[region]
    if judged.status == "missing" or np.isfinite(bounds).all():
        return judged
    return Judgement(judged.status, both(judged.reason, NO_INTERVAL))


def few_years(known: int) -> Reason:
    """Return that the history of a region is too short for a number."""
    return Reason(
        f"the history has {known} of the {MINIMUM_YEARS} years needed",
        f"历史只有{known}年，至少需要{MINIMUM_YEARS}年",
    )


def far(beyond: float) -> Reason:
    """Return by how much of its range a season leaves the years learnt from."""
    return Reason(
        f"extrapolated: the season lies {beyond:.0%} of the range of the years"
        " learnt from outside it",
        f"外推：当季特征超出所学年份的范围，超出量为该范围的{beyond:.0%}",
    )


__all__ = [
    "NO_FEATURES",
    "NO_NUMBER",
    "NO_SEASON",
    "NO_SKILL",
    "Judgement",
    "Status",
    "far",
    "few_years",
    "judge",
]
