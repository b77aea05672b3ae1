from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import pytest
import shapely

from ingest.ground.fields import take_fields
from ingest.ground.places import area_ha
from ingest.ground.vector import Layer, read_layer
from tests.ingest.ground.builders import SQUARE, places, write_geojson
from tests.ingest.wording import english


def fields(tmp_path: Path, *rows: tuple[shapely.Geometry, dict[str, Any]]) -> Layer:
    features = [
        (shape, {"id": f"F{n}", "crop": "玉米", **values})
        for n, (shape, values) in enumerate(rows, 1)
    ]
    return read_layer(write_geojson(tmp_path / "a.geojson", *features))


def moved(east: float) -> shapely.Geometry:
    return shapely.affinity.translate(SQUARE, east)


@pytest.mark.parametrize("shape", [SQUARE, shapely.reverse(SQUARE)])
def test_area_is_that_of_an_equal_area_plane(shape: shapely.Geometry) -> None:
    plane = geopandas.GeoSeries([shape], crs=4326).to_crs("EPSG:6933")
    assert area_ha(shape) == pytest.approx(plane.area[0] / 1e4, rel=1e-5)


def test_hole_is_no_area() -> None:
    hole = shapely.box(124.502, 43.502, 124.504, 43.504)
    for ring in (hole.exterior, hole.exterior.reverse()):
        ringed = shapely.Polygon(SQUARE.exterior, [ring])
        assert area_ha(ringed) == pytest.approx(area_ha(SQUARE) - area_ha(hole))


def test_field_of_a_file(tmp_path: Path) -> None:
    layer = fields(tmp_path, (SQUARE, {"name": "一号地", "name_en": "One"}))
    (field,) = take_fields(layer, places(), year=2026).records
    assert (field.field_id, field.county, field.year) == ("F1", "220322", 2026)
    assert (field.name_zh, field.name_en, field.crop) == ("一号地", "One", "maize")
    assert field.geometry.equals(SQUARE)
    assert not field.simulated


def test_county_is_that_of_the_larger_part(tmp_path: Path) -> None:
    layer = fields(tmp_path, (moved(0.493), {}), (moved(0.497), {"id": "F2"}))
    found = take_fields(layer, places(), year=2025)
    # 70 % of the first lies west of 125 E; they overlap, so each is asked alone.
    assert {one.kind for one in found.problems} == {"overlap"}
    for east, code in ((0.493, "220322"), (0.497, "220183")):
        alone = fields(tmp_path, (moved(east), {}))
        (field,) = take_fields(alone, places(), year=2025).records
        assert field.county == code


def test_parts_are_fields_of_their_own(tmp_path: Path) -> None:
    small = shapely.box(124.6, 43.5, 124.605, 43.505)
    layer = fields(tmp_path, (shapely.MultiPolygon([small, SQUARE]), {}))
    intake = take_fields(layer, places(), year=2025)
    assert [field.field_id for field in intake.records] == ["F1-1", "F1-2"]
    assert intake.records[0].geometry.equals(SQUARE)
    assert intake.stored_rows == [1]
    assert [str(said) for said in intake.remarks] == ["2 parts · 分为 2 块"]


@pytest.mark.parametrize(
    ("shape", "values", "kind"),
    [
        (moved(-2), {}, "outside"),
        (moved(-0.505), {}, "border"),
        (SQUARE, {"crop": "其他"}, "crop"),
        (SQUARE, {"crop": None}, "crop"),
        (SQUARE, {"id": None}, "id"),
        (SQUARE, {"year": 1}, "year"),
        (shapely.LineString(SQUARE.exterior), {}, "geometry"),
    ],
)
def test_field_that_cannot_be_taken(
    tmp_path: Path, shape: shapely.Geometry, values: dict[str, Any], kind: str
) -> None:
    year = None if "year" in values else 2025
    intake = take_fields(fields(tmp_path, (shape, values)), places(), year=year)
    (listed,) = intake.problems
    assert (listed.row, listed.kind) == (1, kind)
    assert english(str(listed))


@pytest.mark.parametrize(
    ("east", "kinds"),
    [
        (0.005, ["overlap", "overlap"]),
        # A hundredth of a field may be a border digitised twice.
        (0.00995, []),
        (0.01, []),
    ],
)
def test_overlap_of_one_year(tmp_path: Path, east: float, kinds: list[str]) -> None:
    layer = fields(tmp_path, (SQUARE, {}), (moved(east), {}))
    assert [
        one.kind for one in take_fields(layer, places(), year=2025).problems
    ] == kinds


def test_two_years_do_not_overlap(tmp_path: Path) -> None:
    layer = fields(tmp_path, (SQUARE, {"year": 2024}), (SQUARE, {"year": 2025}))
    assert len(take_fields(layer, places()).stored) == 2


def test_overlap_with_a_stored_field(tmp_path: Path) -> None:
    (before,) = take_fields(fields(tmp_path, (SQUARE, {})), places(), year=2025).records
    other = replace(before, field_id="G1")
    layer = fields(tmp_path, (moved(0.002), {}))
    (listed,) = take_fields(layer, places(), year=2025, known=[other]).problems
    assert listed.english == "overlaps G1 (stored) of the same year"
    made_up = replace(other, simulated=True)
    assert len(take_fields(layer, places(), year=2025, known=[made_up]).stored) == 1
    # The same file again is no overlap with itself.
    again = fields(tmp_path, (SQUARE, {}))
    intake = take_fields(again, places(), year=2025, known=[before])
    assert [one.kind for one in intake.duplicates] == ["stored"]


def test_field_without_id_is_named_after_its_outline(tmp_path: Path) -> None:
    path = write_geojson(
        tmp_path / "a.geojson", (SQUARE, {}), (moved(0.1), {}), (SQUARE, {})
    )
    intake = take_fields(read_layer(path), places(), year=2025, crop="rice")
    names = {field.field_id for field in intake.records}
    assert len(names) == 2
    assert all(name.startswith("field-") for name in names)
    assert [(one.row, one.kind) for one in intake.duplicates] == [(3, "repeated")]
    assert "no column of ids" in intake.notes[1]
