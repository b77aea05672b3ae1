"""Accuracy of a map and areas of its classes, from a stratified sample of points."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.area import reasons
from models.area.errors import FrameInvalid, SampleInvalid
from models.area.moments import Drawn, Ratios, ratios
from models.area.quantiles import bounds_of_share, unseen_bound
from models.area.result import AreaEstimate, Share, Status
from models.reasons import Reason, both
from models.tables import require_columns, require_unique

__all__ = ["Assessment", "assess", "sample_of_matrix"]

Float = NDArray[np.float64]

# What no sample is, where an accuracy has nothing to stand on.
_USERS = ("mapped as it", "该图类")
_PRODUCERS = ("of this class", "该类别")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """Accuracies and areas, and the error matrix behind them.

    Attributes
    ----------
    classes
        Names, in the order of the matrices.
    counts
        int64 (mapped, reference): samples.
    proportions
        float64 (mapped, reference): estimated shares of the land, adding up to 1.
    overall
        Share of the land that is mapped right.
    users
        Class -> share of what is mapped as the class that is of it.
    producers
        Class -> share of the class that is mapped as such.
    areas
        Area of each class, ha.
    mapped_ha
        Class -> area by counting pixels, to compare; not an estimate.
    samples
        Samples that count.
    notes
        What was left out.
    """

    classes: tuple[str, ...]
    counts: NDArray[np.int64]
    proportions: Float
    overall: Share
    users: Mapping[str, Share]
    producers: Mapping[str, Share]
    areas: tuple[AreaEstimate, ...]
    mapped_ha: Mapping[str, float]
    samples: int
    notes: tuple[Reason, ...]


def assess(
    sample: pd.DataFrame,
    strata: pd.DataFrame,
    *,
    mapped_ha: Mapping[str, float] | None = None,
    interval: float = 0.95,
) -> Assessment:
    """Assess a map and estimate the area of each class.

    Stehman 2014 (Int. J. Remote Sensing 35:4923), of which Olofsson et al. 2014
    (Remote Sensing of Environment 148:42) is the case that strata are map classes.
    Standard errors are theirs; intervals are by t on the logit scale (see
    `models.area.quantiles`), since rare classes are covered too seldom by 1.96
    standard errors.

    Parameters
    ----------
    sample
        A row a sample: `stratum` it was drawn from, class `mapped` there, class
        `reference` on the ground. Rows without reference, or of no stratum, are left
        out and counted in the notes.
    strata
        A row a stratum: `stratum`, `area_ha`, and perhaps `population`, the number of
        units it was drawn from, for the finite population correction.
    mapped_ha
        Class -> area of its pixels; of `strata` where they are the classes.
    interval
        Nominal coverage, in 0..1.

    Returns
    -------
    Assessment
        A stratum with land and no sample makes every area missing; one with a single
        sample leaves them without standard error; a class that was never seen has an
        upper bound only.

    Raises
    ------
    models.errors.ColumnMissing, models.errors.RowsDuplicated
    FrameInvalid
        An area is negative or none, or there is no land at all.
    SampleInvalid
        No sample is left.
    """
    land = _checked_strata(strata)
    kept, notes = _usable(sample, land)
    # A class on the ground that the map does not have is an error of the map, and has
    # an area all the same.
    classes = tuple(sorted({*kept["mapped"], *kept["reference"]}))
    drawn = _drawn(kept, land)
    mapped = _indicator(kept["mapped"], classes)
    true = _indicator(kept["reference"], classes)
    right = mapped * true
    make = _Maker(drawn, _gap(drawn, land.index), interval)
    shares = make.wholes(true)
    matrix = np.einsum("sm,sr->mr", mapped, true).astype(np.int64)
    total = float(land["area_ha"].sum())
    return Assessment(
        classes=classes,
        counts=matrix,
        proportions=_proportions(drawn, mapped, true),
        overall=make.wholes(right.sum(axis=1, keepdims=True))[0],
        users=dict(zip(classes, make.parts(right, mapped, _USERS), strict=True)),
        producers=dict(zip(classes, make.parts(right, true, _PRODUCERS), strict=True)),
        areas=tuple(
            _area(name, share, total, interval=interval)
            for name, share in zip(classes, shares, strict=True)
        ),
        # Beside the estimate, so that all see what counting pixels would have said.
        mapped_ha=dict(mapped_ha or _mapped(land, classes)),
        samples=len(kept),
        notes=notes,
    )


def sample_of_matrix(counts: NDArray[np.int64], classes: Sequence[str]) -> pd.DataFrame:
    """Spell out an error matrix (mapped, reference) as a sample, strata = map classes.

    Raises
    ------
    SampleInvalid
        The matrix is not square over the classes, or holds a negative count.
    """
    if counts.shape != (len(classes), len(classes)) or (counts < 0).any():
        raise SampleInvalid(
            f"an error matrix of {counts.shape} over {len(classes)} classes: give one "
            "row and column a class, counts of 0 or more"
            " · 混淆矩阵应为方阵，行列与类别对应，计数不小于 0"
        )
    rows, columns = np.divmod(
        np.repeat(np.arange(counts.size), counts.ravel()), len(classes)
    )
    names = np.array(classes)
    return pd.DataFrame(
        {
            "stratum": names[rows],
            "mapped": names[rows],
            "reference": names[columns],
        }
    )


def _checked_strata(strata: pd.DataFrame) -> pd.DataFrame:
    require_columns(strata, ("stratum", "area_ha"), table="strata")
    require_unique(strata, ("stratum",), table="strata")
    areas = strata["area_ha"].to_numpy(np.float64)
    if not np.isfinite(areas).all() or (areas < 0).any() or not areas.sum() > 0:
        raise FrameInvalid(
            f"the strata's areas are {areas.tolist()} ha: each has to be a number, 0 "
            "or more, and one more than 0 · 各层面积应为非负数，且不能全为 0"
        )
    table = strata.assign(stratum=strata["stratum"].astype(str)).set_index("stratum")
    # A stratum without land stands for nothing; its samples are outside of the map.
    return table.loc[areas > 0].sort_index()


def _usable(
    sample: pd.DataFrame, land: pd.DataFrame
) -> tuple[pd.DataFrame, tuple[Reason, ...]]:
    require_columns(sample, ("stratum", "mapped", "reference"), table="sample")
    answered = sample["reference"].notna()
    inside = sample["mapped"].notna() & sample["stratum"].notna()
    inside &= sample["stratum"].astype(str).isin(land.index)
    notes = []
    if lost := int((~inside).sum()):
        notes.append(reasons.outside(lost, of=len(sample)))
    if lost := int((inside & ~answered).sum()):
        notes.append(reasons.left_out(lost, of=len(sample)))
    kept = sample.loc[inside & answered, ["stratum", "mapped", "reference"]]
    if kept.empty:
        raise SampleInvalid(
            f"none of {len(sample)} samples has an answer and lies in a stratum: "
            "compare names of strata and the extent of the map"
            f" · {len(sample)} 个样本均不可用，请核对分层名称和地图范围"
        )
    return kept.astype(str), tuple(notes)


def _drawn(kept: pd.DataFrame, land: pd.DataFrame) -> Drawn:
    member = _indicator(kept["stratum"], tuple(land.index)).T
    left = np.ones(len(land))
    if "population" in land:
        population = land["population"].to_numpy(np.float64)
        if not (population >= member.sum(axis=1)).all():
            raise FrameInvalid(
                "a stratum has more samples than units in its population: correct one"
                " · 某层样本数超过总体单元数，请更正"
            )
        left = 1 - member.sum(axis=1) / population
    return Drawn(member=member, sizes=land["area_ha"].to_numpy(np.float64), left=left)


def _indicator(names: "pd.Series[str]", classes: Sequence[str]) -> Float:
    return np.asarray(
        names.to_numpy(str)[:, None] == np.array(classes, dtype=str), dtype=np.float64
    )


def _gap(drawn: Drawn, names: "pd.Index[str]") -> tuple[Status, Reason] | None:
    """Return what the sample of the strata cannot give, None where it can."""
    if empty := list(names[drawn.counts == 0]):
        return Status.MISSING, reasons.no_samples(empty)
    if single := list(names[drawn.counts == 1]):
        return Status.LIMITED, reasons.one_sample(single)
    return None


def _proportions(drawn: Drawn, mapped: Float, true: Float) -> Float:
    each = drawn.sizes / np.maximum(drawn.counts, 1)
    # A sample stands for the land of its stratum, shared among those drawn from it.
    weights = (drawn.member.T @ each) / drawn.sizes.sum()
    return np.asarray(np.einsum("s,sm,sr->mr", weights, mapped, true))


def _mapped(land: pd.DataFrame, classes: Sequence[str]) -> dict[str, float]:
    """Areas of strata that are classes."""
    areas = land["area_ha"]
    return {name: float(areas[name]) for name in classes if name in areas.index}


def _area(name: str, share: Share, total: float, *, interval: float) -> AreaEstimate:
    def hectares(part: float | None) -> float | None:
        return None if part is None else part * total

    return AreaEstimate(
        name=name,
        value=hectares(share.value),
        se=hectares(share.se),
        lower=hectares(share.lower),
        upper=hectares(share.upper),
        interval=interval,
        df=share.df,
        samples=share.samples,
        method="stratified",
        status=share.status,
        reason=share.reason,
    )


@dataclass(frozen=True, slots=True)
class _Maker:
    """Turns indicators into shares with their intervals."""

    drawn: Drawn
    gap: tuple[Status, Reason] | None
    interval: float

    def wholes(self, y: Float) -> list[Share]:
        """Shares of all the land, a column of (samples, columns) each."""
        found = ratios(self.drawn, y, np.ones_like(y), whole=True)
        return [self._share(found, i, y[:, i], len(y)) for i in range(y.shape[1])]

    def parts(self, y: Float, x: Float, nothing: tuple[str, str]) -> list[Share]:
        """Shares of the land where `x` is 1."""
        found = ratios(self.drawn, y, x)
        return [
            self._share(found, i, y[x[:, i] > 0, i], int(x[:, i].sum()))
            # No sample of the class is no accuracy of 0.
            if x[:, i].any()
            else _missing(reasons.not_asked(*nothing))
            for i in range(y.shape[1])
        ]

    def _share(self, found: Ratios, i: int, y: Float, samples: int) -> Share:
        value = float(found.value[i])
        if self.gap is not None:
            status, reason = self.gap
            if status is Status.MISSING:
                return replace(_missing(reason), samples=samples)
            return _bare(value, samples, status, reason)
        if y.all() or not y.any():
            return self._unanimous(samples, seen=bool(y.any()))
        df, spread = float(found.df[i]), float(found.spread[i])
        if not spread > 0:
            return _bare(value, samples, Status.LIMITED, reasons.ALIKE)
        lower, upper = bounds_of_share(value, spread, df, interval=self.interval)
        return Share(
            value=value,
            se=float(found.se[i]),
            lower=lower,
            upper=upper,
            df=df,
            samples=samples,
            status=Status.ESTIMATED,
        )

    def _unanimous(self, samples: int, *, seen: bool) -> Share:
        """Share of 0 or 1: no sample says otherwise, which is not proof."""
        weights = self.drawn.sizes / self.drawn.sizes.sum()
        counts = self.drawn.counts
        # A part of the land, such as a class, is cut across the strata: how much of it
        # lies in each is not known, so it is bounded as one.
        if samples < counts.sum():
            weights, counts = np.ones(1), np.array([float(samples)])
        beyond = unseen_bound(weights, counts, interval=self.interval)
        lower, upper = (1 - beyond, 1.0) if seen else (0.0, beyond)
        reason = reasons.AGREED if seen else reasons.unseen(samples)
        bare = _bare(float(seen), samples, Status.LIMITED, reason)
        return replace(bare, lower=lower, upper=upper)


def _bare(value: float, samples: int, status: Status, reason: Reason) -> Share:
    return Share(
        value=value,
        se=None,
        lower=None,
        upper=None,
        df=None,
        samples=samples,
        status=status,
        reason=both(reason),
    )


def _missing(reason: Reason) -> Share:
    return replace(_bare(0.0, 0, Status.MISSING, reason), value=None)
