from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
import psycopg
import pytest
import shapely

from store import (
    CountyUnknown,
    DeviceExists,
    DeviceUnknown,
    RowRefused,
    RunConflict,
    RunInvalid,
    RunUnknown,
    Store,
    counties,
    devices,
    estimates,
    fields,
    runs,
    statistics,
    weather,
)
from store.counties import County
from store.devices import Device, StreamSpec
from store.estimates import Estimate
from store.fields import Field
from store.runs import Run, run_id_of
from store.statistics import CountyStatistic

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
SQUARE = shapely.box(124, 43, 125, 44)
LISHU = County(
    *("220322", "梨树县", "Lishu", "四平市", "Siping"),
    *(shapely.MultiPolygon([SQUARE]), 4_209.0),
)
DEVICE = Device("d1", "f1", "站", "Station", "w", 124, 43, "220322", True, NOON)
FIELD = Field(
    "f1", "220322", "一号地", "Field one", "maize", 2026, SQUARE, 12.5, simulated=True
)
STATISTIC = CountyStatistic("220322", "maize", 2020, 9.5, 1e5, "yearbook", False)


def test_counties_are_replaced_as_a_whole(store: Store) -> None:
    other = replace(LISHU, code="220104")
    with store.connection() as conn:
        counties.replace(conn, [LISHU, other])
        assert [county.code for county in counties.all_counties(conn)] == [
            "220104",
            "220322",
        ]
        counties.replace(conn, [LISHU])
        assert counties.all_counties(conn) == [LISHU]
        assert counties.get(conn, "220322") == LISHU


def test_bounding_box_is_west_south_east_north(store: Store) -> None:
    with store.connection() as conn:
        counties.replace(conn, [LISHU])
        box = conn.execute("SELECT west, south, east, north FROM county").fetchone()
    assert box == (124, 43, 125, 44)


def test_unknown_county(store: Store) -> None:
    with store.connection() as conn, pytest.raises(CountyUnknown, match="'220999'"):
        counties.get(conn, "220999")


def test_code_of_a_county_has_six_digits(store: Store) -> None:
    def attempt() -> None:
        with store.connection() as conn:
            counties.replace(conn, [replace(LISHU, code="2203")])

    with pytest.raises(RowRefused, match="county_code"):
        attempt()


def ingredients(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "yield",
        "inputs": {"a": "1220ff", "b": "1220ee"},
        "parameters": {"alpha": 1.0, "层": [1, None]},
        "code_version": "0.1.0",
        "model_version": None,
        **changes,
    }


def run_of(**changes: Any) -> Run:
    parts = ingredients(**changes)
    return Run(
        run_id=run_id_of(**parts),
        simulated=True,
        started_at=NOON,
        finished_at=NOON,
        **parts,
    )


def test_run_id_is_the_hash_of_canonical_json() -> None:
    # printf of the canonical text | sha256sum | cut -c1-16
    run_id = run_id_of(
        kind="k", inputs={}, parameters={}, code_version="1", model_version=None
    )
    assert run_id == "9a7ffa3c110e66e4"


def test_order_of_keys_does_not_change_the_id() -> None:
    turned = ingredients(inputs={"b": "1220ee", "a": "1220ff"})
    assert run_id_of(**turned) == run_id_of(**ingredients())


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "crop"},
        {"inputs": {"a": "1220ff", "b": "1220ef"}},
        {"parameters": {"alpha": 1, "层": [1, None]}},
        {"code_version": "0.1.1"},
        {"model_version": "m"},
    ],
)
def test_every_ingredient_changes_the_id(changes: dict[str, Any]) -> None:
    assert run_id_of(**ingredients(**changes)) != run_id_of(**ingredients())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), date(2026, 1, 1), {1}])
def test_ingredients_must_be_json(value: object) -> None:
    with pytest.raises(RunInvalid, match="no JSON value"):
        run_id_of(**ingredients(parameters={"x": value}))


