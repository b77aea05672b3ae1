"""Grids of tiles and their pieces."""

import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from ingest.sentinel_hub.grid import epsg_of, in_utm, pieces, tile_grid
from tests.ingest.sentinel_hub.scenes import to_degrees


@pytest.mark.parametrize(
    ("tile", "epsg"), [("51TXJ", 32651), ("01NAA", 32601), ("56HLH", 32756)]
)
def test_zone_of_a_tile(tile: str, epsg: int) -> None:
    assert epsg_of(tile) == epsg


def test_whole_tile_stands_where_esa_has_it() -> None:
    # 33TUL: proj:bbox of the service's own catalogue, footprints a metre inside it.
    outline = shapely.Polygon(
        [
            (306444.5, 5099999.0),
            (300001.0, 5076684.5),
            (300001.0, 4990201.0),
            (409799.0, 4990201.0),
            (409799.0, 5099999.0),
        ]
    )
    footprint = to_degrees(outline, 32633)
    geobox = tile_grid(footprint, epsg_of("33TUL"), None, pixel=10, told="33TUL")
    assert geobox.shape == (10980, 10980)
    assert geobox.boundingbox.bbox == (300000, 4990200, 409800, 5100000)
    assert len(list(pieces(geobox, 2500))) == 36


@given(
    size=st.tuples(st.integers(1, 900), st.integers(1, 900)),
    limit=st.integers(50, 1200),
)
def test_pieces_hold_every_pixel_once(size: tuple[int, int], limit: int) -> None:
    geobox = GeoBox(size, Affine(10, 0, 600000, 0, -10, 4855200), "EPSG:32651")
    cut = list(pieces(geobox, limit))
    seen = {
        (row, column)
        for piece in cut
        for row in (piece.rows.start, piece.rows.stop - 1)
        for column in (piece.columns.start, piece.columns.stop - 1)
    }
    assert {(0, 0), (size[0] - 1, size[1] - 1)} <= seen
    assert sum(one.geobox.shape.x * one.geobox.shape.y for one in cut) == (
        size[0] * size[1]
    )
    assert max(max(one.geobox.shape) for one in cut) <= limit
    for one in cut:
        corner = geobox.transform @ (one.columns.start, one.rows.start)
        assert corner == (one.geobox.boundingbox.left, one.geobox.boundingbox.top)


@given(
    west=st.floats(600000, 640000),
    south=st.floats(4850000, 4890000),
    wide=st.floats(70, 20000),
    high=st.floats(70, 20000),
    pixel=st.sampled_from([10.0, 20.0, 60.0]),
)
def test_clipped_grid_holds_the_place_on_the_tiles_pixels(
    west: float, south: float, wide: float, high: float, pixel: float
) -> None:
    footprint = to_degrees(shapely.box(590000, 4840000, 699000, 4950000))
    clip = to_degrees(shapely.box(west, south, west + wide, south + high)).bounds
    geobox = tile_grid(footprint, 32651, clip, pixel=pixel, told="x")
    box = geobox.boundingbox
    assert [side % 60 for side in box.bbox] == [0, 0, 0, 0]
    corners = in_utm(shapely.box(*clip), 32651)
    # A metre and a half is taken for rounding.
    assert shapely.box(*box.bbox).buffer(1.6).contains(corners)
