"""Training a crop map: which method, how accurate, and which samples look wrong."""

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.crop_map.accuracy import Accuracy
from models.crop_map.applicability import Applicability
from models.crop_map.classes import CLASSES, KINDS, NON_CROP
from models.crop_map.errors import SamplesTooFew
from models.crop_map.features import FeaturePlan
from models.crop_map.model import CropMapModel
from models.crop_map.samples import Remark, feature_values, screened, spatial_blocks
from models.crop_map.stages import METHODS, Learning, Method, codes_of, fit_stages
from models.crop_map.trees import Cuts, Forest

__all__ = ["Settings", "Training", "train"]

_FOLDS: Final = 5
# So much better in macro-F1 must the slower method be to be chosen.
_CLEARLY: Final = 0.01

Probabilities = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a crop map is trained.

    Attributes
    ----------
    methods : candidates, of `stages.METHODS`
    block_km : side of the blocks that are held out together
    least_samples : a class with fewer is left out of the map
    balance : how far rare classes are weighted up, see `stages.Learning`
    doubt : a sample is listed when the model, trained on other blocks, gives its own
        label a lower probability
    seed : of folds and forests
    """

    methods: tuple[Method, ...] = METHODS
    block_km: float = 50.0
    least_samples: int = 20
    balance: float = 0.5
    doubt: float = 0.1
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A trained model, and what was learned about its samples on the way.

    Attributes
    ----------
    model : the model, with the accuracy of the method that was chosen
    candidates : accuracy of every method that was tried
    macro_f1 : of every method, over the classes of the map
    remarks : samples that were not used, and used ones that look wrong; worst first
    held_out : sample, lon, lat, year, label, block; the class and the probability of
        the own label that the model gives when its block is held out
    """

    model: CropMapModel
    candidates: Mapping[str, Accuracy]
    macro_f1: Mapping[str, float]
    remarks: tuple[Remark, ...]
    held_out: pd.DataFrame


def train(
    table: pd.DataFrame,
    plan: FeaturePlan,
    settings: Settings | None = None,
    *,
    simulated: bool,
    sources: Mapping[str, Any] | None = None,
) -> Training:
    """Train a crop map, choosing the method by spatially blocked cross-validation.

    Samples of one block are held out together, since neighbours resemble each other
    and would flatter the map. With samples of several seasons each season is held out
    in turn as well: that is the accuracy of a map of a season without samples. The
    order of the rows changes nothing.

    Parameters
    ----------
    table
        Samples and their features, see `models.crop_map.samples`.
    plan
        The inputs.
    settings
        `Settings()` if left out.
    simulated
        Whether any sample or scene behind the table is made up.
    sources
        What the table was made from, plain JSON; kept in the model.

    Raises
    ------
    ColumnMissing, SamplesInvalid
        The table cannot be read.
    SamplesTooFew
        No non-crop, no named crop, or too few blocks; the message says which.
    """
    settings = settings or Settings()
    rows, remarks = screened(table, plan)
    rows = rows.assign(block=spatial_blocks(rows, km=settings.block_km))
    left_out = _left_out(rows, settings)
    # Decided on all samples, so that folds and the final model have the same classes.
    learning = _learning(rows, plan, left_out, settings)
    candidates: dict[str, Accuracy] = {}
    shares: dict[str, Probabilities] = {}
    for method in settings.methods:
        shares[method] = _held_out(learning, method, _folds(rows, learning))
        candidates[method] = _accuracy(rows, learning, shares[method], settings)
    codes = (NON_CROP.code, *learning.kinds)
    macro_f1 = {name: one.macro_f1(codes) for name, one in candidates.items()}
    # Macro F1 and not overall accuracy, which maize alone would decide.
    chosen = _chosen(macro_f1, settings.methods)
    accuracy = {"blocks": candidates[chosen]} | _by_years(rows, learning, chosen)
    model = _model(rows, plan, learning, chosen, accuracy=accuracy, left_out=left_out)
    told = _told(rows, settings, macro_f1, sources or {})
    held_out = _held_out_table(rows, learning, shares[chosen])
    doubtful = _doubtful(held_out, settings.doubt)
    return Training(
        model=CropMapModel(**model, simulated=simulated, training=told),
        candidates=candidates,
        macro_f1=macro_f1,
        remarks=(*doubtful, *remarks),
        held_out=held_out,
    )


