"""Daily weather of counties."""

from datetime import date

import pandas as pd
import psycopg

from store.copying import stage
from store.errors import RowRefused

_TYPES = (
    ("county", "text"),
    ("day", "date"),
    ("tmin", "float8"),
    ("tmax", "float8"),
    ("precipitation", "float8"),
    ("radiation", "float8"),
    ("simulated", "bool"),
)
COLUMNS = [name for name, _ in _TYPES]


def put(conn: psycopg.Connection, frame: pd.DataFrame) -> None:
    """Store daily weather; a county and day stored before is replaced.

    Parameters
    ----------
    frame
        Columns ``county`` (code), ``day`` (date or datetime64), ``tmin`` and ``tmax``
        (degC), ``precipitation`` (mm), ``radiation`` (MJ/m2), ``simulated`` (bool).
        NaN is stored as not measured.

    Raises
    ------
    RowRefused
        A column is missing, or a county and day occurs twice.
    """
    _check(frame)
    plain = frame[COLUMNS].assign(day=pd.to_datetime(frame["day"]).dt.date)
    plain = plain.astype(object).where(plain.notna(), None)
    with conn.transaction():
        stage(
            conn,
            table="weather_staging",
            columns=_TYPES,
            rows=plain.itertuples(index=False, name=None),
        )
        conn.execute(
            "INSERT INTO county_weather"
            " (county, day, tmin, tmax, precipitation, radiation, simulated)"
            " SELECT county, day, tmin, tmax, precipitation, radiation, simulated"
            " FROM weather_staging ON CONFLICT (county, day) DO UPDATE SET"
            " tmin = excluded.tmin, tmax = excluded.tmax,"
            " precipitation = excluded.precipitation,"
            " radiation = excluded.radiation, simulated = excluded.simulated"
        )


def find(conn: psycopg.Connection, *, start: date, end: date) -> pd.DataFrame:
    """Return the weather from ``start`` to ``end``, both included.

    Returns
    -------
    DataFrame
        The columns of :func:`put` by county and day; ``day`` is datetime64, numbers
        are float64 with NaN where nothing was measured.
    """
    with conn.cursor(binary=True) as cursor:
        cursor.execute(
            "SELECT county, day, tmin, tmax, precipitation, radiation, simulated"
            " FROM county_weather WHERE day BETWEEN %s AND %s ORDER BY county, day",
            [start, end],
        )
        frame = pd.DataFrame(cursor.fetchall(), columns=COLUMNS)
    numbers = dict.fromkeys(["tmin", "tmax", "precipitation", "radiation"], "float64")
    return frame.astype({**numbers, "simulated": "bool"}).assign(
        day=pd.to_datetime(frame["day"])
    )


def _check(frame: pd.DataFrame) -> None:
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise RowRefused(f"weather lacks the columns {', '.join(missing)}")
    twice = frame.loc[frame.duplicated(["county", "day"]), ["county", "day"]]
    if len(twice):
        county, day = twice.iloc[0]
        raise RowRefused(
            f"weather has county {county} on {day} twice ({len(twice)} such rows):"
            " keep one row a county and day"
        )
