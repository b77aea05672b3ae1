"""What new statistics do to the stored ones."""

from dataclasses import replace

from ingest.statistics import Place, Row, StatisticsTable, settle
from store.statistics import CountyStatistic
from tests.ingest.wording import english

KEPT = CountyStatistic(
    county="220122",
    crop="maize",
    year=2022,
    yield_t_ha=7.0,
    area_ha=100.0,
    source="吉林统计年鉴2023",
    simulated=False,
    production_t=700.0,
    file="yearbook.csv",
)
MADE_UP = replace(KEPT, simulated=True, source="demo", file=None)
OTHER = replace(KEPT, source="长春统计年鉴2023", file="cc.csv", production_t=710.0)


def table(*statistics: CountyStatistic) -> StatisticsTable:
    rows = tuple(Row(each, (Place("", n),)) for n, each in enumerate(statistics, 2))
    return StatisticsTable(rows=rows)


def test_a_simulated_row_stops_no_other() -> None:
    new = replace(KEPT, county="220183", simulated=True)

    done = settle(table(MADE_UP, new), [KEPT], replace=True)

    assert [row.statistic for row in done.table.rows] == [new]
    (problem,) = done.table.problems
    assert problem.place == Place("", 2)
    assert "simulated" in english(problem.reason)


def test_another_source_replaces_nothing_unasked() -> None:
    done = settle(table(OTHER), [KEPT])

    assert (done.table.rows, done.replaced) == ((), ())
    reason = english(done.table.problems[0].reason)
    assert "production 700 → 710 t" in reason
    assert "吉林统计年鉴2023" in reason
    assert "--replace" in reason


def test_another_source_replaces_when_asked_and_is_listed() -> None:
    done = settle(table(OTHER), [KEPT], replace=True)

    assert [row.statistic for row in done.table.rows] == [OTHER]
    (replaced,) = done.replaced
    assert (replaced.crop, replaced.year) == ("maize", 2022)
    assert "production 700 → 710 t" in english(replaced.reason)


def test_another_file_of_the_same_source_is_another() -> None:
    new = replace(OTHER, source=KEPT.source)

    assert settle(table(new), [KEPT]).table.problems


def test_a_source_may_correct_itself() -> None:
    new = replace(KEPT, production_t=710.0)

    done = settle(table(new), [KEPT])

    assert [row.statistic for row in done.table.rows] == [new]
    assert done.replaced == ()
    assert done.table.complete


def test_real_numbers_replace_simulated_ones_and_are_listed() -> None:
    done = settle(table(KEPT), [MADE_UP])

    assert [row.statistic for row in done.table.rows] == [KEPT]
    assert len(done.replaced) == 1


def test_the_same_numbers_from_elsewhere_leave_the_first_source() -> None:
    done = settle(table(replace(OTHER, production_t=700.0)), [KEPT])

    assert [row.statistic for row in done.table.rows] == [KEPT]
    assert done.table.complete
