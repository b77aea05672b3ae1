"""Daily weather of counties, and what it shares with that of fields."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import LiteralString

import pandas as pd
import psycopg
from psycopg import sql

from store.copying import stage
from store.errors import RowRefused

__all__ = ["ALL_COLUMNS", "COLUMNS", "NUMBERS", "DailyTable", "find", "put"]

NUMBERS: tuple[LiteralString, ...] = (
    "tmin",
    "tmax",
    "precipitation",
    "radiation",
    "wind",
    "humidity",
)
"""Minimum and maximum temperature (degC), precipitation (mm), radiation (MJ/m2), wind
at 2 m (m/s), mean relative humidity (%)."""

_NEEDED = ("day", "tmin", "tmax", "precipitation", "radiation", "simulated")
_OPTIONAL = ("wind", "humidity", "source")

COLUMNS = ["county", *_NEEDED]
"""What `find` gives if nothing else is asked for."""

ALL_COLUMNS = ["county", "day", *NUMBERS, "source", "simulated"]
"""All that is stored of a county and day."""


@dataclass(frozen=True, slots=True)
class DailyTable:
    """A table of daily weather: its name, and the column that names the place."""

    name: LiteralString
    place: LiteralString

    @property
    def staging(self) -> LiteralString:
        """Name of the temporary table that rows are loaded into."""
        return f"{self.name}_staging"

    @property
    def types(self) -> tuple[tuple[LiteralString, LiteralString], ...]:
        """Columns and PostgreSQL types, as they are staged."""
        return (
            *((self.place, "text"), ("day", "date")),
            *((name, "float8") for name in NUMBERS),
            *(("source", "text"), ("simulated", "bool")),
        )

    def put(
        self, conn: psycopg.Connection, frame: pd.DataFrame, *, replace: bool = False
    ) -> int:
        """Store rows, completing those of the same source; see `store.weather.put`."""
        whole = self._checked(frame)
        plain = whole.assign(day=pd.to_datetime(frame["day"]).dt.date)
        plain = plain.astype(object).where(plain.notna(), None)
        with conn.transaction():
            stage(
                conn,
                table=self.staging,
                columns=self.types,
                rows=plain.itertuples(index=False, name=None),
            )
            return conn.execute(self._upsert(replace=replace)).rowcount

    def find(
        self,
        conn: psycopg.Connection,
        *,
        start: date,
        end: date,
        places: Sequence[str] | None,
        columns: Sequence[str],
    ) -> pd.DataFrame:
        """Read rows; see `store.weather.find`."""
        chosen = sql.SQL(", ").join(map(sql.Identifier, columns))
        statement = sql.SQL(
            "SELECT {chosen} FROM {table} WHERE day BETWEEN %(start)s AND %(end)s"
            " AND (%(places)s::text[] IS NULL OR {place} = ANY(%(places)s::text[]))"
            " ORDER BY {place}, day"
        ).format(
            chosen=chosen,
            table=sql.Identifier(self.name),
            place=sql.Identifier(self.place),
        )
        wanted = None if places is None else list(places)
        with conn.cursor(binary=True) as cursor:
            cursor.execute(statement, {"start": start, "end": end, "places": wanted})
            frame = pd.DataFrame(cursor.fetchall(), columns=list(columns))
        kinds = dict.fromkeys(NUMBERS, "float64") | {"simulated": "bool"}
        frame = frame.astype({k: v for k, v in kinds.items() if k in frame.columns})
        if "day" in frame.columns:
            frame["day"] = pd.to_datetime(frame["day"])
        return frame

    def _checked(self, frame: pd.DataFrame) -> pd.DataFrame:
        """All columns in the order of `types`; those that may lack are then missing."""
        needed = (self.place, *_NEEDED)
        missing = [name for name in needed if name not in frame.columns]
        if missing:
            raise RowRefused(f"weather lacks the columns {', '.join(missing)}")
        keys = [self.place, "day"]
        twice = frame.loc[frame.duplicated(keys), keys]
        if len(twice):
            place, day = twice.iloc[0]
            raise RowRefused(
                f"weather has {self.place} {place} on {day} twice ({len(twice)} such"
                f" rows): keep one row a {self.place} and day"
            )
        absent = {name: None for name in _OPTIONAL if name not in frame.columns}
        return frame.assign(**absent)[[name for name, _ in self.types]]

    def _upsert(self, *, replace: bool) -> sql.Composed:
        names = [name for name, _ in self.types]
        # A number is not erased by a later file of the same source that lacks it: the
        # files of one source often hold one variable each.
        number = sql.SQL(
            "{0} = coalesce(excluded.{0},"
            " CASE WHEN old.source = excluded.source"
            " AND old.simulated = excluded.simulated THEN old.{0} END)"
        )
        other = sql.SQL("{0} = excluded.{0}")
        changes = [number.format(sql.Identifier(name)) for name in NUMBERS]
        changes += [other.format(sql.Identifier(n)) for n in ("source", "simulated")]
        return sql.SQL(
            "INSERT INTO {table} AS old ({names}) SELECT {names} FROM {staged}"
            " ON CONFLICT ({place}, day) DO UPDATE SET {changes} WHERE"
            " old.simulated <> excluded.simulated OR CASE"
            " WHEN old.source IS DISTINCT FROM excluded.source"
            " THEN {replace} OR NOT ({loses}) ELSE {differ} END"
        ).format(
            table=sql.Identifier(self.name),
            names=sql.SQL(", ").join(map(sql.Identifier, names)),
            staged=sql.Identifier("pg_temp", self.staging),
            place=sql.Identifier(self.place),
            changes=sql.SQL(", ").join(changes),
            replace=sql.Literal(replace),
            loses=sql.SQL(" OR ").join(map(_loses, NUMBERS)),
            differ=sql.SQL(" OR ").join(map(_differs, NUMBERS)),
        )


def _loses(name: str) -> sql.Composed:
    """Whether an update by another source would erase a number."""
    return sql.SQL("(old.{0} IS NOT NULL AND excluded.{0} IS NULL)").format(
        sql.Identifier(name)
    )


def _differs(name: str) -> sql.Composed:
    """Whether an update would change a number."""
    return sql.SQL(
        "CASE WHEN excluded.{0} IS NULL AND old.source = excluded.source THEN false"
        " ELSE old.{0} IS DISTINCT FROM excluded.{0} END"
    ).format(sql.Identifier(name))


_COUNTIES = DailyTable("county_weather", "county")


def put(conn: psycopg.Connection, frame: pd.DataFrame, *, replace: bool = False) -> int:
    """Store daily weather by county and day; sources are never mixed within a row.

    A row of the same source is completed: the numbers it has are replaced, those it
    lacks stay. A row of another source replaces the one before as a whole, unless it
    lacks a number that this one has: then the one before stays as it is. Rows that are
    stored already change nothing. A real row always replaces a simulated one.

    Parameters
    ----------
    frame
        Columns ``county`` (code), ``day`` (date or datetime64), ``tmin`` and ``tmax``
        (degC), ``precipitation`` (mm), ``radiation`` (MJ/m2), ``simulated`` (bool), and
        if known ``wind`` (m/s at 2 m), ``humidity`` (mean relative, %) and ``source``.
        NaN is stored as not measured.
    replace
        Replace rows of another source even where numbers are lost.

    Returns
    -------
    int
        Rows that are new or changed.

    Raises
    ------
    RowRefused
        A column is missing, a county and day occurs twice, a number is impossible, or
        a simulated row would replace a real one.
    """
    return _COUNTIES.put(conn, frame, replace=replace)


def find(
    conn: psycopg.Connection,
    *,
    start: date,
    end: date,
    counties: Sequence[str] | None = None,
    columns: Sequence[str] = COLUMNS,
) -> pd.DataFrame:
    """Return the weather from ``start`` to ``end``, both included.

    Parameters
    ----------
    counties
        Codes; all if None.
    columns
        Some of `ALL_COLUMNS`.

    Returns
    -------
    DataFrame
        The columns by county and day; ``day`` is datetime64, numbers are float64 with
        NaN where nothing was measured.
    """
    return _COUNTIES.find(conn, start=start, end=end, places=counties, columns=columns)
