"""County statistics: reported yield, area and production of a crop and year."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass

import psycopg
from psycopg.rows import class_row


@dataclass(frozen=True, slots=True)
class CountyStatistic:
    """Yield in t/ha and crop area in ha of a county, with the source's name.

    Attributes
    ----------
    county, crop, year
        What it is of; the county by its present GB/T 2260 code.
    yield_t_ha, area_ha : float
    source : str
        What the numbers are quoted from.
    simulated : bool
    production_t : float or None
        Tonnes; None when neither given nor derived.
    derived : str or None
        Which of "area", "production" and "yield" follows from the other two and was
        not itself reported.
    file : str or None
        Name of the file that they came in.
    written : str or None
        The county's name, and code if any, as that file has them.
    """

    county: str
    crop: str
    year: int
    yield_t_ha: float
    area_ha: float
    source: str
    simulated: bool
    production_t: float | None = None
    derived: str | None = None
    file: str | None = None
    written: str | None = None


def put(conn: psycopg.Connection, rows: Iterable[CountyStatistic]) -> int:
    """Store statistics; a county, crop and year stored before is replaced.

    The database refuses to replace real numbers by simulated ones.

    Returns
    -------
    int
        How many were new or differed from what was stored.
    """
    with conn.transaction(), conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO county_statistic AS kept"
            " (county, crop, year, yield_t_ha, area_ha, source, simulated,"
            " production_t, derived, file, written)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (county, crop, year) DO UPDATE SET"
            " yield_t_ha = excluded.yield_t_ha, area_ha = excluded.area_ha,"
            " source = excluded.source, simulated = excluded.simulated,"
            " production_t = excluded.production_t, derived = excluded.derived,"
            " file = excluded.file, written = excluded.written"
            " WHERE kept IS DISTINCT FROM excluded",
            [astuple(row) for row in rows],
        )
        return max(cursor.rowcount, 0)


def find(
    conn: psycopg.Connection,
    *,
    crop: str | None = None,
    county: str | None = None,
    year: int | None = None,
) -> list[CountyStatistic]:
    """Return statistics by county, crop and year."""
    with conn.cursor(row_factory=class_row(CountyStatistic)) as cursor:
        cursor.execute(
            "SELECT county, crop, year, yield_t_ha, area_ha, source, simulated,"
            " production_t, derived, file, written"
            " FROM county_statistic"
            " WHERE (%(crop)s::text IS NULL OR crop = %(crop)s)"
            " AND (%(county)s::text IS NULL OR county = %(county)s)"
            " AND (%(year)s::int IS NULL OR year = %(year)s)"
            " ORDER BY county, crop, year",
            {"crop": crop, "county": county, "year": year},
        )
        return cursor.fetchall()
