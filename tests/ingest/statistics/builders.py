"""Tables made by hand, and the short forms that tests compare."""

from pathlib import Path
from typing import Any

from ingest.statistics import Given, StatisticsTable, parse_unit, read_statistics


def taken(folder: Path, text: str, **given: Any) -> StatisticsTable:
    """Read a CSV table; units are given as text."""
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    units = [parse_unit(unit) for unit in given.pop("units", {}).values()]
    found = {unit.measure: unit for unit in units if unit is not None}
    return read_statistics(path, Given(units=found, **given))


def short(table: StatisticsTable) -> list[tuple[Any, ...]]:
    """County, crop, year, area (ha), production (t), yield (t/ha), rounded."""
    return [
        (
            *(row.statistic.county, row.statistic.crop, row.statistic.year),
            round(row.statistic.area_ha, 2),
            round(row.statistic.production_t or -1, 2),
            round(row.statistic.yield_t_ha, 4),
        )
        for row in table.rows
    ]


def places(listed: Any) -> list[tuple[str, str]]:
    """Row and name of what is listed."""
    return [(str(each.place), each.name) for each in listed]
