"""What new statistics do to the stored ones: decided before anything is written."""

from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import replace as changed

from ingest.county_names import COUNTY_NAMES
from ingest.statistics.table import Listed, Row, StatisticsTable
from ingest.statistics.units import MEASURES_ZH, Measure
from store.statistics import CountyStatistic

__all__ = ["Settled", "settle"]

_UNITS: dict[Measure, str] = {"area": "ha", "production": "t", "yield": "t/ha"}


@dataclass(frozen=True, slots=True)
class Settled:
    """A table without what may not be stored, and what storing it replaces.

    Attributes
    ----------
    table : StatisticsTable
    replaced : tuple of Listed
        Stored numbers of another source that give way, old and new in the reason.
    """

    table: StatisticsTable
    replaced: tuple[Listed, ...]


def settle(
    table: StatisticsTable,
    stored: Iterable[CountyStatistic],
    *,
    replace: bool = False,
) -> Settled:
    """Compare a table with what is stored.

    A file may correct what it gave before, and real numbers take the place of simulated
    ones. Simulated numbers never replace real ones, and those of another source or file
    only with `replace`. Where another source has the same numbers, the first stays.

    Parameters
    ----------
    table
    stored
        Statistics as they stand; those of other counties, crops and years do no harm.
    replace
        Whether the person wants other sources' numbers replaced.
    """
    kept = {_key(each): each for each in stored}
    rows: list[Row] = []
    refused: list[Listed] = []
    replaced: list[Listed] = []
    for row in table.rows:
        old = kept.get(_key(row.statistic))
        if old is None or _corrects(old, row.statistic):
            rows.append(row)
        elif row.statistic.simulated and not old.simulated:
            refused.append(_listed(row, _SIMULATED))
        elif not old.simulated and _numbers(old) == _numbers(row.statistic):
            rows.append(changed(row, statistic=old))
        elif old.simulated or replace:
            rows.append(row)
            replaced.append(_listed(row, _change(old, row.statistic)))
        else:
            refused.append(_listed(row, _unasked(old, row.statistic)))
    problems = (*table.problems, *refused)
    return Settled(changed(table, rows=tuple(rows), problems=problems), tuple(replaced))


_SIMULATED = (
    "simulated numbers do not replace real ones, which are stored"
    " · 已有实际数据，模拟数据不能替换"
)


def _key(each: CountyStatistic) -> tuple[str, str, int]:
    return each.county, each.crop, each.year


def _corrects(old: CountyStatistic, new: CountyStatistic) -> bool:
    """Whether a source replaces its own numbers; before files were kept any did."""
    same = old.source == new.source and old.file in (None, new.file)
    return same and old.simulated == new.simulated


def _numbers(each: CountyStatistic) -> dict[Measure, float | None]:
    return {
        "area": each.area_ha,
        "production": each.production_t,
        "yield": each.yield_t_ha,
    }


def _change(old: CountyStatistic, new: CountyStatistic) -> str:
    """Say what becomes of the numbers, in both languages."""
    before, after = _numbers(old), _numbers(new)
    changes = [
        (measure, f"{_short(before[measure])} → {_short(after[measure])} {unit}")
        for measure, unit in _UNITS.items()
        if before[measure] != after[measure]
    ]
    english = ", ".join(f"{measure} {numbers}" for measure, numbers in changes)
    chinese = "，".join(f"{MEASURES_ZH[measure]} {text}" for measure, text in changes)
    origin = f"{'simulated, ' if old.simulated else ''}{_origin(old)}"
    return f"{english or 'same numbers'} ({origin}) · {chinese or '数值相同'}"


def _unasked(old: CountyStatistic, new: CountyStatistic) -> str:
    english, _, chinese = _change(old, new).partition(" · ")
    return (
        f"stored from another source: {english}; --replace puts the new in its place"
        f" · 已有其他来源的数据：{chinese}（{_origin(old)}），用 --replace 替换"
    )


def _origin(each: CountyStatistic) -> str:
    return each.source if each.file is None else f"{each.source}, {each.file}"


def _short(number: float | None) -> str:
    return "—" if number is None else f"{number:.10g}"


def _listed(row: Row, reason: str) -> Listed:
    new = row.statistic
    name = COUNTY_NAMES[new.county][0]
    return Listed(row.places[0], name, new.crop, new.year, reason)
