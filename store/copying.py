"""Bulk loading and reading by binary COPY."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, LiteralString

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

__all__ = ["load", "stage", "unload"]

# PostgreSQL counts microseconds from 2000, everybody else from 1970.
EPOCH_US = 946_684_800_000_000
_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
# Type as COPY sends it: a big-endian number of fixed width.
_WIRE = {
    "int2": ">i2",
    "int4": ">i4",
    "int8": ">i8",
    "float8": ">f8",
    "timestamptz": ">i8",
}
# Functions that give the same bytes.
_SEND: Mapping[str, LiteralString] = {
    "int2": "int2send",
    "int4": "int4send",
    "int8": "int8send",
    "float8": "float8send",
    "timestamptz": "timestamptz_send",
}

Columns = Mapping[LiteralString, tuple[LiteralString, NDArray[Any]]]


def stage(
    conn: psycopg.Connection,
    *,
    table: LiteralString,
    columns: Sequence[tuple[LiteralString, LiteralString]],
    rows: Iterable[Sequence[Any]],
) -> None:
    """Load rows into a temporary table that is empty again after the transaction.

    Parameters
    ----------
    conn
        Connection inside a transaction.
    table
        Name of the temporary table; made on first use in a session.
    columns
        Names and PostgreSQL types, in the order of the rows.
    rows
        Values; None is NULL.
    """
    name = sql.Identifier("pg_temp", table)
    definition = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(kind))
        for column, kind in columns
    )
    conn.execute(
        sql.SQL(
            "CREATE TEMPORARY TABLE IF NOT EXISTS {} ({}) ON COMMIT DELETE ROWS"
        ).format(name, definition)
    )
    # A second batch in one transaction would meet the rows of the first.
    conn.execute(sql.SQL("DELETE FROM {}").format(name))
    statement = sql.SQL("COPY {} FROM STDIN (FORMAT BINARY)").format(name)
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types([kind for _, kind in columns])
        for row in rows:
            copy.write_row(row)


def load(conn: psycopg.Connection, table: LiteralString, columns: Columns) -> None:
    """Append rows given as columns: numpy packs them, no row is touched in Python.

    Parameters
    ----------
    conn
        Connection inside a transaction.
    table
        Name as in SQL, e.g. ``reading`` or ``pg_temp.reading_staging``.
    columns
        Name to PostgreSQL type (int2, int4, int8, float8, timestamptz) and values,
        shape (n,); times in microseconds since 1970 UTC.
    """
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.SQL(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(_pack(columns))


def unload(
    conn: psycopg.Connection,
    query: sql.Composed,
    kinds: Mapping[str, LiteralString],
) -> dict[str, NDArray[Any]]:
    """Return the rows of a query as columns.

    All rows come as one string of bytes: no row is touched in Python, which with
    COPY TO the driver would do.

    Parameters
    ----------
    conn
        Connection.
    query
        SELECT, or INSERT and the like with RETURNING; without parameters and NULLs.
    kinds
        Names for the result and PostgreSQL types (as for :func:`load`) of the columns.

    Returns
    -------
    dict
        Arrays of shape (n,) in the machine's byte order; times in microseconds since
        1970 UTC.
    """
    names = [sql.Identifier(name) for name in kinds]
    fields = [
        sql.SQL("{}({})").format(sql.SQL(_SEND[kind]), name)
        for name, kind in zip(names, kinds.values(), strict=True)
    ]
    statement = sql.SQL(
        "WITH answer ({}) AS ({}) SELECT string_agg({}, '') FROM answer"
    ).format(sql.SQL(", ").join(names), query, sql.SQL(" || ").join(fields))
    row = conn.execute(statement, binary=True).fetchone()
    layout = np.dtype([(name, _WIRE[kind]) for name, kind in kinds.items()])
    # An aggregate of no rows is NULL.
    rows = np.frombuffer((row and row[0]) or b"", layout)
    return {name: _native(rows[name], kind) for name, kind in kinds.items()}


def _layout(kinds: Mapping[str, LiteralString]) -> np.dtype[np.void]:
    """Return the layout of a row: number of fields, then length and value of each."""
    fields = [("fields", ">i2")]
    for name, kind in kinds.items():
        fields += [(f"length of {name}", ">i4"), (name, _WIRE[kind])]
    return np.dtype(fields)


def _pack(columns: Columns) -> bytes:
    kinds = {name: kind for name, (kind, _) in columns.items()}
    layout = _layout(kinds)
    count = len(next(iter(columns.values()))[1])
    rows = np.empty(count, layout)
    rows["fields"] = len(columns)
    for name, (kind, values) in columns.items():
        rows[f"length of {name}"] = np.dtype(_WIRE[kind]).itemsize
        rows[name] = values - EPOCH_US if kind == "timestamptz" else values
    return _SIGNATURE + rows.tobytes() + _TRAILER


def _native(values: NDArray[Any], kind: str) -> NDArray[Any]:
    native = values.astype(values.dtype.newbyteorder("="))
    return native + EPOCH_US if kind == "timestamptz" else native
