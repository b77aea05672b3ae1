"""How accurate a crop map is: confusion matrix, and shares with intervals.

Rows of a confusion matrix are classes of the map, columns those of the ground, as in
Olofsson et al. 2014 (Remote Sens. Environ. 148:42).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from models.crop_map.classes import CLASSES
from models.crop_map.errors import AccuracyInvalid, AccuracyMissing

__all__ = ["Accuracy", "Share", "required_accuracy"]

_LEVEL: Final = 0.95
_Z: Final = 1.959963984540054  # of the normal distribution, two-sided 95 %

Labels = NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Share:
    """A share of `n` samples with its 95 % interval; all NaN when n is 0."""

    value: float
    lower: float
    upper: float
    n: int

    def described(self) -> dict[str, float | int | None]:
        """Return the share as plain JSON, None for what is not known."""
        numbers = {"value": self.value, "lower": self.lower, "upper": self.upper}
        known = {k: None if math.isnan(v) else round(v, 6) for k, v in numbers.items()}
        return {**known, "n": self.n}


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """The accuracy of a map, and how it was found.

    Attributes
    ----------
    method : what was done, e.g. "cross-validated in blocks of 50 km"
    independent : whether no sample of it trained the map
    years : seasons of the samples
    confusion : int64 (map class, ground class), in the order of `classes.CLASSES`
    overall : share of the samples that are mapped right
    users, producers : of each class: share of what is mapped so that is so on the
        ground, and of what is so on the ground that is mapped so
    """

    method: str
    independent: bool
    years: tuple[int, ...]
    confusion: NDArray[np.int64]
    overall: Share
    users: tuple[Share, ...]
    producers: tuple[Share, ...]

    @classmethod
    def of(
        cls,
        mapped: Labels,
        ground: Labels,
        *,
        method: str,
        years: Sequence[int],
        clusters: Labels | None = None,
        independent: bool = False,
    ) -> Self:
        """Compare mapped with true codes.

        Parameters
        ----------
        mapped, ground : integer (sample,)
            Codes of `classes.CLASSES`.
        clusters : integer (sample,), optional
            Samples of one cluster are not independent: intervals are wider by the
            design effect. Each its own if left out, as in a simple random sample.

        Raises
        ------
        AccuracyInvalid
            There is no sample, or a code is of no class.
        """
        _check_codes(mapped, ground)
        count = len(CLASSES)
        own = np.arange(mapped.size) if clusters is None else clusters
        right = mapped == ground
        every = np.ones(mapped.size, bool)
        return cls(
            method=method,
            independent=independent,
            years=tuple(sorted({int(year) for year in years})),
            confusion=np.bincount(
                count * mapped.astype(np.int64) + ground, minlength=count * count
            ).reshape(count, count),
            overall=share(right, every, own),
            users=tuple(share(right, mapped == k, own) for k in range(count)),
            producers=tuple(share(right, ground == k, own) for k in range(count)),
        )

    @property
    def n(self) -> int:
        """Samples."""
        return int(self.confusion.sum())

    def macro_f1(self, codes: Sequence[int]) -> float:
        """Return the mean over classes of 2 UA PA / (UA + PA), 0 where both are 0."""
        found = []
        for code in codes:
            right = self.confusion[code, code]
            both = self.confusion[code].sum() + self.confusion[:, code].sum()
            found.append(2 * right / both if both else 0.0)
        return float(np.mean(found))

    def described(self) -> dict[str, Any]:
        """Return the accuracy as plain JSON; `from_dict` reads it."""
        return {
            "method": self.method,
            "independent": self.independent,
            "years": list(self.years),
            "n": self.n,
            "interval": _LEVEL,
            "classes": [one.name for one in CLASSES],
            "confusion": self.confusion.tolist(),
            "overall": self.overall.described(),
            "users": [one.described() for one in self.users],
            "producers": [one.described() for one in self.producers],
        }

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Self:
        """Read an accuracy, for example one that was estimated by stratified sampling.

        Parameters
        ----------
        said
            ``method``, ``n``, ``classes`` (names), ``confusion`` (counts, rows mapped)
            and, where they are not those of the counts, ``overall``, ``users`` and
            ``producers`` with ``value``, ``lower``, ``upper``; ``independent`` (true
            if left out) and ``years`` (none).

        Raises
        ------
        AccuracyMissing
            A part that must be said is not.
        AccuracyInvalid
            The parts contradict each other.
        """
        # One row a sample, so that counts and shares go the one way.
        confusion = _confusion(said)
        cells = np.argwhere(np.ones_like(confusion)).repeat(confusion.ravel(), axis=0)
        counted = cls.of(
            cells[:, 0],
            cells[:, 1],
            method=str(said["method"]),
            years=said.get("years", ()),
            independent=bool(said.get("independent", True)),
        )
        users, producers = (_given(said, name) for name in ("users", "producers"))
        return cls(
            method=counted.method,
            independent=counted.independent,
            years=counted.years,
            confusion=confusion,
            overall=_share(said["overall"], counted.overall)
            if "overall" in said
            else counted.overall,
            users=_shares(users, counted.users),
            producers=_shares(producers, counted.producers),
        )


def required_accuracy(said: Accuracy | Mapping[str, Any] | None) -> Accuracy:
    """Return the accuracy that a map is published with.

    Raises
    ------
    AccuracyMissing
        There is none.
    AccuracyInvalid
        Its parts contradict each other.
    """
    if said is None:
        raise AccuracyMissing(
            "this map has no accuracy and is not published: train the model with "
            "samples in several blocks, or give the accuracy that an independent "
            "sample has found"
            " · 作物图没有精度评价，不能发布：请用多个区块的样本训练，或提供独立样本的"
            "精度评价结果"
        )
    return said if isinstance(said, Accuracy) else Accuracy.from_dict(said)


def share(
    right: NDArray[np.bool_], among: NDArray[np.bool_], clusters: Labels
) -> Share:
    """Return the share of `among` that is right, with a 95 % interval.

    Wilson's score interval with n over the design effect in place of n (Dean & Pagano
    2015, J. Surv. Stat. Methodol. 3:484). The variance between clusters is that of a
    ratio of sums over clusters (Cochran 1977, Sampling Techniques, 6.4); the design
    effect is its ratio to p (1 - p) / (n - 1), and at least 1.
    """
    n = int(np.count_nonzero(among))
    if n == 0:
        return Share(math.nan, math.nan, math.nan, 0)
    hits = right & among
    p = float(np.count_nonzero(hits) / n)
    _, cluster = np.unique(clusters[among], return_inverse=True)
    size = np.bincount(cluster)
    rest = np.bincount(cluster, weights=hits[among]) - p * size
    variance = 0.0
    if size.size > 1:
        variance = size.size / (size.size - 1) * float(rest @ rest) / n**2
    simple = p * (1 - p) / max(n - 1, 1)
    # Few clusters can look more alike than independent samples, by chance alone.
    effect = max(1.0, variance / simple) if simple else 1.0
    lower, upper = _wilson(p, n / effect)
    return Share(p, lower, upper, n)


def _wilson(p: float, n: float) -> tuple[float, float]:
    """Wilson 1927, J. Am. Stat. Assoc. 22:209."""
    middle = (p + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * math.sqrt(p * (1 - p) / n + (_Z / (2 * n)) ** 2)
    # The ends are 0 and 1 to the last bit where p is.
    return max(0.0, min(p, middle - half)), min(1.0, max(p, middle + half))


def _check_codes(mapped: Labels, ground: Labels) -> None:
    if mapped.size == 0 or mapped.shape != ground.shape:
        raise AccuracyInvalid(
            f"{mapped.size} mapped and {ground.size} true classes: give one pair a "
            "sample, and at least one"
            f" · 图上类别 {mapped.size} 个、真实类别 {ground.size} 个，"
            "须一一对应且不为空"
        )
    both = np.concatenate([mapped, ground])
    wrong = both[(both < 0) | (both >= len(CLASSES))]
    if wrong.size:
        raise AccuracyInvalid(
            f"class code {wrong[0]} is none of 0 to {len(CLASSES) - 1}: leave pixels "
            f"without a class out · 类别代码 {wrong[0]} 无效，请去掉无类别的像元"
        )


def _confusion(said: Mapping[str, Any]) -> NDArray[np.int64]:
    lacking = [
        name for name in ("method", "n", "classes", "confusion") if not said.get(name)
    ]
    if lacking:
        raise AccuracyMissing(
            f"the accuracy does not say its {', '.join(lacking)}: a map is published "
            "with method, n, classes and confusion matrix"
            f" · 精度评价缺少 {'、'.join(lacking)}，"
            "发布须有方法、样本数、类别和混淆矩阵"
        )
    codes = {one.name: one.code for one in CLASSES}
    counts = np.asarray(said["confusion"])
    names = [str(name) for name in said["classes"]]
    unknown = [name for name in names if name not in codes]
    if unknown or counts.shape != (len(names),) * 2 or (counts < 0).any():
        raise AccuracyInvalid(
            f"a confusion matrix of shape {counts.shape} for the classes "
            f"{', '.join(names)}: give counts, a row and a column for each of some of "
            f"{', '.join(codes)} · 混淆矩阵 {counts.shape} 与类别不符，请检查"
        )
    # Tables from elsewhere name some of the classes, in their own order.
    full = np.zeros((len(CLASSES),) * 2, np.int64)
    places = [codes[name] for name in names]
    full[np.ix_(places, places)] = counts
    if full.sum() != said["n"]:
        raise AccuracyInvalid(
            f"the confusion matrix holds {full.sum()} samples and n is {said['n']}: "
            f"correct one of them · 混淆矩阵共 {full.sum()} 个样本，与 n 不符，请更正"
        )
    return full


def _given(said: Mapping[str, Any], name: str) -> dict[int, Mapping[str, Any]]:
    """Return what is said of each class, by its code."""
    shares = said.get(name)
    if shares is None:
        return {}
    codes = {one.name: one.code for one in CLASSES}
    if len(shares) != len(said["classes"]):
        raise AccuracyInvalid(
            f"{len(shares)} values of {name} for {len(said['classes'])} classes: give "
            f"one a class · {name} 的数目与类别数不符"
        )
    return {codes[k]: v for k, v in zip(said["classes"], shares, strict=True)}


def _shares(
    given: Mapping[int, Mapping[str, Any]], counted: Sequence[Share]
) -> tuple[Share, ...]:
    return tuple(
        _share(given[code], one) if code in given else one
        for code, one in enumerate(counted)
    )


def _share(said: Mapping[str, Any], counted: Share) -> Share:
    numbers = [said.get(name) for name in ("value", "lower", "upper")]
    value, lower, upper = (math.nan if v is None else float(v) for v in numbers)
    if not math.isnan(value) and not 0 <= lower <= value <= upper <= 1:
        raise AccuracyInvalid(
            f"a share of {value:g} with an interval from {lower:g} to {upper:g}: give "
            "three shares from 0 to 1 in this order"
            f" · 比例 {value:g} 与区间 {lower:g} 至 {upper:g} 矛盾，请更正"
        )
    return Share(value, lower, upper, int(said.get("n", counted.n)))
