"""County statistics: reported yield and area of a crop and year."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass

import psycopg
from psycopg.rows import class_row


@dataclass(frozen=True, slots=True)
class CountyStatistic:
    """Yield in t/ha and crop area in ha of a county, with the source's name."""

    county: str
    crop: str
    year: int
    yield_t_ha: float
    area_ha: float
    source: str
    simulated: bool


def put(conn: psycopg.Connection, rows: Iterable[CountyStatistic]) -> None:
    """Store statistics; a county, crop and year stored before is replaced.

    The database refuses to replace real numbers by simulated ones.
    """
    with conn.transaction(), conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO county_statistic"
            " (county, crop, year, yield_t_ha, area_ha, source, simulated)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (county, crop, year) DO UPDATE SET"
            " yield_t_ha = excluded.yield_t_ha, area_ha = excluded.area_ha,"
            " source = excluded.source, simulated = excluded.simulated",
            [astuple(row) for row in rows],
        )


def find(
    conn: psycopg.Connection, *, crop: str | None = None, county: str | None = None
) -> list[CountyStatistic]:
    """Return statistics by county, crop and year."""
    with conn.cursor(row_factory=class_row(CountyStatistic)) as cursor:
        cursor.execute(
            "SELECT county, crop, year, yield_t_ha, area_ha, source, simulated"
            " FROM county_statistic"
            " WHERE (%(crop)s::text IS NULL OR crop = %(crop)s)"
            " AND (%(county)s::text IS NULL OR county = %(county)s)"
            " ORDER BY county, crop, year",
            {"crop": crop, "county": county},
        )
        return cursor.fetchall()
