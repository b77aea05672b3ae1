"""A table of regions and years as arrays: target, series, scalars and fixed traits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.county.columns import series_columns
from models.errors import ModelError, ValueInvalid
from models.tables import require_columns, require_unique

# More categories than this are names, which repeat the region.
_MOST_CATEGORIES = 30

Floats = NDArray[np.float64]


class TooFewYears(ModelError):
    """A table has too few years to test a model on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One quantity through the year.

    Attributes
    ----------
    name : str
    days : int64 (moment,), day of the year when each value is known, ascending
    values : float64 (year, region, moment), NaN where unknown
    """

    name: str
    days: NDArray[np.int64]
    values: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Regions and years; sorted, so that the order of rows cannot matter.

    Attributes
    ----------
    years : int64 (year,), every year from the first to the last
    regions : names (region,), ascending
    target : float64 (year, region), NaN where unknown
    present : bool (year, region), whether the table has the row
    series : tuple of Series
    scalars : float64 (year, region, scalar), what changes from year to year
    scalar_names : names (scalar,)
    traits : float64 (region, trait), what does not; categories as 0 and 1
    trait_names : names (trait,)
    ignored : columns that are neither number nor category, or say nothing
    """

    years: NDArray[np.int64]
    regions: tuple[str, ...]
    target: Floats
    present: NDArray[np.bool_]
    series: tuple[Series, ...]
    scalars: Floats
    scalar_names: tuple[str, ...]
    traits: Floats
    trait_names: tuple[str, ...]
    ignored: tuple[str, ...]


def read_table(frame: pd.DataFrame, *, region: str, year: str, target: str) -> Table:
    """Sort the columns of any table into series, scalars and traits.

    Columns named after a time of the year (`models.county.columns`) are series;
    other numbers are scalars where they change within a region, else traits; text
    with up to 30 values that never change within a region is a trait too.

    Parameters
    ----------
    frame : DataFrame
        A row for each region and year; more columns as they come.
    region, year, target : names of the columns that say which, when and what

    Raises
    ------
    ColumnMissing, RowsDuplicated
    ValueInvalid
        A year is no whole number, a target is infinite or text, or a column of units
        names more than one for the target.
    """
    require_columns(frame, (region, year, target), table="yield")
    rows = frame.dropna(subset=[region, year])
    _check_values(rows, year=year, target=target)
    # Sorted, or the last bit of a mean would tell the order of the rows.
    rows = rows.sort_values([region, year], ignore_index=True)
    _check_units(rows, target=target)
    keys = pd.DataFrame(
        {"region": rows[region].astype(str), "year": rows[year].astype(np.int64)}
    )
    require_unique(keys, ("region", "year"), table="yield")
    return _build(rows.drop(columns=[region, year, target]), keys, rows[target])


def _check_values(rows: pd.DataFrame, *, year: str, target: str) -> None:
    years = pd.to_numeric(rows[year], errors="coerce")
    if rows.empty or years.isna().any() or (years % 1 != 0).any():
        raise ValueInvalid(
            f"the column {year} must hold whole years, one a row: choose another with"
            " --year · 年份列须为整数年份"
        )
    values = pd.to_numeric(rows[target], errors="coerce")
    wrong = values.isna() & rows[target].notna() | np.isinf(values)
    if wrong.any():
        raise ValueInvalid(
            f"the column {target} holds {rows.loc[wrong, target].iloc[0]!r}: a target"
            " is a finite number, or empty where it is unknown"
            " · 目标列须为有限数，未知处留空"
        )


def _check_units(rows: pd.DataFrame, *, target: str) -> None:
    """Refuse a target in two units: no model can tell them from a good year."""
    known = rows.loc[rows[target].notna()]
    for column in known.columns:
        if "unit" not in str(column).lower().split("_"):
            continue
        units = sorted(known[column].dropna().astype(str).unique())
        if 1 < len(units) < _MOST_CATEGORIES:
            raise ValueInvalid(
                f"the column {column} names several units, {', '.join(units)}: convert"
                f" {target} to one of them · 目标列混有多个单位，请先统一"
            )


