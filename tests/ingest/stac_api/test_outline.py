"""The outline of a place loses nothing of it and is short."""

import math

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import LineString, MultiPolygon, Polygon, box

from ingest.boundaries import jilin_counties
from ingest.stac_api.errors import WantedInvalid
from ingest.stac_api.outline import MOST_VERTICES, outline
from tests.ingest.wording import english


def test_counties_are_covered_by_few_vertices() -> None:
    for county in jilin_counties()[::6]:
        rough = outline(county.geometry)
        assert rough.covers(county.geometry)
        assert shapely.get_num_coordinates(rough) <= MOST_VERTICES


def test_county_does_not_grow_by_more_than_a_few_kilometres() -> None:
    county = max(
        jilin_counties(), key=lambda c: shapely.get_num_coordinates(c.geometry)
    )
    rough = outline(county.geometry)
    # 0.05 degree are 5 km, the width of a twentieth of a tile.
    assert county.geometry.buffer(0.05).covers(rough)


def test_island_of_many_needles_is_still_short() -> None:
    teeth = [
        (125 + math.cos(a) * (1 + i % 2), 43 + math.sin(a) * (1 + i % 2))
        for i, a in enumerate(k * math.tau / 5000 for k in range(5000))
    ]
    rough = outline(Polygon(teeth))
    assert rough.covers(Polygon(teeth))
    assert shapely.get_num_coordinates(rough) <= MOST_VERTICES


def test_hole_is_filled() -> None:
    ring = box(125, 43, 126, 44) - box(125.4, 43.4, 125.6, 43.6)
    assert outline(ring).covers(box(125, 43, 126, 44))


def test_many_parts_are_all_covered() -> None:
    parts = MultiPolygon([box(120 + i, 43, 120.1 + i, 43.1) for i in range(8)])
    assert outline(parts).covers(parts)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.01, 3), st.floats(0, 1)), min_size=3, max_size=400),
    st.floats(-170, 170),
    st.floats(-80, 80),
)
def test_any_star_is_covered(
    spokes: list[tuple[float, float]], lon: float, lat: float
) -> None:
    around = [
        (lon + r * math.cos(math.tau * turn), lat + r * math.sin(math.tau * turn))
        for r, turn in sorted(spokes, key=lambda spoke: spoke[1])
    ]
    star = shapely.make_valid(Polygon(around))
    areas = [p for p in shapely.get_parts(star) if isinstance(p, Polygon)]
    place = shapely.union_all(areas)
    if place.is_empty:
        return
    rough = outline(place)
    assert rough.covers(place)
    assert shapely.get_num_coordinates(rough) <= MOST_VERTICES


@pytest.mark.parametrize(
    "place",
    [
        LineString([(125, 43), (126, 44)]),
        Polygon(),
        Polygon([(125, 43), (126, 44), (126, 43), (125, 44)]),
        box(600_000, 4_800_000, 610_000, 4_810_000),
        box(179, 60, 181, 61),
    ],
    ids=["line", "empty", "bow tie", "metres", "past 180"],
)
def test_what_is_no_place_is_refused(place: shapely.Geometry) -> None:
    with pytest.raises(WantedInvalid) as caught:
        outline(place)
    assert "WGS 84" in english(str(caught.value))
