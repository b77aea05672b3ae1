"""Columns that are no series: what changes from year to year, and what does not."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.county.columns import moment
from models.reasons import Reason

# More categories than this are names, which repeat the region.
MOST_CATEGORIES = 30
UNKNOWN = -1

Floats = NDArray[np.float64]
Cut = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A column of text.

    Attributes
    ----------
    name : str
    words : ascending
    codes : int64 (year, region), places in `words`; -1 where unknown
    """

    name: str
    words: tuple[str, ...]
    codes: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """Columns that are no series, by year.

    Attributes
    ----------
    names : columns of numbers, ascending
    values : float64 (year, region, column), NaN where unknown
    words : columns of text
    """

    names: tuple[str, ...]
    values: Floats
    words: tuple[Words, ...]

    def cut(self, cut: Cut) -> "Measures":
        """Return the same with `cut` applied to every (year, region, ..)."""
        words = tuple(replace(one, codes=cut(one.codes)) for one in self.words)
        return replace(self, values=cut(self.values), words=words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds:
    """Columns sorted out, as in `models.county.table.Table`."""

    scalars: Floats
    scalar_names: tuple[str, ...]
    traits: Floats
    trait_names: tuple[str, ...]


def sort_out(measures: Measures) -> Kinds:
    """Tell scalars, which change within a region, from traits, which never do.

    Traits that are the same in all regions say nothing and are left out.
    """
    known = np.isfinite(measures.values)
    low = np.where(known, measures.values, np.inf).min(axis=0)
    high = np.where(known, measures.values, -np.inf).max(axis=0)
    moving = (high > low).any(axis=0)
    fixed = np.where(np.isfinite(low), low, np.nan)[:, ~moving]
    useful = _differs(fixed)
    names = np.array(measures.names, dtype=object)
    titles = names[~moving][useful].tolist()
    parts = [fixed[:, useful]]
    for column in measures.words:
        categories, values = _categories(column)
        titles += [f"{column.name}={word}" for word in categories]
        parts.append(values)
    return Kinds(
        scalars=np.ascontiguousarray(measures.values[..., moving]),
        scalar_names=tuple(names[moving].tolist()),
        traits=np.concatenate(parts, axis=1),
        trait_names=tuple(titles),
    )


def _differs(fixed: Floats) -> NDArray[np.bool_]:
    low = np.where(np.isfinite(fixed), fixed, np.inf).min(axis=0)
    high = np.where(np.isfinite(fixed), fixed, -np.inf).max(axis=0)
    return np.asarray(high > low)


def _categories(column: Words) -> tuple[list[str], Floats]:
    """Return text that never changes within a region as columns of 0 and 1."""
    known = column.codes != UNKNOWN
    high = column.codes.max(axis=0)
    low = np.where(known, column.codes, len(column.words)).min(axis=0)
    there = np.unique(high[high != UNKNOWN])
    changes = (low < high).any()
    if changes or not 1 < there.size <= MOST_CATEGORIES:
        return [], np.empty((high.size, 0))
    values = (high[:, None] == there).astype(np.float64)
    values[high == UNKNOWN] = np.nan
    return [column.words[code] for code in there], values


def read_numbers(columns: pd.DataFrame) -> tuple[pd.DataFrame, tuple[Reason, ...]]:
    """Return the columns of numbers, by name, and what in them is none.

    Text in a column named after a time of the year, or where more than half of the
    values are numbers, is unknown; so is infinity.
    """
    found: dict[str, pd.Series] = {}
    notes = []
    for name in sorted(columns.columns, key=str):
        values = _as_numbers(columns[name], named=moment(str(name)) is not None)
        if values is None:
            continue
        lost = columns[name].notna() & ~np.isfinite(values)
        if lost.any():
            held = columns.loc[lost.idxmax(), name]
            notes.append(no_number(str(name), held=held, rows=int(lost.sum())))
        found[name] = values.where(np.isfinite(values))
    return pd.DataFrame(found, index=columns.index), tuple(notes)


def _as_numbers(column: pd.Series, *, named: bool) -> pd.Series | None:
    if pd.api.types.is_numeric_dtype(column):
        return column.astype(np.float64)
    if pd.api.types.is_datetime64_any_dtype(column):
        return None
    numbers = pd.to_numeric(column, errors="coerce").astype(np.float64)
    if named or 2 * numbers.notna().sum() > max(int(column.notna().sum()), 1):
        return numbers
    return None


def no_number(name: str, *, held: object, rows: int) -> Reason:
    """Return that values of a column are taken as unknown."""
    # As written in the table: a float of numpy shows its type.
    held = repr(held) if isinstance(held, str) else str(held)
    return Reason(
        f"{name} holds {held} where a number belongs, {rows} such rows: taken as"
        " unknown",
        f"{name}列有{rows}行不是有限数（如{held}），按缺测处理",
    )


def read_words(columns: pd.DataFrame, grid: Callable[..., Any]) -> tuple[Words, ...]:
    """Return the other columns as text; `grid` lays rows out as (year, region)."""
    found = []
    for name in sorted(columns.columns, key=str):
        codes, words = pd.factorize(columns[name].astype("string"), sort=True)
        found.append(
            Words(
                name=str(name),
                words=tuple(map(str, words)),
                codes=grid(np.asarray(codes, dtype=np.int64), UNKNOWN),
            )
        )
    return tuple(found)


__all__ = [
    "MOST_CATEGORIES",
    "Kinds",
    "Measures",
    "Words",
    "no_number",
    "read_numbers",
    "read_words",
    "sort_out",
]