def _left_out(rows: pd.DataFrame, settings: Settings) -> dict[str, str]:
    """Return why a crop is not in the map, by its name; refuse what is no map."""
    problems = {
        one.name: problem
        for one in CLASSES
        if (problem := _problem(rows[rows["label"] == one.name], settings))
    }
    if (problem := problems.get(NON_CROP.name)) is not None:
        english, chinese = problem.split(" · ")
        raise SamplesTooFew(
            f"non-crop has {english}: a map that never saw a town would plant it. Add "
            "such samples elsewhere, or take smaller blocks (--block-km)"
            f" · 非耕地{chinese}，没有非耕地样本会把村镇判为作物，请在别处补充样本或"
            "缩小区块（--block-km）"
        )
    if len(problems) == len(KINDS):
        there = ", ".join(f"{k} {v}" for k, v in Counter(rows["label"]).items())
        raise SamplesTooFew(
            f"no crop has {settings.least_samples} samples in two blocks of "
            f"{settings.block_km:g} km (there are: {there}): add samples that name the "
            "crop, or lower --block-km"
            f" · 没有作物在两个 {settings.block_km:g} 公里区块内达到 "
            f"{settings.least_samples} 个样本（现有：{there}），请补充样本或缩小区块"
        )
    return problems


def _problem(own: pd.DataFrame, settings: Settings) -> str | None:
    if len(own) < settings.least_samples:
        return (
            f"{len(own)} samples, fewer than {settings.least_samples}"
            f" · 样本 {len(own)} 个，少于 {settings.least_samples} 个"
        )
    if own["block"].nunique() < 2:
        return (
            f"all {len(own)} samples in one block of {settings.block_km:g} km"
            f" · {len(own)} 个样本都在同一个 {settings.block_km:g} 公里区块内"
        )
    return None


def _learning(
    rows: pd.DataFrame,
    plan: FeaturePlan,
    left_out: Mapping[str, str],
    settings: Settings,
) -> Learning:
    # A field of many pixels says as much as a point.
    pixels = rows.groupby(["place", "year"])["sample"].transform("size")
    return Learning(
        values=feature_values(rows, plan),
        labels=codes_of(rows["label"].to_numpy()),
        weights=1 / pixels.to_numpy(np.float64),
        kinds=tuple(one.code for one in KINDS if one.name not in left_out),
        balance=settings.balance,
        seed=settings.seed,
    )


