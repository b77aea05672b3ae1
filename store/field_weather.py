"""Daily weather of fields."""

from collections.abc import Sequence
from datetime import date

import pandas as pd
import psycopg

from store.weather import NUMBERS, DailyTable

__all__ = ["COLUMNS", "find", "put"]

COLUMNS = ["field_id", "day", *NUMBERS, "source", "simulated"]
"""All that is stored of a field and day."""

_FIELDS = DailyTable("field_weather", "field_id")


def put(conn: psycopg.Connection, frame: pd.DataFrame, *, replace: bool = False) -> int:
    """Store daily weather by field and day.

    As `store.weather.put`, with ``field_id`` in place of ``county``.

    Raises
    ------
    RowRefused
        As `store.weather.put`.
    """
    return _FIELDS.put(conn, frame, replace=replace)


def find(
    conn: psycopg.Connection,
    *,
    start: date,
    end: date,
    fields: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return the weather from ``start`` to ``end``, both included.

    Parameters
    ----------
    fields
        Ids; all if None.

    Returns
    -------
    DataFrame
        `COLUMNS` by field and day; ``day`` is datetime64, numbers are float64 with NaN
        where nothing was measured.
    """
    return _FIELDS.find(conn, start=start, end=end, places=fields, columns=COLUMNS)
