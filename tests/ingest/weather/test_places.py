from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Point, box

from ingest.ground.errors import FileUnreadable
from ingest.weather.errors import PlacesUnusable
from ingest.weather.holdings import Layer
from ingest.weather.netcdf import Grid
from ingest.weather.places import GridMeans, Places, fields_of
from tests.ingest.wording import english

# Two rows of three cells of a degree; the equator runs between the rows, so that all
# cells have the same ground area.
GRID = Grid(west=10, north=1, width=1, height=1, rows=2, cols=3)
VALUES = np.array([[1.0, 2.0, 3.0], [5.0, 6.0, 7.0]])
HOLE = np.array([[1.0, np.nan, 3.0], [5.0, 6.0, 7.0]])


def mean(
    shape: shapely.Geometry, values: np.ndarray = VALUES, complete: float = 0.99
) -> float:
    means = GridMeans(GRID, Places(("a",), (shape,)))
    return float(means.of(Layer(GRID, values), complete=complete)[0])


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (box(10, 0, 12, 1), 1.5),
        # A quarter of the first cell, half a cell of the second: (1 + 2 * 2) / 3.
        (box(10.75, 0, 11.5, 1), (0.25 * 1 + 0.5 * 2) / 0.75),
        # Smaller than a cell, within one and across two.
        (box(12.4, -0.6, 12.5, -0.5), 7.0),
        (box(10.9, -0.6, 11.1, -0.5), 5.5),
        (shapely.union(box(10, 0, 11, 1), box(12, -1, 13, 0)), (1 + 7) / 2),
        (Point(11.2, -0.3), 6.0),
    ],
)
def test_mean_by_shares_of_cells(shape: shapely.Geometry, expected: float) -> None:
    assert mean(shape) == pytest.approx(expected, rel=1e-6)


def test_cells_weigh_by_their_ground() -> None:
    # At 60 degrees north a cell has half the ground of one at the equator; here the
    # rows reach from 60 to 61 and from 59 to 60: cos 60.5 and cos 59.5, to 1e-4.
    grid = Grid(west=10, north=61, width=1, height=1, rows=2, cols=2)
    shape = box(10, 59, 11, 61)
    means = GridMeans(grid, Places(("a",), (shape,)))
    layer = Layer(grid, np.array([[1.0, 0.0], [0.0, 0.0]]))
    north, south = np.cos(np.radians([60.5, 59.5]))
    found = means.of(layer, complete=0.99)
    assert found == pytest.approx([north / (north + south)], abs=1e-4)


def test_places_keep_their_order() -> None:
    shapes = (
        Point(10.5, 0.5),
        box(11, 0, 12, 1),
        Point(12.5, -0.5),
        box(10, -1, 11, 0),
    )
    means = GridMeans(GRID, Places(("a", "b", "c", "d"), shapes))
    found = means.of(Layer(GRID, VALUES), complete=1.0)
    assert found == pytest.approx([1.0, 2.0, 7.0, 5.0])


@pytest.mark.parametrize(
    "shape",
    [
        # A third of it is off the grid; half of it lies where nothing is known.
        box(12, 0, 13.5, 1),
        box(10, 0, 12, 1),
        Point(11.5, 0.5),
        Point(20, 0.5),
        box(20, 0, 21, 1),
    ],
)
def test_a_part_does_not_stand_for_the_whole(shape: shapely.Geometry) -> None:
    assert np.isnan(mean(shape, HOLE))


def test_how_much_of_the_whole_is_asked_for() -> None:
    shape = box(10, 0, 12, 1)
    assert mean(shape, HOLE, complete=0.5) == pytest.approx(1.0)
    assert np.isnan(mean(shape, HOLE, complete=0.51))


def test_share_on_the_grid() -> None:
    shapes = (box(12, 0, 14, 1), box(10, 0, 11, 1), Point(9, 0.5), Point(10.1, 0.5))
    means = GridMeans(GRID, Places(tuple("abcd"), shapes))
    assert means.inside() == pytest.approx([0.5, 1, 0, 1])


corner = st.floats(10, 13).map(lambda x: round(x, 3))


