from pathlib import Path
from typing import Any

import pytest
import shapely

from ingest.ground.segments import SegmentIntake, sides_m, take_segments
from ingest.ground.vector import read_layer
from tests.ingest.ground.builders import places, rectangle, write_geojson
from tests.ingest.wording import english


def segment(shape: shapely.Geometry, **values: Any) -> tuple[shapely.Geometry, Any]:
    return shape, {"segment_id": "S1", "stratum": "A", "year": 2024, **values}


ELL = shapely.union(rectangle(1000, 300), rectangle(300, 1000))


@pytest.mark.parametrize("turned", [0, 30, 45])
def test_sides_are_true_lengths(turned: float) -> None:
    assert sides_m(rectangle(1000, 1200, turned=turned)) == pytest.approx(
        (1000, 1200), abs=0.01
    )


def test_segment_with_its_crops(tmp_path: Path) -> None:
    path = write_geojson(
        tmp_path / "a.geojson",
        segment(rectangle(1000, 1000), maize_ha=60.5, **{"水稻面积(亩)": 300}),
    )
    (found,) = take_segments(read_layer(path), places()).segments.records
    assert found.area_ha == pytest.approx(100, abs=1e-3)
    assert (found.maize_ha, found.rice_ha, found.soybean_ha) == (60.5, 20, None)
    assert (found.segment_id, found.stratum, found.county) == ("S1", "A", "220322")


@pytest.mark.parametrize(
    ("shape", "fits"),
    [
        (rectangle(1000, 1000, turned=37), True),
        # A kilometre of UTM's central meridian is 1,000.4 m of ground, one drawn
        # where the scale is above 1 is less.
        (rectangle(999.6, 999.6), True),
        (rectangle(990, 1200), False),
        (rectangle(998, 1000), False),
        (rectangle(500, 4000), False),
        # 1 km wide both ways, yet half of a square kilometre.
        (ELL, False),
    ],
)
def test_segment_is_at_least_a_square_kilometre(
    tmp_path: Path, shape: shapely.Geometry, fits: bool
) -> None:
    path = write_geojson(tmp_path / "a.geojson", segment(shape, maize_ha=1))
    intake = take_segments(read_layer(path), places()).segments
    assert len(intake.stored) == fits
    assert [one.kind for one in intake.problems] == ([] if fits else ["small"])


def test_small_segment_is_listed_with_its_measure(tmp_path: Path) -> None:
    path = write_geojson(
        tmp_path / "a.geojson", segment(rectangle(900, 1200), maize_ha=1)
    )
    (listed,) = take_segments(read_layer(path), places()).segments.problems
    assert english(str(listed)) == "900 x 1200 m, 1.0800 km2: at least 1 x 1 km"


@pytest.mark.parametrize(
    ("shape", "values", "kind"),
    [
        (rectangle(1000, 1000), {"maize_ha": 80, "rice_ha": 22}, "shares"),
        (rectangle(1000, 1000), {"maize_ha": -1}, "area"),
        (rectangle(1000, 1000), {"maize_ha": "many"}, "maize"),
        (rectangle(1000, 1000), {"maize_ha": 1, "segment_id": ""}, "id"),
        (rectangle(1000, 1000, lon=120), {"maize_ha": 1}, "outside"),
        (rectangle(1000, 1000, lon=123.99), {"maize_ha": 1}, "outside"),
        (shapely.Point(124.5, 43.5), {"maize_ha": 1}, "geometry"),
    ],
)
def test_segment_that_cannot_be_taken(
    tmp_path: Path, shape: shapely.Geometry, values: dict[str, Any], kind: str
) -> None:
    path = write_geojson(tmp_path / "a.geojson", segment(shape, **values))
    (listed,) = take_segments(read_layer(path), places()).segments.problems
    assert (listed.row, listed.kind) == (1, kind)
    assert english(str(listed))


def test_crops_as_parcels_inside(tmp_path: Path) -> None:
    outline = write_geojson(
        tmp_path / "a.geojson",
        segment(rectangle(1000, 1000)),
        segment(rectangle(1000, 1000, lon=124.6), segment_id="S2"),
    )
    parcels = write_geojson(
        tmp_path / "b.geojson",
        (rectangle(500, 400), {"segment_id": "S1", "crop": "玉米"}),
        (rectangle(100, 100, lon=124.508), {"segment_id": "S1", "crop": "rice"}),
        # 800 of 1,000 m lie inside.
        (rectangle(1000, 400, lon=124.6025), {"segment_id": "S2", "crop": "rice"}),
        (rectangle(100, 100), {"segment_id": "S9", "crop": "rice"}),
    )
    found = take_segments(read_layer(outline), places(), parcels=read_layer(parcels))
    (whole,) = found.segments.records
    assert whole.maize_ha == pytest.approx(20, abs=1e-3)
    assert whole.rice_ha == pytest.approx(1, abs=1e-3)
    assert whole.soybean_ha == 0
    assert [(one.row, one.kind) for one in found.segments.problems] == [(2, "parcel")]
    assert found.parcels is not None
    assert found.parcels.stored_rows == [1, 2]
    assert [(one.row, one.kind) for one in found.parcels.problems] == [
        *((3, "parcel"), (4, "segment")),
    ]


def _seasons(folder: Path, *parcels: tuple[shapely.Geometry, Any]) -> SegmentIntake:
    shape = rectangle(1000, 1000)
    outline = write_geojson(
        folder / "a.geojson", segment(shape, year=2023), segment(shape, year=2024)
    )
    inner = write_geojson(folder / "b.geojson", *parcels)
    return take_segments(read_layer(outline), places(), parcels=read_layer(inner))


def parcel(shape: shapely.Geometry, **values: Any) -> tuple[shapely.Geometry, Any]:
    return shape, {"segment_id": "S1", "crop": "maize", **values}


def test_parcel_counts_in_its_own_year(tmp_path: Path) -> None:
    found = _seasons(
        tmp_path,
        parcel(rectangle(500, 400), year=2023),
        parcel(rectangle(500, 400), year=2024, crop="soybean"),
    )
    areas = {s.year: (s.maize_ha, s.soybean_ha) for s in found.segments.records}
    twenty = pytest.approx(20, abs=1e-3)
    assert areas == {2023: (twenty, 0), 2024: (0, twenty)}


def test_parcel_of_no_year_in_a_segment_of_two(tmp_path: Path) -> None:
    found = _seasons(tmp_path, parcel(rectangle(500, 400)))
    assert found.parcels is not None
    assert [(one.row, one.kind) for one in found.parcels.problems] == [(1, "year")]
    assert [one.kind for one in found.segments.problems] == ["parcel", "parcel"]


@pytest.mark.parametrize("shape", [rectangle(500, 400), rectangle(480, 420)])
def test_parcels_of_a_year_do_not_overlap(
    tmp_path: Path, shape: shapely.Geometry
) -> None:
    found = _seasons(
        tmp_path,
        parcel(rectangle(500, 400), year=2023),
        parcel(shape, year=2023, crop="soybean"),
        parcel(rectangle(100, 100), year=2024),
    )
    assert found.parcels is not None
    problems = found.parcels.problems
    assert [(one.row, one.kind) for one in problems] == [(1, "overlap"), (2, "overlap")]
    assert english(str(problems[0])) == "overlaps row 2 of the same segment and year"
    assert [s.year for s in found.segments.records] == [2024]
