"""Final estimates: what the statistics of the year itself say, with their source."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime

from pandas import DataFrame
from psycopg import Connection

from api.errors import StatisticTooEarly
from api.estimates import Issued
from api.lineage import Recipe, table_checksum
from models.features import CROPS
from models.lead import HARVEST
from store import Store, estimates, runs, statistics
from store.estimates import UNITS, Estimate
from store.statistics import CountyStatistic

__all__ = ["final_run"]


def final_run(
    store: Store, *, year: int, today: date, crops: Sequence[str] = CROPS
) -> Issued | None:
    """Issue the published numbers of a year as final; the forecasts stay beside them.

    Parameters
    ----------
    store
    year
    today
        The day it is: a statistic of a harvest to come cannot be one.
    crops

    Returns
    -------
    Issued or None
        None where no statistics of the year are in.

    Raises
    ------
    StatisticTooEarly
    """
    with store.connection() as conn:
        found = statistics.find(conn, year=year)
    rows = [row for row in found if row.crop in crops]
    if not rows:
        return None
    _check(rows, today=today)
    recipe = Recipe(
        kind="published-statistics",
        inputs={f"statistics/{year}": table_checksum(_table(rows))},
        parameters={
            "year": year,
            "crops": sorted(crops),
            "rows": {"statistics": len(rows)},
        },
        simulated=any(row.simulated for row in rows),
    )
    with store.connection() as conn, conn.transaction():
        if there := _there(conn, rows):
            return Issued(there, False)
        if runs.exists(conn, recipe.run_id):
            again = estimates.issue(conn, recipe.run_id, issued_at=datetime.now(UTC))
            return Issued(recipe.run_id, again)
        run = recipe.finished()
        runs.save(conn, run)
        estimates.add(conn, _estimates(rows, run))
    return Issued(recipe.run_id, True)


def _there(conn: Connection, rows: Sequence[CountyStatistic]) -> str | None:
    """Return a run that says just this already: other code quotes no other numbers."""
    found = estimates.find(conn, year=rows[0].year, status="final")
    said = {(e.county, e.crop, e.measure): (e.value, e.source) for e in found}
    wanted = {
        (row.county, row.crop, measure): (value, row.source)
        for row in rows
        for measure in UNITS
        if (value := _value(row, measure)) is not None
    }
    return found[0].run_id if wanted.items() <= said.items() else None


def _check(rows: Iterable[CountyStatistic], *, today: date) -> None:
    for row in rows:
        harvest = date(row.year, *HARVEST)
        if today < harvest:
            raise StatisticTooEarly(
                f"{row.source!r} has {row.yield_t_ha} t/ha of {row.crop} in county"
                f" {row.county} for {row.year}, not harvested before {harvest}: correct"
                f" the year of the statistics · {row.year} 年尚未收获，请更正统计的年份"
            )


def _table(rows: Sequence[CountyStatistic]) -> DataFrame:
    names = list(CountyStatistic.__dataclass_fields__)
    table = DataFrame(list(rows), columns=names)
    # None and NaN hash alike only as text.
    return table.astype(str)


def _estimates(rows: Iterable[CountyStatistic], run: runs.Run) -> list[Estimate]:
    return [
        Estimate(
            county=row.county,
            crop=row.crop,
            year=row.year,
            measure=measure,
            value=value,
            unit=unit,
            lower=None,
            upper=None,
            interval=None,
            status="final",
            reason=_derived(row, measure),
            simulated=row.simulated,
            run_id=run.run_id,
            source=row.source,
            issued_at=run.finished_at,
        )
        for row in rows
        for measure, unit in UNITS.items()
        if (value := _value(row, measure)) is not None
    ]


def _value(row: CountyStatistic, measure: str) -> float | None:
    if measure == "yield":
        return row.yield_t_ha
    return row.area_ha if measure == "area" else row.production_t


def _derived(row: CountyStatistic, measure: str) -> str | None:
    if row.derived != measure:
        return None
    return "follows from the two others that were reported · 由另两项统计推算"