def test_run_comes_back_as_saved(store: Store) -> None:
    run = run_of(parameters={"big": 1e22, "small": 5e-324, "z": [True, "黑土", {}]})
    with store.connection() as conn:
        assert not runs.exists(conn, run.run_id)
        runs.save(conn, run)
        assert runs.get(conn, run.run_id) == run
        assert runs.exists(conn, run.run_id)


def test_repeated_run_keeps_its_first_times(store: Store) -> None:
    run = run_of()
    with store.connection() as conn:
        runs.save(conn, run)
        runs.save(conn, replace(run, finished_at=NOON + timedelta(hours=1)))
        assert runs.get(conn, run.run_id) == run


def test_run_with_a_taken_id_is_refused(store: Store) -> None:
    with store.connection() as conn:
        runs.save(conn, run_of())
        with pytest.raises(RunConflict, match=run_of().run_id):
            runs.save(conn, replace(run_of(), kind="crop"))


def test_unknown_run(store: Store) -> None:
    with store.connection() as conn, pytest.raises(RunUnknown, match="'nope'"):
        runs.get(conn, "nope")


def estimate_of(**changes: Any) -> Estimate:
    parts: dict[str, Any] = {
        "county": "220322",
        "crop": "maize",
        "year": 2026,
        "value": 10.0,
        "lower": 9.0,
        "upper": 11.5,
        "interval": 0.8,
        "status": "forecast",
        "reason": None,
        "simulated": True,
        "run_id": run_of().run_id,
        "issued_at": NOON,
    }
    return Estimate(**{**parts, **changes})


MISSING: dict[str, Any] = {
    "value": None,
    "lower": None,
    "upper": None,
    "status": "missing",
    "reason": "no clear observation",
}


def add_runs(conn: psycopg.Connection, *kinds: str, **changes: Any) -> list[Estimate]:
    """Add one run a kind, an hour apart; each estimates maize in 220322."""
    found = []
    for hour, kind in enumerate(kinds):
        run = run_of(kind=kind)
        runs.save(conn, run)
        time = NOON + timedelta(hours=hour)
        found.append(estimate_of(run_id=run.run_id, issued_at=time, **changes))
        assert estimates.add(conn, found[-1:]) == 1
    return found


def count_issues(conn: psycopg.Connection) -> int:
    return len(conn.execute("SELECT FROM estimate_issue").fetchall())


def test_revised_estimate_does_not_erase_the_earlier(store: Store) -> None:
    with store.connection() as conn:
        first, second = add_runs(conn, "a", "b")
        assert estimates.find(conn, crop="maize", year=2026) == [second]
        assert estimates.of_run(conn, first.run_id) == [first]
        assert estimates.of_run(conn, second.run_id) == [second]


def test_last_issue_counts_whatever_the_clock_says(store: Store) -> None:
    with store.connection() as conn:
        add_runs(conn, "a")
        (early,) = add_runs(conn, "b")
        assert estimates.find(conn) == [early]


def test_run_issued_again_is_shown_again(store: Store) -> None:
    later = NOON + timedelta(days=1)
    with store.connection() as conn:
        first, second = add_runs(conn, "a", "b")
        estimates.issue(conn, first.run_id, issued_at=later)
        assert estimates.find(conn) == [replace(first, issued_at=later)]
        assert estimates.of_run(conn, second.run_id) == [second]
        estimates.issue(conn, second.run_id, issued_at=later)
        assert estimates.find(conn) == [replace(second, issued_at=later)]


def test_run_that_is_shown_is_not_issued_again(store: Store) -> None:
    with store.connection() as conn:
        _, second = add_runs(conn, "a", "b")
        estimates.issue(conn, second.run_id, issued_at=NOON + timedelta(days=1))
        assert estimates.find(conn) == [second]
        assert count_issues(conn) == 2


def test_run_shown_in_part_is_issued_again(store: Store) -> None:
    later = NOON + timedelta(days=1)
    with store.connection() as conn:
        (first,) = add_runs(conn, "a")
        rice = replace(first, crop="rice")
        estimates.add(conn, [rice])
        add_runs(conn, "b")
        estimates.issue(conn, first.run_id, issued_at=later)
        assert estimates.find(conn) == [
            replace(first, issued_at=later),
            replace(rice, issued_at=later),
        ]


