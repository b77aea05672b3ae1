"""County history of one crop as arrays over (year, county)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.errors import ValueInvalid
from models.tables import require_columns, require_unique

KEY = ("county", "crop", "year")
YIELD = "yield_t_ha"


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Yields and features of one crop; sorted, so the order of rows cannot matter.

    Attributes
    ----------
    years : int64 (year,), ascending
    counties : codes (county,), ascending
    yields : float64 (year, county), t/ha, NaN where no figure is known
    features : float64 (year, county, feature), NaN where missing
    """

    years: NDArray[np.int64]
    counties: tuple[str, ...]
    yields: NDArray[np.float64]
    features: NDArray[np.float64]

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Where a yield and every feature are known, (year, county)."""
        return np.isfinite(self.yields) & np.isfinite(self.features).all(axis=-1)

    def select(self, keep: NDArray[np.bool_]) -> "Panel":
        """Return the panel of the years where `keep` (year,) is true."""
        return Panel(
            years=self.years[keep],
            counties=self.counties,
            yields=self.yields[keep],
            features=self.features[keep],
        )


def check_history(history: pd.DataFrame, *, features: Sequence[str]) -> None:
    """Raise when `history` lacks a column, repeats a row or holds an untrue yield."""
    require_columns(history, (*KEY, YIELD, *features), table="history")
    require_unique(history, KEY, table="history")
    wrong = (history[YIELD] < 0) | np.isinf(history[YIELD])
    if wrong.any():
        row = history.loc[wrong].iloc[0]
        raise ValueInvalid(
            f"the history says {row[YIELD]} t/ha for {row['crop']} in county "
            f"{row['county']}, {row['year']}: a yield is a finite number, 0 or more"
            " · 单产历史中有不可能的数值，单产应为非负有限数"
        )


def panels(history: pd.DataFrame, *, features: Sequence[str]) -> dict[str, Panel]:
    """Split a checked history into one panel per crop; rows without yield drop out."""
    known = history.loc[history[YIELD].notna()]
    return {
        str(crop): _panel(rows, features)
        for crop, rows in known.groupby("crop", sort=True)
    }


def _panel(rows: pd.DataFrame, features: Sequence[str]) -> Panel:
    # Sorted axes make every sum the same to the last bit, whatever the row order.
    years, year = np.unique(rows["year"].to_numpy(np.int64), return_inverse=True)
    counties, county = np.unique(rows["county"].to_numpy(str), return_inverse=True)
    yields = np.full((years.size, counties.size), np.nan)
    yields[year, county] = rows[YIELD].to_numpy(np.float64)
    cube = np.full((years.size, counties.size, len(features)), np.nan)
    cube[year, county] = rows[list(features)].to_numpy(np.float64)
    return Panel(
        years=years,
        counties=tuple(counties.tolist()),
        yields=yields,
        features=cube,
    )


def column_median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of each column, NaN (without a warning) where it is empty."""
    # numpy's nanmedian warns of an empty column, and an empty column is normal here.
    return np.asarray(pd.DataFrame(values).median(axis=0), dtype=np.float64)
