"""Estimates: append-only numbers for a region, a crop and a year.

Estimates belong to the run that made them, and a run can be issued more than once:
when its inputs return to an earlier state, the earlier run is issued again. A revised
estimate never erases the earlier one: :func:`history` gives every issue.
"""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import date, datetime
from typing import Final, Literal, LiteralString

import psycopg
from psycopg.rows import class_row

from store import runs
from store.errors import RowRefused

__all__ = [
    "LEVELS",
    "UNITS",
    "AreaSource",
    "Estimate",
    "Issue",
    "Level",
    "Skill",
    "Status",
    "add",
    "add_skill",
    "find",
    "history",
    "issue",
    "of_run",
    "skill",
]

Status = Literal["forecast", "provisional", "final", "missing"]
Level = Literal["county", "prefecture", "province"]
AreaSource = Literal["survey", "statistics", "survey+statistics"]

LEVELS: Final[tuple[Level, ...]] = ("county", "prefecture", "province")

UNITS: Final = {"yield": "t/ha", "area": "ha", "production": "t"}
"""The one unit of each measure."""

_COLUMNS: LiteralString = (
    "county, crop, year, measure, value, unit, lower, upper,"
    ' "interval", status, reason, simulated, run_id, as_of, trend, mean5, source,'
    " se, area_source"
)
_ISSUED: LiteralString = (
    "estimate JOIN (SELECT DISTINCT ON (run_id) run_id, issue, issued_at"
    " FROM estimate_issue ORDER BY run_id, issue DESC) AS last_issue USING (run_id)"
)
# By the codes of GB/T 2260: 220000 the province, 220100 a prefecture, 220122 a county.
_LEVEL: LiteralString = (
    "CASE WHEN right(county, 4) = '0000' THEN 'province'"
    " WHEN right(county, 2) = '00' THEN 'prefecture' ELSE 'county' END"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number for a place and a year, and the run that made it.

    Attributes
    ----------
    county : str
        GB/T 2260 code of a county; of a prefecture or the province for totals.
    crop, year, measure, unit
        What it is a number of; a measure has one unit, see `UNITS`.
    value, lower, upper : float or None
        The bounds hold the true value with probability ``interval`` (0.8 for an 80 %
        interval). Status "missing" has no numbers but a ``reason``; status "final"
        quotes a ``source`` and has no bounds and no ``interval``.
    as_of : date or None
        Last day of the data it was made from; None of older rows and of "final".
    trend, mean5 : float or None
        What the county's trend and the mean of its last five years say, in ``unit``.
    se : float or None
        Standard error, in ``unit``; None where only quantiles are known.
    area_source : str or None
        What the hectares of an area or a production rest on; of totals perhaps both.
    issued_at : datetime
        The last issue of the run.
    """

    county: str
    crop: str
    year: int
    measure: str = "yield"
    value: float | None
    unit: str = "t/ha"
    lower: float | None
    upper: float | None
    interval: float | None = 0.8
    status: Status
    reason: str | None = None
    simulated: bool
    run_id: str
    as_of: date | None = None
    trend: float | None = None
    mean5: float | None = None
    source: str | None = None
    se: float | None = None
    area_source: AreaSource | None = None
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue of an estimate: its number, higher for later, and the estimate."""

    issue: int
    estimate: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """How the model of a run and its baselines did in years they had not seen.

    Root mean square errors are in the unit of the measure and over the same
    ``compared`` county-years; ``coverage`` is the share of true values inside the
    interval, ``shared`` the share of the squared error that the counties of a year
    have in common. None where nothing could be compared. ``model`` is the version of
    the model that was tested and used.
    """

    run_id: str
    crop: str
    measure: str
    years: list[int]
    compared: int
    rmse: float | None
    rmse_trend: float | None
    rmse_mean5: float | None
    coverage: float | None
    shared: float | None
    model: str | None = None


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
        Estimates of one run differ in ``issued_at``, state one thing twice, or are in
        another unit than that of their measure.
    """
    rows = list(estimates)
    _check(rows)
    issues = _issues(rows)
    with conn.transaction(), conn.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO estimate ({_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s,"
            " %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
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


def issue(conn: psycopg.Connection, run_id: str, *, issued_at: datetime) -> bool:
    """Issue the estimates of a run again, so that they count as the newest.

    Nothing is done when every one of them is the newest already of those made from
    data up to the same day. Returns whether there was anything to issue.

    Raises
    ------
    RunUnknown
    """
    runs.get(conn, run_id)
    with conn.transaction():
        if _is_newest(conn, run_id):
            return False
        conn.execute(
            "INSERT INTO estimate_issue (run_id, issued_at) VALUES (%s, %s)",
            [run_id, issued_at],
        )
    return True


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
    measure: str | None = None,
    level: Level | None = None,
    status: Status | None = None,
    as_of: date | None = None,
) -> list[Estimate]:
    """Return the estimate that counts for each (county, crop, year, measure).

    In that order. A simulated estimate counts only where there is no real one; a final
    one counts before all others, then the one made from data up to the latest day, and
    of those of one day the one whose run was issued last.

    Parameters
    ----------
    county
        Code of a county, a prefecture or the province.
    level
        Only regions of that level.
    status
        The one that counts among those of this status.
    as_of
        The one that counts among those made from data up to this day or an earlier
        one: what was known then. Estimates whose day is not known are left out.
    """
    with conn.cursor(row_factory=class_row(Estimate)) as cursor:
        cursor.execute(
            "SELECT DISTINCT ON (county, crop, year, measure)"
            f" {_COLUMNS}, issued_at FROM {_ISSUED}"
            " WHERE (%(crop)s::text IS NULL OR crop = %(crop)s)"
            " AND (%(year)s::int IS NULL OR year = %(year)s)"
            " AND (%(county)s::text IS NULL OR county = %(county)s)"
            " AND (%(measure)s::text IS NULL OR measure = %(measure)s)"
            f" AND (%(level)s::text IS NULL OR {_LEVEL} = %(level)s)"
            " AND (%(status)s::text IS NULL OR status = %(status)s)"
            " AND (%(as_of)s::date IS NULL OR as_of <= %(as_of)s)"
            " ORDER BY county, crop, year, measure, simulated, status <> 'final',"
            " as_of DESC NULLS LAST, issue DESC",
            {
                "crop": crop,
                "year": year,
                "county": county,
                "measure": measure,
                "level": level,
                "status": status,
                "as_of": as_of,
            },
        )
        return cursor.fetchall()


def history(
    conn: psycopg.Connection,
    *,
    counties: Sequence[str],
    crop: str,
    year: int,
    measure: str = "yield",
) -> list[Issue]:
    """Return every issue of an estimate, the first one first; nothing is left out.

    Parameters
    ----------
    counties
        Code of the county, with its former ones if it had any.
    """
    with conn.cursor() as cursor:
        cursor.execute(
            f"SELECT issue, {_COLUMNS}, issued_at"
            " FROM estimate JOIN estimate_issue USING (run_id)"
            " WHERE county = ANY(%s) AND crop = %s AND year = %s AND measure = %s"
            " ORDER BY issue",
            [list(counties), crop, year, measure],
        )
        names = [field.name for field in fields(Estimate)]
        return [
            Issue(number, Estimate(**dict(zip(names, row, strict=True))))
            for number, *row in cursor.fetchall()
        ]


def add_skill(conn: psycopg.Connection, rows: Iterable[Skill]) -> None:
    """Store how runs did in past years; what is already stored is left alone."""
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO estimate_skill (run_id, crop, measure, years, compared, rmse,"
            " rmse_trend, rmse_mean5, coverage, shared, model)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            [astuple(row) for row in rows],
        )


def skill(conn: psycopg.Connection, run_ids: Iterable[str]) -> list[Skill]:
    """Return the skill of some runs, by run, crop and measure."""
    with conn.cursor(row_factory=class_row(Skill)) as cursor:
        cursor.execute(
            "SELECT run_id, crop, measure, years, compared, rmse, rmse_trend,"
            " rmse_mean5, coverage, shared, model FROM estimate_skill"
            " WHERE run_id = ANY(%s) ORDER BY run_id, crop, measure",
            [sorted({*run_ids})],
        )
        return cursor.fetchall()


def _is_newest(conn: psycopg.Connection, run_id: str) -> bool:
    """Tell whether no estimate of a run was revised with the same data or less."""
    # A real one is newest although a simulated one was issued after it.
    newest = conn.execute(
        "SELECT bool_and(mine.run_id = newest.run_id) FROM estimate AS mine"
        " CROSS JOIN LATERAL ("
        f" SELECT other.run_id FROM (SELECT * FROM {_ISSUED}) AS other"
        " WHERE (other.county, other.crop, other.year, other.measure)"
        " = (mine.county, mine.crop, mine.year, mine.measure)"
        " AND other.as_of IS NOT DISTINCT FROM mine.as_of"
        " AND (other.status = 'final') = (mine.status = 'final')"
        " ORDER BY other.simulated, other.issue DESC LIMIT 1) AS newest"
        " WHERE mine.run_id = %s",
        [run_id],
    ).fetchone()
    return newest is None or newest[0] is not False


def _check(rows: Sequence[Estimate]) -> None:
    seen: set[tuple[object, ...]] = set()
    for row in rows:
        wanted = UNITS.get(row.measure)
        if wanted is None or row.unit != wanted:
            raise RowRefused(
                f"{row.measure} of {row.crop} in county {row.county}, {row.year}, is in"
                f" {row.unit}: give {_units()} · 单位不符：{row.measure} 的单位是"
                f" {row.unit}，请换算为 {wanted or '上述单位'}"
            )
        key = (row.county, row.crop, row.year, row.measure, row.run_id)
        if key in seen:
            raise RowRefused(
                f"run {row.run_id} estimates the {row.measure} of {row.crop} in county"
                f" {row.county}, {row.year}, twice: keep one of them"
                f" · 运行 {row.run_id} 对同一县、作物、年份给出两个数，请只留一个"
            )
        seen.add(key)


def _units() -> str:
    return ", ".join(f"{measure} in {unit}" for measure, unit in UNITS.items())


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
