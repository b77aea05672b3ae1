"""Estimates: append-only numbers for a county, a crop and a year.

Estimates belong to the run that made them, and a run can be issued more than once:
when its inputs return to an earlier state, the earlier run is issued again.
"""

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Literal, LiteralString

import psycopg
from psycopg.rows import class_row

from store import runs
from store.errors import RowRefused

Status = Literal["forecast", "provisional", "final", "missing"]

_COLUMNS: LiteralString = (
    "county, crop, year, measure, value, unit, lower, upper,"
    ' "interval", status, reason, simulated, run_id'
)
_ISSUED: LiteralString = (
    "estimate JOIN (SELECT DISTINCT ON (run_id) run_id, issue, issued_at"
    " FROM estimate_issue ORDER BY run_id, issue DESC) AS last_issue USING (run_id)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number for a place and a year, and the run that made it.

    ``lower`` and ``upper`` bound ``value`` with probability ``interval`` (0.8 for an
    80 % interval). Status "missing" has no numbers but a ``reason``. ``issued_at``
    is the last issue of the run.
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
    """Append estimates and issue their run; what is already stored is left alone.

    A run that was issued before is not issued again: see :func:`issue`.

    Returns
    -------
    int
        How many estimates were new.

    Raises
    ------
    RowRefused
        Estimates of one run differ in ``issued_at``.
    """
    rows = list(estimates)
    issues = _issues(rows)
    with conn.transaction(), conn.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO estimate ({_COLUMNS})"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (county, crop, year, measure, run_id) DO NOTHING",
            [astuple(row)[:-1] for row in rows],
        )
        new = max(cursor.rowcount, 0)
        cursor.executemany(
            "INSERT INTO estimate_issue (run_id, issued_at)"
            " SELECT %(run)s, %(at)s WHERE NOT EXISTS"
            " (SELECT FROM estimate_issue WHERE run_id = %(run)s)",
            [{"run": run_id, "at": time} for run_id, time in issues.items()],
        )
    return new


def issue(conn: psycopg.Connection, run_id: str, *, issued_at: datetime) -> None:
    """Issue the estimates of a run again, so that they count as the newest.

    Nothing is done when :func:`find` shows every one of them already.

    Raises
    ------
    RunUnknown
    """
    runs.get(conn, run_id)
    with conn.transaction():
        if not set(of_run(conn, run_id)) <= set(find(conn)):
            conn.execute(
                "INSERT INTO estimate_issue (run_id, issued_at) VALUES (%s, %s)",
                [run_id, issued_at],
            )


def of_run(conn: psycopg.Connection, run_id: str) -> list[Estimate]:
    """Return the estimates of a run, by county, crop, year and measure."""
    with conn.cursor(row_factory=class_row(Estimate)) as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS}, issued_at FROM {_ISSUED} WHERE run_id = %s"
            " ORDER BY county, crop, year, measure",
            [run_id],
        )
        return cursor.fetchall()


def find(
    conn: psycopg.Connection,
    *,
    crop: str | None = None,
    year: int | None = None,
    county: str | None = None,
) -> list[Estimate]:
    """Return the estimate that counts for each (county, crop, year, measure).

    In that order; it is the one whose run was issued last, but a simulated estimate
    counts only where there is no real one.
    """
    with conn.cursor(row_factory=class_row(Estimate)) as cursor:
        cursor.execute(
            "SELECT DISTINCT ON (county, crop, year, measure)"
            f" {_COLUMNS}, issued_at FROM {_ISSUED}"
            " WHERE (%(crop)s::text IS NULL OR crop = %(crop)s)"
            " AND (%(year)s::int IS NULL OR year = %(year)s)"
            " AND (%(county)s::text IS NULL OR county = %(county)s)"
            " ORDER BY county, crop, year, measure, simulated, issue DESC",
            {"crop": crop, "year": year, "county": county},
        )
        return cursor.fetchall()


def _issues(rows: Iterable[Estimate]) -> dict[str, datetime]:
    """Return when each run was issued."""
    issues: dict[str, datetime] = {}
    for row in rows:
        if issues.setdefault(row.run_id, row.issued_at) != row.issued_at:
            raise RowRefused(
                f"estimates of run {row.run_id} are issued at {row.issued_at} and at"
                f" {issues[row.run_id]}: issue a run at one time"
            )
    return issues
