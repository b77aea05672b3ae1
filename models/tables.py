"""Checks on the tables that models read."""

from collections.abc import Sequence

import pandas as pd

from models.errors import ColumnMissing, RowsDuplicated


def require_columns(frame: pd.DataFrame, columns: Sequence[str], *, table: str) -> None:
    """Raise `ColumnMissing` naming the columns that `frame` lacks."""
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise ColumnMissing(table=table, columns=missing)


def require_unique(frame: pd.DataFrame, key: Sequence[str], *, table: str) -> None:
    """Raise `RowsDuplicated` naming the first key that `frame` holds twice."""
    repeated = frame.duplicated(list(key))
    if repeated.any():
        first = frame.loc[repeated, list(key)].iloc[0]
        raise RowsDuplicated(table=table, key={name: first[name] for name in key})
