from datetime import date
from typing import Any

import pandas as pd
import pytest

from store import RowRefused, Store, field_weather, weather

MAY: dict[str, Any] = {"start": date(2026, 5, 1), "end": date(2026, 5, 31)}
REAL: dict[str, Any] = {
    "county": "220322",
    "day": [date(2026, 5, 1)],
    "tmin": 4.5,
    "tmax": 17.0,
    "precipitation": 1.25,
    "radiation": 19.5,
    "wind": 2.1,
    "humidity": 55.0,
    "source": "AgERA5",
    "simulated": False,
}
NAN = float("nan")


def rows(**changes: Any) -> pd.DataFrame:
    return pd.DataFrame({**REAL, **changes})


def stored(store: Store) -> dict[str, Any]:
    with store.connection() as conn:
        (row,) = weather.find(conn, **MAY, columns=weather.ALL_COLUMNS).to_dict(
            "records"
        )
    return {str(name): value for name, value in row.items()}


def put(store: Store, frame: pd.DataFrame) -> int:
    with store.connection() as conn:
        return weather.put(conn, frame)


def test_all_columns_come_back(store: Store) -> None:
    put(store, rows())
    assert stored(store) == {**REAL, "day": pd.Timestamp("2026-05-01")}


def test_rows_stored_before_change_nothing(store: Store) -> None:
    frame = rows(day=[date(2026, 5, 1), date(2026, 5, 2)], wind=[2.1, NAN])
    assert put(store, frame) == 2
    assert put(store, frame) == 0
    assert put(store, frame.assign(tmax=[17.0, 18.0])) == 1


def test_a_later_file_of_the_source_completes_a_row(store: Store) -> None:
    put(store, rows(precipitation=NAN))
    assert put(store, rows(tmin=NAN, tmax=NAN, precipitation=3.0)) == 1
    assert (stored(store)["tmin"], stored(store)["precipitation"]) == (4.5, 3.0)
    assert put(store, rows(tmin=NAN, precipitation=3.0)) == 0


def test_another_source_is_not_mixed_in(store: Store) -> None:
    put(store, rows(humidity=NAN, wind=NAN))
    assert put(store, rows(source="NASA POWER (LST)", wind=NAN)) == 1
    assert stored(store)["source"] == "NASA POWER (LST)"
    assert (stored(store)["humidity"], pd.isna(stored(store)["wind"])) == (55.0, True)


def test_another_source_does_not_erase_numbers_unless_told_to(store: Store) -> None:
    put(store, rows(humidity=NAN))
    # As many numbers, but not the wind.
    other = rows(source="ERA5-Land", tmax=18.0, wind=NAN)
    assert put(store, other) == 0
    assert (stored(store)["source"], stored(store)["tmax"]) == ("AgERA5", 17.0)
    with store.connection() as conn:
        assert weather.put(conn, other, replace=True) == 1
    assert (stored(store)["source"], stored(store)["tmax"]) == ("ERA5-Land", 18.0)
    assert pd.isna(stored(store)["wind"])


def test_simulated_with_fewer_numbers_is_refused_as_any(store: Store) -> None:
    put(store, rows())
    with pytest.raises(RowRefused, match="simulated data may not replace"):
        put(store, rows(simulated=True, source="made up", wind=NAN))


def test_real_numbers_replace_simulated_ones_that_are_more(store: Store) -> None:
    put(store, rows(simulated=True, source="made up"))
    assert put(store, rows(wind=NAN)) == 1
    assert stored(store)["simulated"] is False


def test_simulated_numbers_do_not_complete_real_ones(store: Store) -> None:
    put(store, rows(simulated=True))
    put(store, rows(wind=NAN))
    assert pd.isna(stored(store)["wind"])


def test_unsaid_source_erases_what_is_not_measured(store: Store) -> None:
    frame = rows().drop(columns=["source", "wind", "humidity"])
    put(store, frame)
    assert put(store, frame.assign(tmin=NAN)) == 1
    assert pd.isna(stored(store)["tmin"])


def test_counties_can_be_chosen(store: Store) -> None:
    put(store, pd.concat([rows(), rows(county="220184")]))
    with store.connection() as conn:
        found = weather.find(conn, **MAY, counties=["220184"])
    assert found["county"].tolist() == ["220184"]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"wind": -0.1}, "wind"),
        ({"humidity": 100.5}, "humidity"),
        ({"source": ""}, "source"),
        ({"tmin": 20.0}, "tmin_below_tmax"),
    ],
)
def test_impossible_rows_are_refused(
    store: Store, changes: dict[str, Any], rule: str
) -> None:
    with pytest.raises(RowRefused, match=rule):
        put(store, rows(**changes))


def test_simulated_never_replaces_real(store: Store) -> None:
    put(store, rows())
    with pytest.raises(RowRefused, match="simulated data may not replace"):
        put(store, rows(simulated=True))
    assert stored(store)["simulated"] is False


def field_rows(**changes: Any) -> pd.DataFrame:
    return rows(**{"field_id": "field-1", **changes}).drop(columns="county")


def test_field_weather_comes_back(store: Store) -> None:
    frame = pd.concat([field_rows(), field_rows(field_id="field-2")])
    with store.connection() as conn:
        assert field_weather.put(conn, frame) == 2
        assert field_weather.put(conn, frame) == 0
        found = field_weather.find(conn, **MAY, fields=["field-2"])
    assert list(found.columns) == field_weather.COLUMNS
    assert found["field_id"].tolist() == ["field-2"]
    assert found["humidity"].tolist() == [55.0]


def test_simulated_field_weather_never_replaces_real(store: Store) -> None:
    def attempt() -> None:
        with store.connection() as conn:
            field_weather.put(conn, field_rows(simulated=True))

    with store.connection() as conn:
        field_weather.put(conn, field_rows())
    with pytest.raises(RowRefused, match="simulated data may not replace"):
        attempt()


def test_field_and_county_rows_go_in_one_transaction(store: Store) -> None:
    with store.connection() as conn, conn.transaction():
        assert weather.put(conn, rows()) == 1
        assert field_weather.put(conn, field_rows()) == 1


def test_a_field_twice_is_refused(store: Store) -> None:
    def attempt() -> None:
        with store.connection() as conn:
            field_weather.put(conn, pd.concat([field_rows(), field_rows()]))

    with pytest.raises(RowRefused, match="field_id field-1 on 2026-05-01 twice"):
        attempt()
