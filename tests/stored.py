"""What lies in the store, asked past its own functions."""

import psycopg


def stored_readings(conn: psycopg.Connection) -> int:
    """Count the rows of readings."""
    row = conn.execute("SELECT count(*) FROM reading").fetchone()
    assert row is not None
    return int(row[0])
