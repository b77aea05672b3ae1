"""What an area lacks, in two languages."""

from collections.abc import Sequence

from models.reasons import Reason

__all__ = [
    "AGREED",
    "ALIKE",
    "NO_LINE",
    "NO_SEGMENT",
    "NO_SEGMENT_LINE",
    "NO_VARIATION",
    "SINGLE",
    "below_zero",
    "benchmarked",
    "few_counties",
    "few_segments",
    "left_out",
    "no_samples",
    "not_adding_up",
    "not_asked",
    "one_sample",
    "outside",
    "pooled",
    "still_map",
    "unseen",
    "used",
]

AGREED = Reason(
    "all samples say the same: the bound is that of a share that would go unseen",
    "全部样本一致，界限按未被发现的最大比例给出",
)
ALIKE = Reason(
    "samples of each stratum are all alike: too few for a standard error",
    "各层内样本完全一致，样本太少，无法给出标准误",
)
NO_LINE = Reason(
    "too few segments a county for a line through the map: direct expansion",
    "各县样方太少，无法用地图回归，采用直接扩大估计",
)
NO_SEGMENT = Reason("no segment in this county", "本县没有样方")
NO_SEGMENT_LINE = Reason(
    "no segment in this county: from the map and the other counties alone",
    "本县没有样方，仅据地图和其他县推算",
)
NO_VARIATION = Reason(
    "counties differ no more than their samples and the map explain: "
    "the map's regression alone counts",
    "各县差异不超过抽样误差和地图所能解释的程度，仅用地图回归",
)
SINGLE = Reason(
    "one segment in this county: no standard error of its own",
    "本县只有一个样方，无法给出自身的标准误",
)
# A list on the screen names so many and counts the others.
_NAMED = 3


def _names(names: Sequence[str]) -> str:
    more = f" +{len(names) - _NAMED}" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def no_samples(strata: Sequence[str]) -> Reason:
    """Return that strata have land and no sample."""
    return Reason(
        f"no sample in stratum {_names(strata)}: survey it, or join it with a like one",
        f"层 {_names(strata)} 没有样本，请补充调查或与相近的层合并",
    )


def one_sample(strata: Sequence[str]) -> Reason:
    """Return that strata have a single sample, which has no variance."""
    return Reason(
        f"one sample in stratum {_names(strata)}: no standard error",
        f"层 {_names(strata)} 只有一个样本，无法给出标准误",
    )


def unseen(samples: int) -> Reason:
    """Return that a class is in no sample."""
    return Reason(
        f"not seen in {samples} samples; the upper bound is what could go unseen",
        f"{samples} 个样本中均未见到，上限为可能未被发现的最大面积",
    )


def not_asked(what: str, chinese: str) -> Reason:
    """Return that nothing of a kind is in the sample."""
    return Reason(f"no sample is {what}", f"没有{chinese}的样本")


def left_out(count: int, *, of: int) -> Reason:
    """Return that samples without an answer do not count."""
    return Reason(
        f"{count} of {of} samples have no answer and are left out",
        f"{of} 个样本中有 {count} 个没有结果，未计入",
    )


def outside(count: int, *, of: int) -> Reason:
    """Return that samples lie in no stratum."""
    return Reason(
        f"{count} of {of} samples lie outside the map or its strata and are left out",
        f"{of} 个样本中有 {count} 个在地图或分层之外，未计入",
    )


def used(method: str, count: int, *, least: int) -> Reason:
    """Return that a stratum has too few segments for a regression."""
    chinese = {"ratio": "比率估计", "direct": "直接扩大估计"}[method]
    english = {"ratio": "ratio estimator", "direct": "direct expansion"}[method]
    return Reason(
        f"{english} where a stratum has fewer than {least} segments "
        f"(the fewest {count})",
        f"样方不足 {least} 个的层（最少 {count} 个）采用{chinese}",
    )


def still_map(strata: Sequence[str]) -> Reason:
    """Return that the map hardly tells segments apart, so it cannot help."""
    return Reason(
        f"the map tells no two segments of stratum {_names(strata)} apart from the "
        "others: direct expansion there",
        f"层 {_names(strata)} 的地图面积几乎相同，采用直接扩大估计",
    )


def below_zero(value: float) -> Reason:
    """Return that the regression fell below nothing."""
    return Reason(
        f"the regression gives {value:.0f} ha; an area is 0 or more",
        f"回归结果为 {value:.0f} 公顷，面积按不小于 0 处理",
    )


def benchmarked(factor: float) -> Reason:
    """Return that counties were made to add up to the frame."""
    return Reason(
        f"times {factor:.3f}, so that the counties add up to the frame",
        f"乘以 {factor:.3f}，使各县之和等于抽样框总量",
    )


def not_adding_up(counties: float, frame: float) -> Reason:
    """Return that the counties are too far from the frame to be made to add up."""
    return Reason(
        f"the counties add up to {counties:,.0f} ha, the frame is {frame:,.0f} ha: "
        "more apart than their errors explain, check the map and the segments",
        f"各县之和 {counties:,.0f} 公顷，抽样框 {frame:,.0f} 公顷，"
        "差异超出误差范围，请核查地图与样方",
    )


def pooled(count: int) -> Reason:
    """Return that a county borrows the variance of all."""
    return Reason(
        f"{count} segments in this county: the variance is that of all counties",
        f"本县有 {count} 个样方，方差取各县合并值",
    )


def few_segments(count: int) -> Reason:
    """Return that a county's spread is that of a few segments."""
    return Reason(
        f"only {count} segments in this county: the standard error is a rough one",
        f"本县只有 {count} 个样方，标准误不可靠",
    )


def few_counties(count: int, *, least: int) -> Reason:
    """Return that a small-area model has too few counties."""
    return Reason(
        f"{count} counties with segments, a small-area model needs {least}",
        f"有样方的县只有 {count} 个，小区域模型至少需要 {least} 个",
    )