def _folds(
    rows: pd.DataFrame, learning: Learning
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Give (training, held out) rows: whole blocks, classes spread over the folds."""
    from sklearn.model_selection import StratifiedGroupKFold

    blocks = rows["block"].to_numpy()
    known = np.isin(learning.labels, (NON_CROP.code, *learning.kinds))
    # What is too rare to be spread goes with the commonest.
    common = np.bincount(learning.labels[known]).argmax()
    spread = np.where(known, learning.labels, common)
    # No more folds than the rarest class has samples: scikit-learn cannot spread it.
    count = min(_FOLDS, len(np.unique(blocks)), *np.bincount(spread)[np.unique(spread)])
    folds = StratifiedGroupKFold(count, shuffle=True, random_state=learning.seed)
    yield from folds.split(learning.values, spread, blocks)


def _held_out(
    learning: Learning,
    method: Method,
    folds: Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]],
) -> Probabilities:
    out = np.zeros((len(learning.values), len(CLASSES)))
    for train_rows, held in folds:
        stages = fit_stages(learning.among(train_rows), method)
        out[held] = stages.predict_proba(learning.values[held])
    return out


def _accuracy(
    rows: pd.DataFrame, learning: Learning, shares: Probabilities, settings: Settings
) -> Accuracy:
    blocks = rows["block"].nunique()
    km = f"{settings.block_km:g}"
    return _compared(
        rows,
        learning,
        shares,
        method=f"cross-validated, {blocks} blocks of {km} km held out in turn"
        f" · 按 {km} 公里区块交叉验证（{blocks} 个区块）",
    )


def _compared(
    rows: pd.DataFrame, learning: Learning, shares: Probabilities, *, method: str
) -> Accuracy:
    # A class that is left out stays on the ground, where the map errs about it.
    named = learning.labels >= 0
    return Accuracy.of(
        shares[named].argmax(axis=1),
        learning.labels[named],
        method=method,
        years=rows.loc[named, "year"].unique().tolist(),
        clusters=rows.loc[named, "block"].to_numpy(),
    )


def _by_years(
    rows: pd.DataFrame, learning: Learning, method: Method
) -> dict[str, Accuracy]:
    years = rows["year"].to_numpy()
    if len(np.unique(years)) < 2:
        return {}
    folds = (
        (np.flatnonzero(years != year), np.flatnonzero(years == year))
        for year in np.unique(years)
    )
    shares = _held_out(learning, method, folds)
    said = f"cross-validated, {len(np.unique(years))} seasons held out in turn"
    text = f"{said} · 逐年留出交叉验证（{len(np.unique(years))} 个年份）"
    return {"years": _compared(rows, learning, shares, method=text)}


def _chosen(macro_f1: Mapping[str, float], methods: Sequence[Method]) -> Method:
    best = max(methods, key=lambda method: macro_f1[method])
    # The forest is the slower one on every pixel of every map, and has to earn it.
    quick = METHODS[0]
    if quick in methods and macro_f1[quick] >= macro_f1[best] - _CLEARLY:
        return quick
    return best


def _model(
    rows: pd.DataFrame,
    plan: FeaturePlan,
    learning: Learning,
    method: Method,
    *,
    accuracy: Mapping[str, Accuracy],
    left_out: Mapping[str, str],
) -> dict[str, Any]:
    """Fit the chosen method on all samples; the model but for what it came from."""
    stages = fit_stages(learning, method)
    features = learning.values.shape[1]
    cuts = Cuts.of([*stages.fitted], features)
    several = len(learning.kinds) > 1
    return {
        "plan": plan,
        "method": method,
        "kinds": learning.kinds,
        "cuts": cuts,
        "mask": Forest.of(stages.mask, cuts),
        "kind": Forest.of(stages.kind, cuts) if several else None,
        "applicability": Applicability.of(
            learning.values,
            importance=stages.importance(features),
            blocks=rows["block"].to_numpy(),
            rng=np.random.default_rng(learning.seed),
        ),
        "accuracy": accuracy,
        "years": tuple(sorted({int(year) for year in rows["year"]})),
        "left_out": left_out,
    }


def _told(
    rows: pd.DataFrame,
    settings: Settings,
    macro_f1: Mapping[str, float],
    sources: Mapping[str, Any],
) -> dict[str, Any]:
    from sklearn import __version__

    return {
        "samples": {str(k): int(v) for k, v in sorted(Counter(rows["label"]).items())},
        "places": int(rows["place"].nunique()),
        "blocks": int(rows["block"].nunique()),
        "block_km": settings.block_km,
        "balance": settings.balance,
        "seed": settings.seed,
        "macro_f1": {name: round(value, 6) for name, value in macro_f1.items()},
        "scikit-learn": __version__,
        "sources": dict(sources),
    }


def _held_out_table(
    rows: pd.DataFrame, learning: Learning, shares: Probabilities
) -> pd.DataFrame:
    labels = learning.labels
    own = shares[np.arange(len(rows)), labels]
    # Of a crop without a name, that it is any crop is all that can be wrong.
    own = np.where(labels < 0, 1 - shares[:, NON_CROP.code], own)
    table = rows[["sample", "lon", "lat", "year", "label", "block"]]
    names = np.array([one.name for one in CLASSES])
    # A class that is left out cannot be found: that says nothing of its samples.
    judged = (labels <= NON_CROP.code) | np.isin(labels, learning.kinds)
    return table.assign(
        found=names[shares.argmax(axis=1)],
        found_probability=shares.max(axis=1),
        own_probability=np.where(judged, own, np.nan),
    )


def _doubtful(held_out: pd.DataFrame, doubt: float) -> list[Remark]:
    below = held_out[held_out["own_probability"] < doubt]
    # Names break ties: the order of rows must not matter.
    ranked = below.sort_values(["own_probability", "sample", "year"])
    return [_doubt(row) for row in ranked.to_dict("records")]


def _doubt(row: Mapping[Hashable, Any]) -> Remark:
    found, sure = row["found"], f"{100 * row['found_probability']:.0f} %"
    own = f"{100 * row['own_probability']:.0f} %"
    return Remark(
        str(row["sample"]),
        float(row["lon"]),
        float(row["lat"]),
        int(row["year"]),
        str(row["label"]),
        "unlikely",
        f"samples of other blocks take it for {found} ({sure}), for {row['label']} "
        f"with {own}: look at the place again"
        f" · 其他区块的样本判其为 {found}（{sure}），"
        f"标签 {row['label']} 仅 {own}，请复核",
    )
