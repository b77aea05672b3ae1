from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import shapely

from store import RowRefused, Store, fields, ground
from store.fields import Field
from store.ground import CropCut, CropPoint, Dataset, MonitorPoint, Segment

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
SQUARE = shapely.box(124, 43, 124.0125, 43.009)
DATASET = Dataset(
    dataset_id="points-1",
    kind="points",
    source="points.csv",
    layer="",
    checksum="1220ff",
    parameters={"year": 2024, "columns": ["lon=经度"]},
    licence="CC BY-SA 4.0",
    attribution="CropHarvest",
    converted_from="GCJ-02",
    simulated=False,
    imported_at=NOON,
)
POINT = CropPoint(
    row=3,
    lon=124.5,
    lat=43.5,
    year=2024,
    is_crop=True,
    crop="maize",
    county="220322",
    simulated=False,
)
SEGMENT = Segment(
    row=1,
    segment_id="S1",
    stratum="A",
    year=2024,
    geometry=SQUARE,
    area_ha=101.0,
    maize_ha=60.5,
    rice_ha=None,
    soybean_ha=0.0,
    other_ha=None,
    county="220322",
    simulated=False,
)
CUT = CropCut(
    row=1,
    cut_id="T1",
    lon=124.5,
    lat=43.5,
    year=2024,
    crop="rice",
    plot_m2=10.0,
    grain_kg=12.4,
    moisture=25.3,
    basis=14.0,
    yield_t_ha=10.77,
    county=None,
    simulated=False,
)
MONITOR = MonitorPoint(
    row=1,
    lon=-93.97842,
    lat=43.927265,
    year=2011,
    crop="maize",
    time_s=0.0,
    interval_s=3.0,
    distance_m=2.9464,
    swath_m=9.144,
    speed_m_s=0.98,
    flow_kg_s=7.5,
    moisture=18.5,
    elevation_m=None,
    basis=14.0,
    yield_t_ha=7.9,
    flag=2,
    reason=None,
    county=None,
    simulated=False,
)
TABLES: list[tuple[Any, Any]] = [
    (ground.POINTS, POINT),
    (ground.SEGMENTS, SEGMENT),
    (ground.CUTS, CUT),
    (ground.MONITOR, MONITOR),
]


def test_dataset_keeps_its_licence_and_stays_as_it_was(store: Store) -> None:
    with store.connection() as conn:
        ground.put_dataset(conn, DATASET)
        ground.put_dataset(conn, replace(DATASET, licence="none", imported_at=NOON))
        assert ground.datasets(conn) == [DATASET]
        assert ground.datasets(conn, kind="points") == [DATASET]
        assert ground.datasets(conn, kind="cuts") == []


@pytest.mark.parametrize(("table", "row"), TABLES)
def test_row_comes_back_as_put(store: Store, table: Any, row: Any) -> None:
    later = replace(row, row=9, year=row.year + 1)
    with store.connection() as conn:
        ground.put_dataset(conn, DATASET)
        ground.put(conn, table, [later, row], dataset_id="points-1")
        assert ground.find(conn, table) == [row, later]
        assert ground.find(conn, table, year=row.year) == [row]
        assert ground.find(conn, table, dataset_id="points-1") == [row, later]
        assert ground.find(conn, table, dataset_id="other") == []
        assert ground.size(conn, "points-1") == 2
        assert ground.size(conn, "other") == 0


@pytest.mark.parametrize(("table", "row"), TABLES)
@pytest.mark.parametrize(
    ("east", "north", "found"),
    [(0.0, 0.0, True), (1.0, 0.0, False), (-1.0, 0.0, False), (0.0, 1.0, False)],
)
def test_rows_are_found_by_place(
    store: Store, table: Any, row: Any, east: float, north: float, found: bool
) -> None:
    x, y = (124, 43) if table is ground.SEGMENTS else (row.lon, row.lat)
    box = (x + east - 0.01, y + north - 0.01, x + east + 0.01, y + north + 0.01)
    with store.connection() as conn:
        ground.put_dataset(conn, DATASET)
        ground.put(conn, table, [row], dataset_id="points-1")
        assert ground.find(conn, table, bounds=box) == ([row] if found else [])


