from dataclasses import replace

import psycopg
import pytest

from store import RowRefused, Store, statistics
from store.migrate import migrate, migrations
from store.statistics import CountyStatistic

WHOLE = CountyStatistic(
    county="220184",
    crop="maize",
    year=2022,
    yield_t_ha=9.0735,
    area_ha=292_066.666667,
    source="吉林统计年鉴",
    simulated=False,
    production_t=2_650_000.0,
    derived="yield",
    file="2022.xlsx",
    written="公主岭 220381",
)


def test_production_and_origin_are_kept(store: Store) -> None:
    bare = replace(
        WHOLE, crop="rice", production_t=None, derived=None, file=None, written=None
    )
    with store.connection() as conn:
        statistics.put(conn, [WHOLE, bare])
        assert statistics.find(conn) == [WHOLE, bare]


def test_statistics_of_one_year(store: Store) -> None:
    other = replace(WHOLE, year=2021)
    with store.connection() as conn:
        statistics.put(conn, [WHOLE, other])
        assert statistics.find(conn, year=2021) == [other]
        assert statistics.find(conn, year=2020) == []


def test_what_is_there_already_does_not_count_as_changed(store: Store) -> None:
    other = replace(WHOLE, year=2021)
    with store.connection() as conn:
        assert statistics.put(conn, [WHOLE, other]) == 2
        assert statistics.put(conn, [WHOLE, other]) == 0
        assert statistics.put(conn, [WHOLE, replace(other, file="new.csv")]) == 1
        assert statistics.put(conn, []) == 0


def test_the_same_again_writes_nothing(store: Store) -> None:
    with store.connection() as conn:
        statistics.put(conn, [WHOLE])
        before = conn.execute("SELECT ctid, xmin FROM county_statistic").fetchall()
    with store.connection() as conn:
        statistics.put(conn, [WHOLE])
        assert conn.execute("SELECT ctid, xmin FROM county_statistic").fetchall() == (
            before
        )


def test_simulated_numbers_never_replace_real_ones(store: Store) -> None:
    def attempt() -> None:
        with store.connection() as conn:
            statistics.put(conn, [replace(WHOLE, simulated=True)])

    with store.connection() as conn:
        statistics.put(conn, [WHOLE])
    with pytest.raises(RowRefused, match="simulated data may not replace"):
        attempt()


@pytest.mark.parametrize(
    "changes", [{"production_t": -1.0}, {"derived": "price"}, {"production_t": 1e999}]
)
def test_statistic_that_breaks_a_rule(
    store: Store, changes: dict[str, float | str]
) -> None:
    def attempt() -> None:
        with store.connection() as conn:
            statistics.put(conn, [replace(WHOLE, **changes)])  # type: ignore[arg-type]

    with pytest.raises(RowRefused):
        attempt()


def test_statistics_of_before_stay_as_they_were(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as conn:
        migrate(conn, [each for each in migrations() if each.number < 5])
        conn.execute(
            "INSERT INTO county_statistic VALUES"
            " ('220184', 'maize', 2020, 9.5, 1000, 'yearbook', false)"
        )
        migrate(conn)
        assert statistics.find(conn) == [
            CountyStatistic("220184", "maize", 2020, 9.5, 1000, "yearbook", False)
        ]
