"""Bulk loading by binary COPY into a temporary staging table."""

from collections.abc import Iterable, Sequence
from typing import Any, LiteralString

import psycopg
from psycopg import sql


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
