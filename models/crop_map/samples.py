"""Samples of a crop map: what is wrong with them, and which lie together.

A table of samples has a row for each: ``sample`` (its name), ``lon``, ``lat`` (degrees,
WGS 84), ``year`` of the season, ``label`` (a class of `classes.CLASSES`, or ``crop``
for an unknown one), and a column for each feature of the plan. ``place`` names what
several rows were taken from, as the pixels of one field; ``clear`` is false where the
pixel was seen too seldom. Both may be left out.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.crop_map.classes import CLASSES, CROP, NON_CROP
from models.crop_map.errors import SamplesInvalid
from models.crop_map.features import FeaturePlan
from models.tables import require_columns

__all__ = ["COLUMNS", "Kind", "Remark", "feature_values", "screened", "spatial_blocks"]

COLUMNS: Final = ("sample", "lon", "lat", "year", "label")

Kind = Literal["outside", "small", "unclear", "repeated", "contradiction", "unlikely"]
"""Why a sample is listed: no scene there, a polygon without a whole pixel, too few
clear observations, the same place and label again, two labels of one place, a label
that the other samples speak against.
"""

_LABELS = (CROP, *(one.name for one in CLASSES))
_KM_PER_DEGREE = 111.32
# Places closer than this in degrees, a metre, are one.
_DIGITS = 5
# With fewer features two fields may well look alike to the last digit.
_TELLING = 10


@dataclass(frozen=True, slots=True)
class Remark:
    """A sample to look at, and why, "English · 中文"."""

    sample: str
    lon: float
    lat: float
    year: int
    label: str
    kind: Kind
    reason: str


def feature_values(table: pd.DataFrame, plan: FeaturePlan) -> NDArray[np.float32]:
    """Return the features of a table, float32 (sample, feature), NaN where missing.

    Raises
    ------
    ColumnMissing
        The table lacks some.
    SamplesInvalid
        A value is infinite.
    """
    names = list(plan.names)
    require_columns(table, names, table="sample")
    values = table[names].to_numpy(np.float32)
    if np.isinf(values).any():
        row, column = np.argwhere(np.isinf(values))[0]
        raise SamplesInvalid(
            f"sample {table['sample'].iloc[row]} has an infinite {names[column]}: give "
            "a number, or leave it empty for missing"
            f" · 样本 {table['sample'].iloc[row]} 的 {names[column]} 为无穷大，"
            "请改正或留空"
        )
    return values


def screened(
    table: pd.DataFrame, plan: FeaturePlan
) -> tuple[pd.DataFrame, list[Remark]]:
    """Take the samples that can train a map, and list the others with a reason.

    Left out are samples seen too seldom, all of one place and year whose labels
    contradict each other, and all but the first of those that say the same. One place
    is the same metre, or the same features to the last digit. ``crop`` does not
    contradict a crop's name, which then stands.

    Parameters
    ----------
    table
        As the module says, in any order.

    Returns
    -------
    The good rows with all columns, ordered by sample and year, and the remarks.

    Raises
    ------
    ColumnMissing
    SamplesInvalid
        A label, a place or a feature cannot be.
    """
    require_columns(table, COLUMNS, table="sample")
    names = table["sample"].astype(str)
    rows = table.assign(
        sample=names,
        place=table.get("place", names).astype(str),
        clear=table.get("clear", True),
    ).sort_values(["sample", "year", "lon", "lat"], ignore_index=True)
    values = feature_values(rows, plan)
    _check(rows)
    # Unclear ones first: they cannot contradict anyone.
    seen = rows["clear"].to_numpy(bool) & plan.complete(values)
    remarks = [_unclear(row) for row in rows[~seen].itertuples()]
    rows, values = rows[seen].reset_index(drop=True), values[seen]
    dropped: set[int] = set()
    for group in _same(rows, values):
        dropped |= _settle(rows, [i for i in group if i not in dropped], remarks)
    kept = rows.drop(index=sorted(dropped)).reset_index(drop=True)
    return kept, remarks


def spatial_blocks(table: pd.DataFrame, *, km: float) -> NDArray[np.int64]:
    """Give the number of each sample's square block; a place is in one block.

    Squares of the sinusoidal projection, whose axis is the meridian, in whole degrees,
    in the middle of the samples.

    Parameters
    ----------
    table
        With ``lon``, ``lat`` and ``place``.
    km
        Side of a block.

    Raises
    ------
    SamplesInvalid
        The side is not positive.
    """
    if not km > 0:
        raise SamplesInvalid(
            f"blocks of {km} km: give a side above 0 · 区块边长 {km} 公里无效，须大于 0"
        )
    # Pixels of one field on both sides of a border would test what trained them.
    first = table.groupby("place")[["lon", "lat"]].transform("first")
    lon, lat = first["lon"].to_numpy(float), first["lat"].to_numpy(float)
    # Whole degrees: one sample more does not move all borders.
    middle = round(float(np.median(lon))) if lon.size else 0
    x = (lon - middle) * np.cos(np.radians(lat)) * _KM_PER_DEGREE
    places = np.stack([x, lat * _KM_PER_DEGREE], axis=1) // km
    _, number = np.unique(places, axis=0, return_inverse=True)
    return np.asarray(number, np.int64)


def _check(rows: pd.DataFrame) -> None:
    unknown = rows[~rows["label"].isin(_LABELS)]
    if len(unknown):
        raise SamplesInvalid(
            f"sample {unknown['sample'].iloc[0]} has the label "
            f"{unknown['label'].iloc[0]!r}: give one of {', '.join(_LABELS)}"
            f" · 样本 {unknown['sample'].iloc[0]} 的标签无法识别，"
            f"可用：{'、'.join(_LABELS)}"
        )
    lost = rows[~(rows["lon"].between(-180, 180) & rows["lat"].between(-90, 90))]
    if len(lost):
        raise SamplesInvalid(
            f"sample {lost['sample'].iloc[0]} lies at lon {lost['lon'].iloc[0]}, lat "
            f"{lost['lat'].iloc[0]}: give degrees of WGS 84"
            f" · 样本 {lost['sample'].iloc[0]} 的经纬度无效，请用 WGS 84 度数"
        )


def _same(rows: pd.DataFrame, values: NDArray[np.float32]) -> Iterator[list[int]]:
    """Rows of one place and year, by position and then by features."""
    at = rows[["lon", "lat"]].round(_DIGITS).assign(year=rows["year"])
    yield from _repeated([tuple(key) for key in at.to_numpy()])
    if values.shape[1] >= _TELLING:
        years = rows["year"].tolist()
        # Datasets repeat each other under shifted places; a season's features give them
        # away. Bytes also hold NaN equal to NaN.
        looks = [(year, row.tobytes()) for year, row in zip(years, values, strict=True)]
        yield from _repeated(looks)


def _repeated(keys: Sequence[tuple[object, ...]]) -> Iterator[list[int]]:
    counts = Counter(keys)
    groups: dict[tuple[object, ...], list[int]] = {}
    for place, key in enumerate(keys):
        if counts[key] > 1:
            groups.setdefault(key, []).append(place)
    yield from groups.values()


def _settle(rows: pd.DataFrame, group: list[int], remarks: list[Remark]) -> set[int]:
    """Return the rows of a group that do not count, remarking on each."""
    if len(group) < 2:
        return set()
    labels = {str(rows["label"].iloc[i]) for i in group}
    named = labels - {CROP}
    if len(named) > 1 or labels == {CROP, NON_CROP.name}:
        remarks += [_contradiction(rows, i, labels) for i in group]
        return set(group)
    # Who names the crop says more than who says that it is one.
    stands = next(i for i in group if not named or rows["label"].iloc[i] in named)
    others = [i for i in group if i != stands]
    remarks += [_repetition(rows, i, stands) for i in others]
    return set(others)


def _remark(rows: pd.DataFrame, place: int, kind: Kind, reason: str) -> Remark:
    row = rows.iloc[place]
    return Remark(
        str(row["sample"]),
        float(row["lon"]),
        float(row["lat"]),
        int(row["year"]),
        str(row["label"]),
        kind,
        reason,
    )


def _contradiction(rows: pd.DataFrame, place: int, labels: Iterable[str]) -> Remark:
    said = ", ".join(sorted(labels))
    reason = (
        f"one place and year with the labels {said}: none counts until one is right"
        f" · 同一地点同一年份有多个标签（{said}），核实前均不采用"
    )
    return _remark(rows, place, "contradiction", reason)


def _repetition(rows: pd.DataFrame, place: int, stands: int) -> Remark:
    other = rows["sample"].iloc[stands]
    reason = f"says the same as sample {other} · 与样本 {other} 重复"
    return _remark(rows, place, "repeated", reason)


def _unclear(row: tuple[object, ...]) -> Remark:
    said = row._asdict()  # type: ignore[attr-defined]
    return Remark(
        str(said["sample"]),
        float(said["lon"]),
        float(said["lat"]),
        int(said["year"]),
        str(said["label"]),
        "unclear",
        "too few clear observations in the season · 生长季晴空观测太少",
    )
