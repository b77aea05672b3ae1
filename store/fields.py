"""Fields: polygons with a crop and a year."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psycopg
import shapely


@dataclass(frozen=True, slots=True)
class Field:
    """A field in a year.

    ``geometry`` is a Polygon in EPSG:4326 (longitude, latitude in degrees),
    ``area_ha`` its area in ha.
    """

    field_id: str
    county: str
    name_zh: str
    name_en: str
    crop: str
    year: int
    geometry: shapely.Polygon
    area_ha: float
    simulated: bool


def put(
    conn: psycopg.Connection, fields: Iterable[Field], *, dataset_id: str | None = None
) -> None:
    """Store fields; a field and year stored before is replaced.

    The database refuses to replace a real field by a simulated one.

    Parameters
    ----------
    dataset_id
        Data set the fields were imported with, see :mod:`store.ground`.
    """
    with conn.transaction(), conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO field (field_id, county, name_zh, name_en, crop, year,"
            " geometry, west, south, east, north, area_ha, simulated, dataset_id)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (field_id, year) DO UPDATE SET county = excluded.county,"
            " name_zh = excluded.name_zh, name_en = excluded.name_en,"
            " crop = excluded.crop, geometry = excluded.geometry,"
            " west = excluded.west, south = excluded.south,"
            " east = excluded.east, north = excluded.north,"
            " area_ha = excluded.area_ha, simulated = excluded.simulated,"
            " dataset_id = excluded.dataset_id",
            [(*_row(field), dataset_id) for field in fields],
        )


def find(
    conn: psycopg.Connection,
    *,
    county: str | None = None,
    year: int | None = None,
    dataset_id: str | None = None,
) -> list[Field]:
    """Return fields by id and year."""
    rows = conn.execute(
        "SELECT field_id, county, name_zh, name_en, crop, year, geometry, area_ha,"
        " simulated FROM field"
        " WHERE (%(county)s::text IS NULL OR county = %(county)s)"
        " AND (%(year)s::int IS NULL OR year = %(year)s)"
        " AND (%(dataset)s::text IS NULL OR dataset_id = %(dataset)s)"
        " ORDER BY field_id, year",
        {"county": county, "year": year, "dataset": dataset_id},
    )
    return [_field(row) for row in rows]


def _row(field: Field) -> tuple[Any, ...]:
    names = (field.field_id, field.county, field.name_zh, field.name_en)
    geometry = (shapely.to_wkb(field.geometry), *field.geometry.bounds)
    return (
        *(*names, field.crop, field.year),
        *(*geometry, field.area_ha, field.simulated),
    )


def _field(row: tuple[Any, ...]) -> Field:
    field_id, county, name_zh, name_en, crop, year, wkb, area_ha, simulated = row
    geometry = shapely.from_wkb(wkb)
    return Field(
        field_id, county, name_zh, name_en, crop, year, geometry, area_ha, simulated
    )
