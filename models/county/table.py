"""A table of regions and years as arrays: target, series, scalars and fixed traits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.county.columns import series_columns
from models.county.measures import (
    MOST_CATEGORIES,
    Measures,
    read_numbers,
    read_words,
    sort_out,
)
from models.errors import ModelError, ValueInvalid
from models.reasons import Reason
from models.tables import require_columns, require_unique

# A column of other numbers, a code say, would be taken for millions of years.
_LONGEST = 1000

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
    measures : what scalars and traits were sorted out of
    notes : what was found odd in reading, to be told
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
    measures: Measures
    notes: tuple[Reason, ...] = ()


def read_table(frame: pd.DataFrame, *, region: str, year: str, target: str) -> Table:
    """Sort the columns of any table into series, scalars and traits.

    Columns named after a time of the year (`models.county.columns`) are series, but
    for a single one that never changes within a region; other numbers are scalars
    where they change within a region, else traits; text with up to 30 values that
    never change within a region is a trait too. Text in a column of numbers, and
    infinity, are unknown values, told in `notes`.

    Parameters
    ----------
    frame : DataFrame
        A row for each region and year; more columns as they come.
    region, year, target : names of the columns that say which, when and what

    Raises
    ------
    ColumnMissing, RowsDuplicated
    ValueInvalid
        A year is no whole number of 1 to 9999, a target is infinite or text, or a
        column of units names more than one for the target.
    """
    require_columns(frame, (region, year, target), table="yield")
    rows = frame.dropna(subset=[region, year])
    _check_values(rows, year=year, target=target)
    # Sorted, or the last bit of a mean would tell the order of the rows.
    rows = rows.sort_values([region, year], key=_sortable, ignore_index=True)
    _check_units(rows, target=target)
    keys = pd.DataFrame(
        {
            "region": rows[region].astype(str),
            "year": pd.to_numeric(rows[year]).astype(np.int64),
        }
    )
    require_unique(keys, ("region", "year"), table="yield")
    return _build(rows.drop(columns=[region, year, target]), keys, rows[target])


def _sortable(column: pd.Series) -> pd.Series:
    """Return text as text: a region 1 beside a region "A" cannot be compared."""
    return column.astype(str) if column.dtype == object else column


def _check_values(rows: pd.DataFrame, *, year: str, target: str) -> None:
    years = pd.to_numeric(rows[year], errors="coerce")
    whole = years.between(1, 9999) & (years % 1 == 0)
    if rows.empty or not whole.all() or np.ptp(years) >= _LONGEST:
        found = "nothing" if rows.empty else repr(rows.loc[_first(~whole), year])
        raise ValueInvalid(
            f"the column {year} must hold whole years, one a row, and holds {found}:"
            " choose another with --year · 年份列须为整数年份"
        )
    values = pd.to_numeric(rows[target], errors="coerce")
    wrong = values.isna() & rows[target].notna() | np.isinf(values)
    if wrong.any():
        raise ValueInvalid(
            f"the column {target} holds {rows.loc[wrong, target].iloc[0]}: a target"
            " is a finite number, or empty where it is unknown"
            " · 目标列须为有限数，未知处留空"
        )


def _first(wrong: "pd.Series[bool]") -> Any:  # noqa: ANN401
    """Return the label of the first row that is wrong, of the first where none is."""
    return wrong.idxmax()


def _check_units(rows: pd.DataFrame, *, target: str) -> None:
    """Refuse a target in two units: no model can tell them from a good year."""
    known = rows.loc[rows[target].notna()]
    for column in known.columns:
        if "unit" not in str(column).lower().split("_"):
            continue
        units = sorted(known[column].dropna().astype(str).unique())
        if 1 < len(units) < MOST_CATEGORIES:
            raise ValueInvalid(
                f"the column {column} names several units, {', '.join(units)}: convert"
                f" {target} to one of them · 目标列混有多个单位，请先统一"
            )


def _build(columns: pd.DataFrame, keys: pd.DataFrame, target: pd.Series) -> Table:
    years = np.arange(keys["year"].min(), keys["year"].max() + 1)
    regions, place = np.unique(keys["region"].to_numpy(str), return_inverse=True)
    where = (keys["year"].to_numpy() - years[0], place)
    shape = (years.size, regions.size)

    def grid(values: NDArray[Any], empty: float = np.nan) -> NDArray[Any]:
        cube = np.full(shape + values.shape[1:], empty, dtype=values.dtype)
        cube[where] = values
        return cube

    numbers, notes = read_numbers(columns)
    spread = {
        name: days
        for name, days in series_columns(map(str, numbers.columns)).items()
        if len(days) > 1 or _moves(grid(numbers[[*days.values()]].to_numpy(np.float64)))
    }
    rest = numbers.drop(columns=[c for days in spread.values() for c in days.values()])
    words = read_words(columns.drop(columns=numbers.columns), grid)
    measures = Measures(
        names=tuple(map(str, rest.columns)),
        values=grid(rest.to_numpy(np.float64)),
        words=words,
    )
    kinds = sort_out(measures)
    said = {*kinds.scalar_names, *kinds.trait_names}
    used = {*numbers.columns[numbers.notna().any()].drop(rest.columns, errors="ignore")}
    used |= {*said, *(name.split("=")[0] for name in said)}
    return Table(
        years=years,
        regions=tuple(regions.tolist()),
        target=grid(pd.to_numeric(target).to_numpy(np.float64)),
        present=grid(np.ones(len(keys), dtype=bool), False),
        series=_series(numbers, spread, grid),
        scalars=kinds.scalars,
        scalar_names=kinds.scalar_names,
        traits=kinds.traits,
        trait_names=kinds.trait_names,
        ignored=tuple(str(c) for c in columns if str(c) not in used),
        measures=measures,
        notes=notes,
    )


def _moves(values: Floats) -> bool:
    """Tell whether a column (year, region, 1) ever changes within a region.

    One that does not, named soil_d50 by chance, is a trait and no moment of a season.
    """
    known = np.isfinite(values)
    low = np.where(known, values, np.inf).min(axis=0)
    high = np.where(known, values, -np.inf).max(axis=0)
    return bool((high > low).any())


def _series(
    numbers: pd.DataFrame,
    spread: Mapping[str, dict[int, str]],
    grid: Callable[[Floats], Floats],
) -> tuple[Series, ...]:
    found = (
        Series(
            name=name,
            days=np.array(list(days)),
            values=grid(numbers[list(days.values())].to_numpy(np.float64)),
        )
        for name, days in spread.items()
    )
    return tuple(one for one in map(_begun, found) if one.days.size)


def _begun(series: Series) -> Series:
    """Leave out the moments that no row knows."""
    some = np.isfinite(series.values).any(axis=(0, 1))
    if some.all():
        return series
    return replace(
        series,
        days=series.days[some],
        values=np.ascontiguousarray(series.values[..., some]),
    )


def known_by(table: Table, year: int) -> tuple[Table, NDArray[np.bool_]]:
    """Return the table as it stood in a year, before any later row was written.

    What a later row tells of a column (that it changes, that it is known at all) or
    of a region (that it exists) is not known yet.

    Returns
    -------
    Table
        With the rows, and regions, up to `year`.
    bool (region,)
        Which regions of `table` these are.
    """
    rows = table.years <= year
    regions = np.asarray(table.present[rows].any(axis=0))
    if rows.all():
        return table, regions

    def cut(values: NDArray[Any]) -> NDArray[Any]:
        # Laid out as when read: the last bit of a sum tells the order of its terms.
        return np.ascontiguousarray(values[rows][:, regions])

    series = [_begun(replace(one, values=cut(one.values))) for one in table.series]
    measures = table.measures.cut(cut)
    kinds = sort_out(measures)
    seen = replace(
        table,
        years=table.years[rows],
        regions=tuple(np.array(table.regions, dtype=object)[regions].tolist()),
        target=cut(table.target),
        present=cut(table.present),
        series=tuple(one for one in series if one.days.size),
        scalars=kinds.scalars,
        scalar_names=kinds.scalar_names,
        traits=kinds.traits,
        trait_names=kinds.trait_names,
        measures=measures,
    )
    return seen, regions


__all__ = ["Floats", "Series", "Table", "TooFewYears", "known_by", "read_table"]