@given(corner, corner, st.floats(-50, 50))
def test_a_constant_stays_a_constant(one: float, other: float, value: float) -> None:
    west, east = sorted((one, other))
    if east - west < 0.01:
        return
    found = mean(box(west, -0.7, east, 0.6), np.full((2, 3), value))
    assert found == pytest.approx(value, abs=1e-6)


def fields(**changes: object) -> gpd.GeoDataFrame:
    columns = {"field_id": ["east", "west"], **changes}
    shapes = [box(124.2, 43.2, 124.21, 43.21), Point(124.0, 43.2)]
    return gpd.GeoDataFrame(columns, geometry=shapes, crs="EPSG:4326")


@pytest.mark.parametrize("name", ["a.geojson", "a.gpkg"])
def test_fields_of_a_file(tmp_path: Path, name: str) -> None:
    fields().to_file(tmp_path / name)
    places = fields_of(tmp_path / name)
    assert places.ids == ("east", "west")
    assert places.geometries[1] == Point(124.0, 43.2)


def test_fields_in_another_coordinate_system(tmp_path: Path) -> None:
    fields().to_crs("EPSG:32651").to_file(tmp_path / "a.gpkg")
    point = fields_of(tmp_path / "a.gpkg").geometries[1]
    assert shapely.distance(point, Point(124.0, 43.2)) < 1e-6


def test_another_column_of_ids(tmp_path: Path) -> None:
    fields().rename(columns={"field_id": "地块"}).to_file(tmp_path / "a.geojson")
    assert fields_of(tmp_path / "a.geojson", key="地块").ids == ("east", "west")


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (fields(field_id=["a", "a"]), "field_id a has two shapes"),
        (fields(field_id=["a", None]), "row 2"),
        (fields().drop(columns="field_id"), "--field-key"),
        (
            fields().set_geometry(
                [Point(124, 43), shapely.LineString([(124, 43), (125, 44)])]
            ),
            "row 2 (west)",
        ),
        (
            fields().set_geometry([Point(124, 43), shapely.MultiPolygon()]),
            "row 2: ",
        ),
    ],
)
def test_fields_that_cannot_be_used(
    tmp_path: Path, table: gpd.GeoDataFrame, why: str
) -> None:
    path = tmp_path / "a.gpkg"
    table.set_crs("EPSG:4326").to_file(path)
    with pytest.raises(PlacesUnusable) as caught:
        fields_of(path)
    assert why in english(str(caught.value))


def test_fields_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    path.write_text("nothing")
    with pytest.raises(FileUnreadable):
        fields_of(path)


@pytest.mark.parametrize("column", ["field_id", "地块编号", "plot_id", "id"])
def test_numbers_are_the_ids_that_stored_fields_have(
    tmp_path: Path, column: str
) -> None:
    # Numbers beside an empty cell stand as floats; here all of them do.
    table = fields(field_id=[1.0, 2.0]).rename(columns={"field_id": column})
    table.to_file(tmp_path / "a.geojson")
    assert fields_of(tmp_path / "a.geojson").ids == ("1", "2")


def test_a_row_of_several_polygons_is_several_fields(tmp_path: Path) -> None:
    small, large = box(124, 43, 124.01, 43.01), box(124.1, 43, 124.12, 43.02)
    shape = shapely.MultiPolygon([small, large])
    table = gpd.GeoDataFrame({"id": [7]}, geometry=[shape], crs="EPSG:4326")
    table.to_file(tmp_path / "a.gpkg")
    places = fields_of(tmp_path / "a.gpkg")
    assert places.ids == ("7-1", "7-2")
    assert [shape.bounds for shape in places.geometries] == [large.bounds, small.bounds]


def test_a_field_of_two_years_is_one_place(tmp_path: Path) -> None:
    shape = box(124, 43, 124.01, 43.01)
    table = {"id": ["a", "a"], "year": [2025, 2026]}
    gpd.GeoDataFrame(table, geometry=[shape, shape], crs="EPSG:4326").to_file(
        tmp_path / "a.gpkg"
    )
    assert fields_of(tmp_path / "a.gpkg").ids == ("a",)


def test_fields_in_a_table(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("地块编号,经度,纬度\nA,125.3,44.4\n")
    places = fields_of(tmp_path / "a.csv")
    assert (places.ids, places.geometries) == (("A",), (Point(125.3, 44.4),))
