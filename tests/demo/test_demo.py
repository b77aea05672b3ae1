"""`heitu demo --exit` from an empty folder, and what it left behind."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.warp import transform_geom
from shapely.geometry import mapping

from ingest.archive import Archive
from store import Store, counties, estimates, open_store, runs
from store.counties import County
from tests.demo.conftest import Demo, heitu, run_demo

CROPS = ("maize", "rice", "soybean")


@pytest.fixture(scope="module")
def archive(demo: Demo) -> Archive:
    return Archive(demo.data / "archive", create=False)


@pytest.fixture
def store(demo: Demo) -> Iterator[Store]:
    with open_store(data=demo.data) as opened:
        yield opened


def test_result_has_the_promised_keys(demo: Demo) -> None:
    assert list(demo.result) == [
        "counties",
        "scenes",
        "pixels",
        "estimates",
        "county_error",
        "county_error_by_lead",
        "readings_sent",
        "readings_stored",
        "seconds",
        "simulated",
    ]


def test_every_county_is_estimated(demo: Demo) -> None:
    assert demo.result["counties"] == 60
    assert demo.result["estimates"] > 100


def test_every_reading_sent_is_stored(demo: Demo) -> None:
    assert demo.result["readings_sent"] > 10_000
    assert demo.result["readings_stored"] == demo.result["readings_sent"]


def test_estimates_are_near_the_truth(demo: Demo) -> None:
    assert 0 < demo.result["county_error"] <= 0.06


def test_error_falls_with_lead_time(demo: Demo) -> None:
    errors = demo.result["county_error_by_lead"]
    assert list(errors) == ["june", "july", "august", "harvest"]
    assert errors["harvest"] == demo.result["county_error"]
    # Never more by more than rounding, and less in the end.
    assert errors["july"] <= errors["june"] + 0.002
    assert errors["august"] <= errors["july"] + 0.002
    assert errors["harvest"] < errors["june"]


def test_every_lead_is_kept_with_its_day(store: Store) -> None:
    with store.connection() as conn:
        told = estimates.history(conn, counties=["220322"], crop="maize", year=2026)
        known = estimates.find(conn, year=2026, as_of=date(2026, 7, 31))
    days = ["2026-06-30", "2026-07-31", "2026-08-31", "2026-10-31"]
    # Another run of the demo in this folder may have issued the last one again.
    assert list(dict.fromkeys(str(one.estimate.as_of) for one in told)) == days
    assert {str(row.as_of) for row in known} == {"2026-07-31"}


def test_province_has_totals_with_intervals(store: Store) -> None:
    with store.connection() as conn:
        (total,) = estimates.find(
            conn, year=2026, crop="maize", county="220000", measure="production"
        )
    assert total.lower is not None
    assert total.value is not None
    assert 20e6 < total.lower < total.value < 50e6


def test_everything_is_marked_simulated(demo: Demo, archive: Archive) -> None:
    assert demo.result["simulated"] is True
    items = [item for name in archive.collections() for item in archive.items(name)]
    assert all(item.properties["heitu:simulated"] is True for item in items)


@pytest.mark.parametrize(
    ("collection", "resolution"), [("sim-s2-10m", 10), ("sim-s2-250m", 250)]
)
def test_scenes_of_this_year_have_all_bands(
    archive: Archive, collection: str, resolution: int
) -> None:
    items = archive.items(collection)
    assert len(items) >= 18
    bands = {"B02", "B03", "B04", "B05", "B08", "B11", "B12", "SCL"}
    assert all(set(item.assets) == bands for item in items)
    with rasterio.open(items[0].assets["B04"].href) as source:
        assert source.res == (resolution, resolution)
        assert min(source.shape) >= 1500


def test_archive_verifies(demo: Demo) -> None:
    ran = heitu("archive", "verify", "--data", str(demo.data))
    assert (ran.returncode, ran.stdout.strip()) == (
        0,
        "every file is whole, every scene serves a season · 文件完好，影像可用",
    )


def test_every_estimate_names_a_run_that_says_what_it_read(store: Store) -> None:
    with store.connection() as conn:
        found = estimates.find(conn, year=2026, measure="yield", level="county")
        run = runs.get(conn, found[0].run_id)
    assert {row.run_id for row in found} == {run.run_id}
    assert run.simulated
    assert {"statistics", "weather", "season/2016", "season/2026"} <= set(run.inputs)


@pytest.mark.parametrize("crop", CROPS)
def test_map_pixels_add_up_to_the_county_estimates(
    store: Store, archive: Archive, crop: str
) -> None:
    with store.connection() as conn:
        rows = estimates.find(
            conn, crop=crop, year=2026, measure="yield", level="county"
        )
        places = counties.all_counties(conn)
    values = {row.county: row.value for row in rows if row.value is not None}
    tonnes, zones = _map_and_zones(archive, crop, places)
    share = _share(archive, crop)
    checked = 0
    for number, place in enumerate(places, start=1):
        inside = (zones == number) & ~tonnes.mask
        if inside.sum() >= 1000 and place.code in values:
            mean = np.average(tonnes.data[inside], weights=share[inside])
            assert mean == pytest.approx(values[place.code], rel=1e-6), place.name_en
            checked += 1
    assert checked >= 5


def test_second_run_makes_nothing_again(demo: Demo, archive: Archive) -> None:
    before = _written(archive.root)
    again = run_demo(demo.data)
    assert _written(archive.root) == before
    same = ("counties", "scenes", "pixels", "estimates", "county_error_by_lead")
    assert [again[key] for key in same] == [demo.result[key] for key in same]
    assert again["readings_stored"] == again["readings_sent"]


def _written(root: Path) -> dict[str, int]:
    return {str(p): p.stat().st_mtime_ns for p in root.rglob("*.tif")}


def _map_and_zones(
    archive: Archive, crop: str, places: list[County]
) -> tuple[np.ma.MaskedArray, NDArray[np.int32]]:
    """Return t/ha and, by pixel centre, the number of the county from 1."""
    item = archive.item("products", f"yield-{crop}-2026-250m")
    with rasterio.open(item.assets["data"].href) as source:
        shapes = [
            (transform_geom("EPSG:4326", source.crs, mapping(place.geometry)), number)
            for number, place in enumerate(places, start=1)
        ]
        zones = rasterize(
            shapes, source.shape, transform=source.transform, dtype="int32"
        )
        return source.read(1, masked=True) * 0.001, zones


def _share(archive: Archive, crop: str) -> NDArray[np.float64]:
    item = archive.item("products", "crop-map-250m")
    with rasterio.open(item.assets["data"].href) as source:
        percent: NDArray[np.uint8] = source.read(CROPS.index(crop) + 1)
        return percent.astype(np.float64)
