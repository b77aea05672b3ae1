"""What to think of each estimate of a year: a status, and why, in two languages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.county.forecast import MINIMUM_YEARS, Forecast
from models.county.season import FAR
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
TWO_UNITS = Reason(
    "the history jumps as from one unit to another: convert the target to one unit",
    "历史产量成倍跳变，疑似混用单位：请先统一单位",
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


def judge(
    found: Forecast, *, features: bool = True, former: Sequence[str] = ()
) -> tuple[Judgement, ...]:
    """Judge the estimate of each region.

    Parameters
    ----------
    found : Forecast
    features : whether the table has anything that changes from season to season
    former : for each region, the name that it may have had before; "" for none

    Returns
    -------
    tuple of Judgement, (region,)
    """
    names = former or [""] * found.value.size
    return tuple(
        _with_more(_judge(found, region, features=features, former=name), found, region)
        for region, name in enumerate(names)
    )


def _judge(
    found: Forecast, region: int, *, features: bool, former: str = ""
) -> Judgement:
    known = int(found.years_known[region])
    if known < MINIMUM_YEARS:
        renamed = maybe_renamed(former) if former else None
        return Judgement("missing", both(few_years(known), renamed))
    if found.mixed is not None and found.mixed[region]:
        return Judgement("missing", TWO_UNITS)
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


def _with_more(judged: Judgement, found: Forecast, region: int) -> Judgement:
    """Add what an estimate lacks to the reason for its status."""
    if judged.status == "missing":
        return judged
    seasonal = judged.status != "level"
    filled = 0.0 if found.filled is None else float(found.filled[region])
    bounds = found.lower[region], found.upper[region]
    reason = both(
        judged.reason,
        set_aside(found.without) if found.without else None,
        partly_unknown(filled) if seasonal and filled > 0 else None,
        None if np.isfinite(bounds).all() else NO_INTERVAL,
    )
    return Judgement(judged.status, reason)


def set_aside(names: Sequence[str]) -> Reason:
    """Return that features were not used since too little of them is known."""
    shown = [*names[:5], "…"] if len(names) > 5 else names
    return Reason(
        f"without {', '.join(shown)}: known in less than half of the rows",
        f"未使用{'、'.join(shown)}：一半以上的行缺测",
    )


def partly_unknown(share: float) -> Reason:
    """Return that normals stand in for a part of the season."""
    return Reason(
        f"up to {share:.0%} of a part of the season is unknown: the region's normal"
        " stands in",
        f"当季某时段有{share:.0%}缺测，以本地常年值代替",
    )


def maybe_renamed(former: str) -> Reason:
    """Return that a history may be filed under a former name."""
    return Reason(
        f"{former} ends where this begins: if it is the same region, give both one"
        " name",
        f"{former}恰在此前终止：若为同一地区改名，请统一名称",
    )


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
    "TWO_UNITS",
    "Judgement",
    "Status",
    "far",
    "few_years",
    "judge",
    "maybe_renamed",
    "partly_unknown",
    "set_aside",
]
