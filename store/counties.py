"""Counties: code, names, polygon."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psycopg
import shapely

from store.errors import CountyUnknown


@dataclass(frozen=True, slots=True)
class County:
    """A county-level division.

    ``code`` is the six-digit code of GB/T 2260, ``geometry`` a MultiPolygon in
    EPSG:4326 (longitude, latitude in degrees), ``area_km2`` its area in km2.
    """

    code: str
    name_zh: str
    name_en: str
    prefecture_zh: str
    prefecture_en: str
    geometry: shapely.MultiPolygon
    area_km2: float


def replace(conn: psycopg.Connection, counties: Iterable[County]) -> None:
    """Make these the counties of the database, dropping all others."""
    with conn.transaction(), conn.cursor() as cursor:
        cursor.execute("DELETE FROM county")
        cursor.executemany(
            "INSERT INTO county (code, name_zh, name_en, prefecture_zh, prefecture_en,"
            " geometry, west, south, east, north, area_km2)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [_row(county) for county in counties],
        )


def all_counties(conn: psycopg.Connection) -> list[County]:
    """Return all counties by code."""
    rows = conn.execute(
        "SELECT code, name_zh, name_en, prefecture_zh, prefecture_en, geometry,"
        " area_km2 FROM county ORDER BY code"
    )
    return [_county(row) for row in rows]


def get(conn: psycopg.Connection, code: str) -> County:
    """Return the county with a code.

    Raises
    ------
    CountyUnknown
    """
    row = conn.execute(
        "SELECT code, name_zh, name_en, prefecture_zh, prefecture_en, geometry,"
        " area_km2 FROM county WHERE code = %s",
        [code],
    ).fetchone()
    if row is None:
        raise CountyUnknown(
            f"no county has the code {code!r}: give a GB/T 2260 code, as 220322"
            f" · 没有代码为 {code} 的县，请用国标县代码，如 220322"
        )
    return _county(row)


def _row(county: County) -> tuple[Any, ...]:
    names = (county.name_zh, county.name_en)
    prefecture = (county.prefecture_zh, county.prefecture_en)
    geometry = shapely.to_wkb(county.geometry)
    return (
        *(county.code, *names, *prefecture, geometry),
        *(*county.geometry.bounds, county.area_km2),
    )


def _county(row: tuple[Any, ...]) -> County:
    geometry = shapely.from_wkb(row[5])
    return County(row[0], row[1], row[2], row[3], row[4], geometry, row[6])