def test_unknown_run_is_not_issued(store: Store) -> None:
    with store.connection() as conn, pytest.raises(RunUnknown, match="'nope'"):
        estimates.issue(conn, "nope", issued_at=NOON)


def test_simulated_estimate_never_hides_a_real_one(store: Store) -> None:
    with store.connection() as conn:
        (real,) = add_runs(conn, "real", simulated=False)
        (simulated,) = add_runs(conn, "demo")
        assert estimates.find(conn) == [real]
        estimates.issue(conn, simulated.run_id, issued_at=NOON + timedelta(days=1))
        assert estimates.find(conn) == [real]


def test_repeated_run_adds_no_estimate(store: Store) -> None:
    with store.connection() as conn:
        first, second = add_runs(conn, "a", "b")
        again = replace(first, issued_at=NOON + timedelta(days=1))
        assert estimates.add(conn, [again]) == 0
        assert estimates.find(conn) == [second]
        assert count_issues(conn) == 2


def test_run_is_issued_at_one_time(store: Store) -> None:
    other = estimate_of(crop="rice", issued_at=NOON + timedelta(hours=1))
    with store.connection() as conn, pytest.raises(RowRefused, match="at one time"):
        estimates.add(conn, [estimate_of(), other])


def test_estimates_are_found_by_county_crop_and_year(store: Store) -> None:
    all_of_them = [
        estimate_of(county="220104"),
        estimate_of(),
        estimate_of(crop="rice", **MISSING),
        estimate_of(crop="rice", year=2027),
    ]
    with store.connection() as conn:
        runs.save(conn, run_of())
        assert estimates.add(conn, all_of_them[::-1]) == 4
        assert estimates.add(conn, []) == 0
        assert estimates.find(conn) == all_of_them
        assert estimates.find(conn, crop="rice") == all_of_them[2:]
        assert estimates.find(conn, year=2027) == all_of_them[3:]
        assert estimates.find(conn, county="220104") == all_of_them[:1]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"status": "missing", "reason": "x"}, "missing_means_no_value"),
        ({**MISSING, "status": "final"}, "missing_means_no_value"),
        ({**MISSING, "reason": None}, "missing_has_a_reason"),
        ({"lower": 10.1}, "interval_holds_value"),
        ({"lower": None}, "interval_is_whole"),
        ({"value": float("nan")}, "finite"),
        ({"crop": "wheat"}, "crop_name"),
        ({"run_id": "nobody's"}, "estimate_run_id_fkey"),
        ({"interval": 80}, "interval_check"),
    ],
)
def test_estimate_that_breaks_a_rule(
    store: Store, changes: dict[str, Any], rule: str
) -> None:
    def attempt() -> None:
        with store.connection() as conn:
            runs.save(conn, run_of())
            estimates.add(conn, [estimate_of(**changes)])

    with pytest.raises(RowRefused, match=rule):
        attempt()


def test_statistic_is_replaced(store: Store) -> None:
    better = replace(STATISTIC, yield_t_ha=9.7)
    other = replace(STATISTIC, crop="rice")
    with store.connection() as conn:
        statistics.put(conn, [STATISTIC, other])
        statistics.put(conn, [better])
        assert statistics.find(conn) == [better, other]
        assert statistics.find(conn, crop="rice", county="220322") == [other]
        assert statistics.find(conn, county="220104") == []


def test_simulated_statistic_never_replaces_a_real_one(store: Store) -> None:
    def attempt() -> None:
        with store.connection() as conn:
            statistics.put(conn, [replace(STATISTIC, simulated=True)])

    with store.connection() as conn:
        statistics.put(conn, [STATISTIC])
    with pytest.raises(RowRefused, match="simulated data may not replace"):
        attempt()


def weather_of(days: list[str], **changes: Any) -> pd.DataFrame:
    columns = {
        "county": "220322",
        "day": pd.to_datetime(days),
        "tmin": [10.5 + n for n in range(len(days))],
        "tmax": 25.0,
        "precipitation": 0.0,
        "radiation": 20.0,
        "simulated": True,
    }
    return pd.DataFrame({**columns, **changes})


