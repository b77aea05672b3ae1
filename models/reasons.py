"""Why an estimate is missing, of the trend alone, or extrapolated, in two languages."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.features import PURITY, WEATHER_FEATURES


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason in English and in Chinese; as text, "English · 中文"."""

    en: str
    zh: str

    def __str__(self) -> str:
        return f"{self.en} · {self.zh}"


NO_CROP = Reason(
    "no county has a yield history of the crop", "没有任何县有该作物的单产历史"
)
NO_COUNTY = Reason(
    "this county has no yield history of the crop", "本县没有该作物的单产历史"
)
NO_INTERVAL = Reason(
    "too few years of the yield history can be compared to state an interval",
    "单产历史中可比的年份太少，给不出区间",
)
NO_LEVEL = Reason(
    "the median of this county's yield history is zero", "本县历年单产的中位数为零"
)
IMPURE = Reason(
    f"no pixel with {PURITY} % or more of the crop in this county",
    f"本县没有该作物占{PURITY}%以上的像元",
)
UNCLEAR = Reason(
    "no pixel of the crop with a clear season in this county",
    "本县没有整季晴空观测足够的该作物像元",
)

# A feature without a word here keeps its own name.
FEATURES_ZH = {
    "peak": "峰值",
    "integral": "积分",
    "sos": "始期",
    "pos": "峰期",
    "eos": "末期",
    "latest": "当日植被指数",
    "gdd10": "积温",
    "edd30": "高温度日",
    "precipitation_may_jun": "5–6月降水",
    "precipitation_jul_aug": "7–8月降水",
    "precipitation_sep": "9月降水",
    "radiation": "辐射",
}


def few_years(known: int, *, needed: int) -> Reason:
    """Return that a county's yield history is too short."""
    return Reason(
        f"this county's yield history has {known} of the {needed} years needed",
        f"本县单产历史只有{known}年，至少需要{needed}年",
    )


def few_seasons(cause: Reason, *, known: int, years: int, needed: int) -> Reason:
    """Return that too few years with a yield have every feature, and the cause."""
    return Reason(
        f"in past years {cause.en} "
        f"(every feature known in {known} of {years} years, {needed} needed)",
        f"往年{cause.zh}（{years}年中特征齐全的有{known}年，至少需要{needed}年）",
    )


def trend_alone(cause: Reason) -> Reason:
    """Return that an estimate is the trend's, and the cause."""
    return Reason(f"from the trend alone: {cause.en}", f"仅据趋势估计：{cause.zh}")


def feature_gap(row: Mapping[Any, Any], features: Sequence[str]) -> Reason | None:
    """Return which feature of a row is missing and why, None where none is.

    `pixels` and `clear_share` of `models.features.season_features`, where the row
    has them, tell a crop too scattered from one that was never seen clear.
    """
    names = [name for name in features if not np.isfinite(row[name])]
    if not names:
        return None
    # Pixels are not the reason when only the weather is missing.
    if row.get("pixels") == 0 and not {*names} <= {*WEATHER_FEATURES}:
        return UNCLEAR if np.isfinite(row.get("clear_share", np.nan)) else IMPURE
    return Reason(f"no value for {', '.join(names)}", f"缺少{_words(names)}")


def commonest_gaps(
    rows: Iterable[Mapping[Any, Any]], features: Sequence[str]
) -> dict[str, Reason]:
    """Return the commonest `feature_gap` of each county that has one."""
    counts: defaultdict[str, Counter[Reason]] = defaultdict(Counter)
    for row in rows:
        if gap := feature_gap(row, features):
            counts[str(row["county"])][gap] += 1
    # Ties go by text: the order of rows must not matter.
    return {
        county: max(gaps, key=lambda gap: (gaps[gap], gap.en))
        for county, gaps in counts.items()
    }


def extrapolation(names: Sequence[str], *, lead: int | None) -> Reason | None:
    """Return what lies outside the history, None where nothing does.

    Parameters
    ----------
    names : features outside the range of the history
    lead : years after the end of the history, None where they are few
    """
    parts = []
    if names:
        parts.append(
            Reason(
                f"{', '.join(names)} outside the range of the history",
                f"{_words(names)}超出历史范围",
            )
        )
    if lead is not None:
        parts.append(
            Reason(
                f"{lead} years after the end of the history",
                f"距历史末年已有{lead}年",
            )
        )
    whole = both(*parts)
    return whole and Reason(f"extrapolated: {whole.en}", f"外推：{whole.zh}")


def both(*reasons: Reason | None) -> Reason | None:
    """Return the reasons given as one, None where there is none."""
    given = [reason for reason in reasons if reason is not None]
    if not given:
        return None
    return Reason("; ".join(r.en for r in given), "；".join(r.zh for r in given))


def _words(names: Sequence[str]) -> str:
    return "、".join(FEATURES_ZH.get(name, name) for name in names)