@pytest.mark.parametrize(("table", "row"), TABLES)
def test_simulated_never_replaces_real(store: Store, table: Any, row: Any) -> None:
    simulated = replace(row, simulated=True)

    def put(*rows: Any) -> None:
        with store.connection() as conn:
            ground.put_dataset(conn, DATASET)
            for one in rows:
                ground.put(conn, table, [one], dataset_id="points-1")

    put(simulated, row)
    with store.connection() as conn:
        assert ground.find(conn, table) == [row]
    with pytest.raises(RowRefused, match="simulated data may not replace"):
        put(simulated)


@pytest.mark.parametrize(("table", "row"), TABLES)
def test_removed_dataset_takes_its_rows_along(
    store: Store, table: Any, row: Any
) -> None:
    with store.connection() as conn:
        ground.put_dataset(conn, DATASET)
        ground.put(conn, table, [row], dataset_id="points-1")
        ground.remove(conn, "points-1")
        ground.remove(conn, "points-1")
        assert ground.find(conn, table) == []
        assert ground.datasets(conn) == []


@pytest.mark.parametrize(
    ("table", "row", "rule"),
    [
        (ground.POINTS, replace(POINT, is_crop=False), "crop_of_crops"),
        (ground.POINTS, replace(POINT, crop="wheat"), "ground_crop"),
        (ground.POINTS, replace(POINT, lat=91.0), "latitude"),
        (ground.SEGMENTS, replace(SEGMENT, maize_ha=-1.0), "maize_ha"),
        (ground.SEGMENTS, replace(SEGMENT, segment_id=""), "segment_id"),
        (ground.CUTS, replace(CUT, plot_m2=0.0), "plot_m2"),
        (ground.CUTS, replace(CUT, yield_t_ha=float("nan")), "finite"),
        (ground.MONITOR, replace(MONITOR, flag=4), "failed_has_no_yield"),
        (ground.MONITOR, replace(MONITOR, flag=4, yield_t_ha=None), "has_a_reason"),
    ],
)
def test_row_that_breaks_a_rule(store: Store, table: Any, row: Any, rule: str) -> None:
    def attempt() -> None:
        with store.connection() as conn:
            ground.put_dataset(conn, DATASET)
            ground.put(conn, table, [row], dataset_id="points-1")

    with pytest.raises(RowRefused, match=rule):
        attempt()


def test_row_of_no_dataset(store: Store) -> None:
    def attempt() -> None:
        with store.connection() as conn:
            ground.put(conn, ground.POINTS, [POINT], dataset_id="nobody's")

    with pytest.raises(RowRefused, match="dataset_id_fkey"):
        attempt()


def test_fields_of_a_dataset_go_with_it(store: Store) -> None:
    names = ("f1", "220322", "一号地", "Field one", "maize", 2026)
    own = Field(*names, SQUARE, 12.5, simulated=True)
    imported = replace(own, field_id="f2", simulated=False)
    with store.connection() as conn:
        ground.put_dataset(conn, DATASET)
        fields.put(conn, [own])
        fields.put(conn, [imported], dataset_id="points-1")
        assert fields.find(conn, dataset_id="points-1") == [imported]
        ground.remove(conn, "points-1")
        assert fields.find(conn) == [own]


def test_one_import_at_a_time(store: Store) -> None:
    with store.connection() as conn, store.connection() as other:
        ground.lock(conn)
        asked = other.execute(
            "SELECT pg_try_advisory_xact_lock(%s)", [ground.ADVISORY_LOCK]
        ).fetchone()
        assert asked == (False,)