def test_weather_comes_back_as_put(store: Store) -> None:
    frame = weather_of(["2026-07-01", "2026-07-02", "2026-07-03"])
    frame.loc[1, "radiation"] = float("nan")
    with store.connection() as conn:
        weather.put(conn, frame.sample(frac=1, random_state=1))
        found = weather.find(conn, start=date(2026, 7, 1), end=date(2026, 7, 2))
    pd.testing.assert_frame_equal(
        found, frame.iloc[:2], check_dtype=False, check_column_type=False
    )
    assert found.dtypes["day"].kind == "M"


def test_weather_of_no_day(store: Store) -> None:
    with store.connection() as conn:
        found = weather.find(conn, start=date(2026, 7, 1), end=date(2026, 7, 2))
    assert list(found.columns) == weather.COLUMNS
    assert len(found) == 0


def test_weather_takes_dates_and_replaces(store: Store) -> None:
    frame = weather_of(["2026-07-01"], day=[date(2026, 7, 1)])
    with store.connection() as conn:
        weather.put(conn, frame)
        weather.put(conn, frame.assign(tmax=30))
        found = weather.find(conn, start=date(2026, 7, 1), end=date(2026, 7, 1))
    assert found["tmax"].tolist() == [30.0]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (weather_of(["2026-07-01"]).drop(columns="tmax"), "lacks the columns tmax"),
        (weather_of(["2026-07-01", "2026-07-01"]), "220322 on 2026-07-01.* twice"),
        (weather_of(["2026-07-01"], tmin=26.0), "tmin_below_tmax"),
        (weather_of(["2026-07-01"], precipitation=-1.0), "precipitation"),
    ],
)
def test_weather_that_breaks_a_rule(
    store: Store, frame: pd.DataFrame, message: str
) -> None:
    def attempt() -> None:
        with store.connection() as conn:
            weather.put(conn, frame)

    with pytest.raises(RowRefused, match=message):
        attempt()


def test_field_is_kept_for_each_year(store: Store) -> None:
    next_year = replace(FIELD, crop="soybean", year=2027)
    renamed = replace(FIELD, name_en="The first")
    with store.connection() as conn:
        fields.put(conn, [FIELD, next_year])
        fields.put(conn, [renamed])
        assert fields.find(conn) == [renamed, next_year]
        assert fields.find(conn, county="220322", year=2027) == [next_year]
        assert fields.find(conn, county="220104") == []


def test_device_and_its_streams(store: Store) -> None:
    specs = [StreamSpec("air_temperature", "Cel", "air"), StreamSpec("x", "%", "y")]
    with store.connection() as conn:
        streams = devices.add(conn, DEVICE, specs)
        assert [(s.device_id, s.quantity, s.unit, s.thing) for s in streams] == [
            ("d1", "air_temperature", "Cel", "air"),
            ("d1", "x", "%", "y"),
        ]
        assert devices.all_devices(conn) == [DEVICE]
        assert devices.get(conn, "d1") == DEVICE
        assert devices.streams(conn) == streams
        assert devices.streams(conn, "nobody") == []


def test_device_is_registered_once(store: Store) -> None:
    with store.connection() as conn:
        devices.add(conn, DEVICE, [])
        with pytest.raises(DeviceExists, match="'d1'"):
            devices.add(conn, replace(DEVICE, farm="f2"), [StreamSpec("a", "b", "c")])
        assert devices.all_devices(conn) == [DEVICE]
        assert devices.streams(conn) == []


def test_unknown_device(store: Store) -> None:
    with store.connection() as conn, pytest.raises(DeviceUnknown, match="'d9'"):
        devices.get(conn, "d9")


@pytest.mark.parametrize(
    "changes", [{"device_id": "a/b"}, {"farm": "+"}, {"lat": 91.0}, {"device_id": ""}]
)
def test_device_that_breaks_a_rule(store: Store, changes: dict[str, Any]) -> None:
    def attempt() -> None:
        with store.connection() as conn:
            devices.add(conn, replace(DEVICE, **changes), [])

    with pytest.raises(RowRefused, match="device_"):
        attempt()
