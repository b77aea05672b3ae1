"""Stored estimates as they are shown: with names, lead time and past errors."""

from collections.abc import Sequence
from dataclasses import asdict

from psycopg import Connection

from api import schemas
from api.county_table import CountyTable, Region
from models.lead import lead_days, lead_name
from store import CountyUnknown, estimates
from store.estimates import Estimate, Skill

__all__ = ["shown"]


def shown(
    conn: Connection, rows: Sequence[Estimate], counties: CountyTable
) -> list[schemas.Estimate]:
    """Return estimates in their order, as the HTTP face and the tables show them."""
    known = estimates.skill(conn, {row.run_id for row in rows})
    skill = {(one.run_id, one.crop, one.measure): one for one in known}
    regions = {code: _region(code, counties) for code in {row.county for row in rows}}
    return [
        _shown(row, regions[row.county], skill.get((row.run_id, row.crop, row.measure)))
        for row in rows
    ]


def _region(code: str, counties: CountyTable) -> Region:
    """Return a region, by its bare code where the division is no more."""
    try:
        return counties.region(code)
    except CountyUnknown:
        return Region(code, code, code)


def _shown(row: Estimate, region: Region, skill: Skill | None) -> schemas.Estimate:
    day = row.as_of
    return schemas.Estimate(
        **asdict(row),
        name_zh=region.name_zh,
        name_en=region.name_en,
        lead=None if day is None else lead_name(day, year=row.year),
        lead_days=None if day is None else lead_days(day, year=row.year),
        rmse=None if skill is None else skill.rmse,
        rmse_trend=None if skill is None else skill.rmse_trend,
        rmse_mean5=None if skill is None else skill.rmse_mean5,
    )