def _build(columns: pd.DataFrame, keys: pd.DataFrame, target: pd.Series) -> Table:
    years = np.arange(keys["year"].min(), keys["year"].max() + 1)
    regions, place = np.unique(keys["region"].to_numpy(str), return_inverse=True)
    where = (keys["year"].to_numpy() - years[0], place)
    shape = (years.size, regions.size)

    def grid(values: Floats) -> Floats:
        cube = np.full(shape + values.shape[1:], np.nan)
        cube[where] = values
        return cube

    present = np.zeros(shape, dtype=bool)
    present[where] = True
    numbers = _numbers(columns)
    spread = series_columns(map(str, numbers.columns))
    rest = numbers.drop(columns=[c for days in spread.values() for c in days.values()])
    moving = _moving(rest, keys["region"])
    categories = _categories(columns.drop(columns=numbers.columns), keys["region"])
    fixed = pd.concat([rest[[c for c in rest if c not in moving]], categories], axis=1)
    fixed = fixed.loc[:, fixed.nunique() > 1]
    kept = {*numbers.columns.drop(rest.columns), *moving, *fixed.columns}
    return Table(
        years=years,
        regions=tuple(regions.tolist()),
        target=grid(target.to_numpy(np.float64)),
        present=present,
        series=_series(numbers, spread, grid),
        scalars=grid(rest[moving].to_numpy(np.float64)),
        scalar_names=tuple(moving),
        traits=_traits(fixed, keys["region"]),
        trait_names=tuple(map(str, fixed.columns)),
        ignored=tuple(str(c) for c in columns if not _used(str(c), kept)),
    )


def _used(column: str, kept: set[str]) -> bool:
    return column in kept or any(name.startswith(f"{column}=") for name in kept)


def _series(
    numbers: pd.DataFrame,
    spread: Mapping[str, dict[int, str]],
    grid: Callable[[Floats], Floats],
) -> tuple[Series, ...]:
    return tuple(
        Series(
            name=name,
            days=np.array(list(days)),
            values=grid(numbers[list(days.values())].to_numpy(np.float64)),
        )
        for name, days in spread.items()
        if numbers[list(days.values())].notna().any(axis=None)
    )


def _numbers(columns: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of numbers in the order of their names, infinity as NaN."""
    chosen = columns.select_dtypes(include=["number", "bool"]).astype(np.float64)
    chosen = chosen.where(np.isfinite(chosen))
    return chosen[sorted(chosen.columns, key=str)].dropna(axis=1, how="all")


def _moving(numbers: pd.DataFrame, region: pd.Series) -> list[str]:
    """Return the columns that change within a region."""
    changes = numbers.groupby(region.to_numpy()).nunique() > 1
    return [str(c) for c in numbers.columns if bool(changes[c].any())]


def _categories(columns: pd.DataFrame, region: pd.Series) -> pd.DataFrame:
    """Return text that never changes within a region as columns of 0 and 1."""
    kept = {}
    for name in sorted(columns.columns, key=str):
        words = columns[name].astype("string")
        fixed = words.groupby(region.to_numpy()).nunique().max() == 1
        if fixed and 1 < words.nunique() <= _MOST_CATEGORIES:
            for word in sorted(words.dropna().unique()):
                kept[f"{name}={word}"] = (words == word).astype(np.float64)
    return pd.DataFrame(kept, index=columns.index)


def _traits(fixed: pd.DataFrame, region: pd.Series) -> Floats:
    """Return the mean of each trait in each region, regions ascending."""
    means = fixed.groupby(region.to_numpy(str), sort=True).mean()
    return means.to_numpy(np.float64)


__all__ = ["Floats", "Series", "Table", "TooFewYears", "read_table"]
