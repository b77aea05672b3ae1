"""Estimates: append-only numbers for a county, a crop and a year."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Literal

import psycopg
from psycopg.rows import class_row

Status = Literal["forecast", "provisional", "final", "missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number for a place and a year, and the run that made it.

    ``lower`` and ``upper`` bound ``value`` with probability ``interval`` (0.8 for an
    80 % interval). Status "missing" has no numbers but a ``reason``.
    """

    county: str
    crop: str
    year: int
    measure: str = "yield"
    value: float | None
    unit: str = "t/ha"
    lower: float | None
    upper: float | None
    interval: float = 0.8
    status: Status
    reason: str | None = None
    simulated: bool
    run_id: str
    issued_at: datetime


def add(conn: psycopg.Connection, estimates: Iterable[Estimate]) -> int:
    """Append estimates; those of a run that are already stored are left alone.

    Returns
    -------
    int
        How many were new.
    """
    with conn.transaction(), conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO estimate (county, crop, year, measure, value, unit, lower,"
            ' upper, "interval", status, reason, simulated, run_id, issued_at)'
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (county, crop, year, measure, run_id) DO NOTHING",
            [astuple(estimate) for estimate in estimates],
        )
        return max(cursor.rowcount, 0)


def find(
    conn: psycopg.Connection,
    *,
    crop: str | None = None,
    year: int | None = None,
    county: str | None = None,
) -> list[Estimate]:
    """Return the newest issue of each (county, crop, year, measure), in that order."""
    with conn.cursor(row_factory=class_row(Estimate)) as cursor:
        cursor.execute(
            "SELECT DISTINCT ON (county, crop, year, measure)"
            " county, crop, year, measure, value, unit, lower, upper,"
            ' "interval", status, reason, simulated, run_id, issued_at'
            " FROM estimate"
            " WHERE (%(crop)s::text IS NULL OR crop = %(crop)s)"
            " AND (%(year)s::int IS NULL OR year = %(year)s)"
            " AND (%(county)s::text IS NULL OR county = %(county)s)"
            " ORDER BY county, crop, year, measure, issued_at DESC, issue DESC",
            {"crop": crop, "year": year, "county": county},
        )
        return cursor.fetchall()


def history(
    conn: psycopg.Connection, *, county: str, crop: str, year: int
) -> list[Estimate]:
    """Return all issues for a county, crop and year, newest first."""
    with conn.cursor(row_factory=class_row(Estimate)) as cursor:
        cursor.execute(
            "SELECT county, crop, year, measure, value, unit, lower, upper,"
            ' "interval", status, reason, simulated, run_id, issued_at'
            " FROM estimate WHERE county = %s AND crop = %s AND year = %s"
            " ORDER BY issued_at DESC, issue DESC",
            [county, crop, year],
        )
        return cursor.fetchall()
