"""What in a table makes its numbers doubtful: leaks, units, regions renamed."""

from collections.abc import Iterator
from difflib import SequenceMatcher

import numpy as np
from numpy.typing import NDArray

from models.county.table import Floats, Table
from models.county.units import two_units
from models.reasons import Reason

LEAK = 0.99
"""Correlation with the target above which a feature is the target by another name."""
FEWEST_ROWS = 20
ALIKE = 0.6
"""Likeness of two names, of 1, from which one may be the other's former."""


def doubts(table: Table) -> tuple[Reason, ...]:
    """Return what a reader of any result from this table must know."""
    return (
        *table.notes,
        *_constant(table),
        *_leaks(table),
        *_units(table),
        *_renamed(table),
    )


def _constant(table: Table) -> Iterator[Reason]:
    known = table.target[np.isfinite(table.target)]
    if known.size > 1 and np.ptp(known) == 0:
        yield Reason(
            f"CONSTANT: the target is {known[0]:g} in every row: nothing is to be"
            " learnt from it, and no interval means anything",
            f"目标恒定：每行的目标值都是{known[0]:g}，无可学习，区间亦无意义",
        )


def _leaks(table: Table) -> Iterator[Reason]:
    names = [
        name
        for name, values in _columns(table)
        if abs(_correlation(values, table.target)) > LEAK
    ]
    if names:
        shown = ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
        yield Reason(
            f"LEAK: {shown} repeats the target within regions: it cannot be known"
            " before the harvest; take it out, or believe no number here",
            f"泄漏：{shown}几乎就是目标本身，收获前不可能已知，请删去该列，否则结果不可信",
        )


def _columns(table: Table) -> Iterator[tuple[str, Floats]]:
    for k, name in enumerate(table.scalar_names):
        yield name, table.scalars[..., k]
    for one in table.series:
        for k, day in enumerate(one.days):
            yield f"{one.name} (day {day})", one.values[..., k]


def _correlation(values: Floats, target: Floats) -> float:
    """Return the correlation of departures from the means of the regions."""
    known = np.isfinite(values) & np.isfinite(target)
    # Of a region seen once nothing departs.
    known &= known.sum(axis=0) > 1
    if known.sum() < FEWEST_ROWS:
        return 0.0
    left, right = _departures(values, known), _departures(target, known)
    size = float(np.sqrt(np.square(left).sum() * np.square(right).sum()))
    return float((left * right).sum()) / size if size > 0 else 0.0


def _departures(values: Floats, known: NDArray[np.bool_]) -> Floats:
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, values, 0.0).sum(axis=0) / count
    return np.asarray(np.where(known, values - mean, 0.0))


def _units(table: Table) -> Iterator[Reason]:
    mixed = np.flatnonzero(two_units(table.target))
    if mixed.size:
        first = table.regions[mixed[0]]
        yield Reason(
            f"TWO UNITS? the target of {mixed.size} regions, {first} first, jumps as"
            " from one unit to another: from then on they get no number, and their"
            " values are not compared; convert it to one unit",
            f"单位混用？{mixed.size}个地区（如{first}）的目标值成倍跳变，此后不予估计"
            "和比较，请先统一单位",
        )


def _renamed(table: Table) -> Iterator[Reason]:
    pairs = [
        f"{former} → {name}"
        for name, former in zip(table.regions, former_names(table), strict=True)
        if former
    ]
    if pairs:
        shown = ", ".join(pairs[:5]) + (" …" if len(pairs) > 5 else "")
        yield Reason(
            f"RENAMED? one region ends where another begins: {shown}; if they are the"
            " same, give both one name",
            f"改名？一地区终止时另一地区开始：{shown}；若为同一地区，请统一名称",
        )


def former_names(table: Table, *, year: int | None = None) -> tuple[str, ...]:
    """Return the former name that each region may have, "" for none.

    That of a region whose rows end the year before its own begin: the only one, or
    the only one with its traits, or the one whose name is most alike.

    Parameters
    ----------
    table : Table
    year : rows after it are not looked at
    """
    rows = table.years <= (table.years[-1] if year is None else year)
    there = table.present & rows[:, None]
    some = np.asarray(there.any(axis=0))
    first = there.argmax(axis=0)
    last = len(there) - 1 - there[::-1].argmax(axis=0)
    return tuple(
        _former(table, region, np.flatnonzero(some & (last == first[region] - 1)))
        if some[region] and first[region] > 0
        else ""
        for region in range(len(table.regions))
    )


def _former(table: Table, region: int, places: NDArray[np.intp]) -> str:
    if places.size > 1 and table.traits.shape[1]:
        same = np.asarray(
            np.isclose(table.traits[places], table.traits[region], equal_nan=True).all(
                axis=1
            )
        )
        if same.any():
            places = places[same]
    names = [table.regions[place] for place in places]
    if len(names) < 2:
        return "".join(names)
    alike = [SequenceMatcher(None, table.regions[region], n).ratio() for n in names]
    best = int(np.argmax(alike))
    return names[best] if alike[best] >= ALIKE else ""


__all__ = ["doubts", "former_names"]
