"""Shares of pixels under polygons: hand cases, exactextract, laws, files."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import shapely
from affine import Affine
from exactextract import exact_extract  # type: ignore[import-untyped]
from exactextract.raster import NumPyRasterSource  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Geod, Transformer
from shapely.geometry.base import BaseGeometry

from raster.coverage import Coverage, Runs, coverage
from raster.errors import (
    GeometryInvalid,
    GridInvalid,
    SettingInvalid,
    WeightsUnreadable,
    WriteFailed,
)
from raster.exact_fractions import zone_runs
from raster.grid import ALBERS_CHINA, geobox_for
from tests.raster.scenes import UTM, grid

DEGREES = GeoBox.from_bbox((0, 0, 3, 3), "EPSG:4326", resolution=1)
FINE = GeoBox.from_bbox((0, 0, 3, 2), "EPSG:4326", resolution=0.1)
MIDDLE = shapely.box(0.5, 0.5, 2.5, 2.5)


def shares(
    polygon: BaseGeometry | Sequence[BaseGeometry], geobox: GeoBox = DEGREES
) -> NDArray[np.float32]:
    """Dense (zones, y, x) of a few polygons."""
    polygons = [polygon] if isinstance(polygon, BaseGeometry) else list(polygon)
    dense = coverage(geobox, polygons).matrix().toarray()
    return np.asarray(dense.reshape(len(polygons), *geobox.shape))


def exact_shares(polygon: BaseGeometry, geobox: GeoBox) -> NDArray[np.float64]:
    feature = {"type": "Feature", "geometry": shapely.geometry.mapping(polygon)}
    source = NumPyRasterSource(np.zeros(geobox.shape), *geobox.boundingbox.bbox)
    [found] = exact_extract(
        source, [feature | {"properties": {}}], ["cell_id", "coverage"]
    )
    dense = np.zeros(geobox.shape)
    dense.ravel()[found["properties"]["cell_id"]] = found["properties"]["coverage"]
    return dense


def test_a_box_over_nine_pixels() -> None:
    assert shares(MIDDLE)[0].tolist() == [
        [0.25, 0.5, 0.25],
        [0.5, 1.0, 0.5],
        [0.25, 0.5, 0.25],
    ]


def test_a_triangle() -> None:
    triangle = shapely.Polygon([(0, 0), (3, 0), (0, 3)])

    assert shares(triangle)[0].tolist() == [[0.5, 0, 0], [1, 0.5, 0], [1, 1, 0.5]]


def test_a_hole_is_left_out() -> None:
    ring = shapely.box(0, 0, 3, 3).difference(shapely.box(1, 1, 2, 1.5))

    assert shares(ring)[0].tolist() == [[1, 1, 1], [1, 0.5, 1], [1, 1, 1]]


def test_a_multipolygon_adds_its_parts() -> None:
    parts = shapely.MultiPolygon(
        [shapely.box(0, 2, 1, 2.5), shapely.box(2, 2, 3, 3), shapely.box(0, 2.75, 1, 3)]
    )

    assert shares(parts)[0].tolist() == [[0.75, 0, 1], [0, 0, 0], [0, 0, 0]]


def test_polygons_may_overlap() -> None:
    both = shares([shapely.box(0, 0, 3, 3), shapely.box(0, 2, 1, 3)])

    assert both[:, 0, 0].tolist() == [1, 1]


def test_neighbours_in_one_row_stay_apart() -> None:
    both = shares([shapely.box(0, 1, 1, 2), shapely.box(1, 1, 3, 2)])

    assert both[:, 1].tolist() == [[1, 0, 0], [0, 1, 1]]


def test_the_part_off_the_grid_is_counted() -> None:
    weights = coverage(
        DEGREES, [shapely.box(2, 2, 4, 4), shapely.box(7, 7, 8, 8), MIDDLE]
    )

    assert weights.pixels.tolist() == [4, 1, 4]
    assert weights.inside.tolist() == [1, 0, 4]


def test_a_polygon_that_only_touches_the_grid_has_no_pixel() -> None:
    weights = coverage(DEGREES, [shapely.box(3, 0, 4, 3), shapely.box(0, -2, 3, 0)])

    assert weights.inside.tolist() == [0, 0]
    assert len(weights.runs) == 0


def test_a_polygon_much_smaller_than_a_pixel() -> None:
    weights = coverage(DEGREES, [shapely.box(1.5, 1.5, 1.501, 1.501)])

    assert weights.inside == pytest.approx(1e-6, rel=1e-4)


def test_vertices_a_hair_beside_the_corners_of_pixels_lose_none() -> None:
    # A field of 145 pixels after a projection; exactextract 0.3.0 finds 144.
    field = shapely.from_wkt(
        "POLYGON ((610110.0000000002 4803679.999999999, 609900.0000000005"
        " 4803680.000000001, 609910.0000000001 4803660, 609889.9999999992 4803660,"
        " 609889.9999999998 4803629.999999999, 609900.0000000009 4803640,"
        " 609929.9999999991 4803639.999999999, 609920.0000000001 4803630,"
        " 609919.9999999994 4803609.999999999, 609999.9999999993 4803610,"
        " 609999.9999999999 4803620, 610130.0000000006 4803620, 610129.999999999"
        " 4803690, 610109.9999999994 4803690, 610110.0000000002 4803679.999999999))"
    )
    around = GeoBox.from_bbox(
        (601120, 4794720, 616480, 4810080), "EPSG:32651", resolution=10
    )
    found = zone_runs([field], around)
    assert (found.length * found.weight).sum() == pytest.approx(145, abs=1e-4)


def test_no_polygons() -> None:
    weights = coverage(DEGREES, [])

    assert (len(weights.runs), weights.matrix().shape) == (0, (0, 9))


def star(seed: int, points: int = 23) -> BaseGeometry:
    """A ragged polygon with a hole and an island, partly off the grid `FINE`."""
    rng = np.random.default_rng(seed)
    angle = np.sort(rng.uniform(0, 2 * np.pi, points))
    radius = rng.uniform(0.5, 1.2, points)
    around = np.column_stack([np.cos(angle), np.sin(angle)]) * radius[:, np.newaxis]
    outer = shapely.make_valid(shapely.Polygon(around + 0.9))
    pierced = outer.difference(shapely.Point(0.83, 0.91).buffer(0.33))
    return pierced.union(shapely.Point(2.71, 0.52).buffer(0.2))


@pytest.mark.parametrize("seed", range(5))
def test_shares_are_those_of_exactextract(seed: int) -> None:
    np.testing.assert_allclose(
        shares(star(seed), FINE)[0], exact_shares(star(seed), FINE), atol=2e-7
    )


def test_long_runs_end_at_multiples_of_256() -> None:
    wide = GeoBox((2, 700), Affine(0.01, 0, 0, 0, -0.01, 0.02), "EPSG:4326")

    runs = coverage(wide, [shapely.box(1, -1, 6.5, 1)]).runs

    assert runs.col.tolist() == [100, 256, 512] * 2
    assert runs.length.tolist() == [156, 256, 138] * 2


def test_a_large_polygon_is_cut_into_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, number in (("_AT_ONCE", 1000), ("_COARSE", 64), ("_FINE", 16)):
        monkeypatch.setattr(f"raster.exact_fractions.{name}", number)
    big = GeoBox((290, 500), Affine(0.01, 0, 0, 0, -0.01, 2.9), "EPSG:4326")
    polygon = shapely.Point(2.3, 1.4).buffer(1.3).union(shapely.box(4.2, 0.1, 9, 2.7))

    weights = coverage(big, [polygon]).matrix()
    np.testing.assert_allclose(
        weights.toarray().reshape(big.shape),
        exact_shares(polygon, big),
        rtol=0,
        atol=1e-7,
    )
    assert len(np.unique(weights.indices)) == weights.nnz
    assert weights.data.min() > 1e-7


def test_runs_come_in_the_order_of_the_grid() -> None:
    runs = coverage(FINE, [star(1), star(2)]).runs

    first = runs.row.astype(np.int64) * 30 + runs.col
    assert (np.diff(first) >= 0).all()


def test_polygons_are_projected_to_the_grid() -> None:
    utm = grid(4, 4)
    to_lonlat = Transformer.from_crs(UTM, "EPSG:4326", always_xy=True)
    left, _, _, top = utm.boundingbox.bbox
    part = shapely.transform(
        shapely.box(left + 5, top - 40, left + 20, top),
        to_lonlat.transform,
        interleaved=False,
    )

    np.testing.assert_allclose(shares(part, utm)[0], [[0.5, 1, 0, 0]] * 4, atol=1e-5)


def test_a_long_edge_bends_with_the_projection() -> None:
    geobox = geobox_for((122, 42, 131, 46), crs=ALBERS_CHINA, resolution=2000)
    cell = shapely.box(122, 43, 131, 45)

    weights = coverage(geobox, [cell])

    # True area of the cell between its parallels; a chord would lose 4 %.
    dense = shapely.segmentize(cell, 0.01)
    area, _ = Geod(ellps="WGS84").geometry_area_perimeter(dense)
    assert weights.area() == pytest.approx(abs(area), rel=1e-5)


@st.composite
def tilings(draw: st.DrawFn) -> list[BaseGeometry]:
    """Polygons that tile the grid `FINE` without gap or overlap."""
    count = draw(st.integers(2, 9))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    frame = shapely.box(0, 0, 3, 2)
    points = shapely.MultiPoint(rng.uniform((0, 0), (3, 2), (count, 2)))
    cells = shapely.get_parts(shapely.voronoi_polygons(points, extend_to=frame))
    return list(shapely.intersection(cells, frame))


@settings(max_examples=25, deadline=None)
@given(polygons=tilings())
def test_polygons_that_tile_the_grid_share_every_pixel_out(
    polygons: list[BaseGeometry],
) -> None:
    np.testing.assert_allclose(shares(polygons, FINE).sum(axis=0), 1, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(row=st.integers(1, 19), col=st.integers(1, 29), seed=st.integers(0, 50))
def test_windows_hold_what_the_grid_holds(row: int, col: int, seed: int) -> None:
    weights = coverage(FINE, [star(seed), star(seed + 1)])
    dense = weights.matrix().toarray().reshape(2, 20, 30)

    for rows, cols in ((slice(0, row), slice(0, 30)), (slice(row, 20), slice(col, 30))):
        part = weights.window(rows, cols)
        part_dense = part.matrix().toarray().reshape(2, *part.geobox.shape)
        np.testing.assert_array_equal(part_dense, dense[:, rows, cols])
        assert part.geobox == FINE[rows, cols]
        np.testing.assert_allclose(part.inside, part_dense.sum(axis=(1, 2)), rtol=1e-6)


@pytest.mark.parametrize(
    ("geometry", "reason"),
    [
        (shapely.Point(0, 0), "is POINT"),
        (shapely.Polygon(), "is POLYGON EMPTY"),
        (None, "is None"),
        (shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]), "Self-intersection"),
        (shapely.box(600_000, 4_700_000, 600_100, 4_700_100), "longitude and latitude"),
    ],
)
def test_what_is_no_polygon_is_refused_by_number(
    geometry: BaseGeometry, reason: str
) -> None:
    with pytest.raises(GeometryInvalid, match=f"geometry 1 .*{reason}.* · 第 1 个图形"):
        coverage(DEGREES, [MIDDLE, geometry])


def test_a_polygon_the_crs_cannot_hold_is_refused() -> None:
    globe = GeoBox.from_bbox((0, 0, 3, 3), "+proj=ortho +lon_0=0", resolution=1)

    with pytest.raises(GeometryInvalid, match="geometry 1 cannot be brought to"):
        coverage(globe, [MIDDLE, shapely.box(170, 0, 171, 1)])


@pytest.mark.parametrize(
    ("geobox", "reason"),
    [
        (GeoBox((2, 2), DEGREES.affine, None), "no CRS"),
        (GeoBox((2, 2), Affine(1, 0, 0, 0, 1, 0), "EPSG:4326"), "not north-up"),
        (GeoBox((2, 2), Affine.rotation(10), "EPSG:4326"), "turned"),
    ],
)
def test_a_grid_that_cannot_serve_is_refused(geobox: GeoBox, reason: str) -> None:
    with pytest.raises(GridInvalid, match=reason):
        coverage(geobox, [MIDDLE])


def test_zones_split_by_class() -> None:
    crops = np.array([[1, 1, 2], [1, 2, 2], [9, 9, 2]], np.uint8)

    refined = coverage(DEGREES, [MIDDLE, shapely.box(0, 0, 1, 1)]).refine(
        classes=crops, codes=(2, 1, 7)
    )

    dense = refined.matrix().toarray().reshape(2, 3, 3, 3)
    assert dense[0, 0].tolist() == [[0, 0, 0.25], [0, 1, 0.5], [0, 0, 0.25]]
    assert dense[0, 1].tolist() == [[0.25, 0.5, 0], [0.5, 0, 0], [0, 0, 0]]
    assert refined.cover.tolist() == [2, 1.25, 0, 0, 0, 0]
    assert refined.inside.tolist() == [4, 1]


def test_pixels_times_a_weight() -> None:
    fraction = np.array([[0.5, 0, 1], [np.nan, 0.25, 1], [1, 1, 1]])

    refined = coverage(DEGREES, [MIDDLE]).refine(weights=fraction)

    assert refined.matrix().toarray().reshape(3, 3).tolist() == [
        [0.125, 0, 0.25],
        [0, 0.25, 0.5],
        [0.25, 0.5, 0.25],
    ]
    assert refined.cover.tolist() == [3]


@pytest.mark.parametrize(
    ("settings_", "error"),
    [
        ({"classes": np.zeros((3, 3), int)}, SettingInvalid),
        ({"codes": (1,)}, SettingInvalid),
        ({"classes": np.zeros((3, 3), int), "codes": (1, 1)}, SettingInvalid),
        ({"classes": np.zeros((3, 3)), "codes": (1,)}, SettingInvalid),
        ({"classes": np.zeros((3, 2), int), "codes": (1,)}, GridInvalid),
        ({"weights": np.zeros((2, 3))}, GridInvalid),
        ({"weights": np.full((3, 3), -1)}, GridInvalid),
        ({"weights": np.full((3, 3), np.inf)}, GridInvalid),
    ],
)
def test_what_cannot_refine_is_refused(
    settings_: dict[str, NDArray[np.generic]], error: type[Exception]
) -> None:
    with pytest.raises(error, match=" · "):
        coverage(DEGREES, [MIDDLE]).refine(**settings_)  # type: ignore[arg-type]


def test_a_coverage_is_refined_once_and_not_cut_after() -> None:
    refined = coverage(DEGREES, [MIDDLE]).refine(weights=np.ones((3, 3)))

    with pytest.raises(SettingInvalid, match="refined once"):
        refined.refine(weights=np.ones((3, 3)))
    with pytest.raises(SettingInvalid, match="cut it first"):
        refined.window(slice(0, 1), slice(0, 1))


def test_weights_survive_their_file(tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    polygons = [star(3), MIDDLE]
    crops = np.random.default_rng(1).integers(0, 3, FINE.shape)
    weights = coverage(FINE, polygons).refine(classes=crops, codes=(2, 1))

    weights.save(path)
    again = Coverage.load(path, geobox=FINE, geometries=polygons)

    assert (again.classes, again.refined) == ((2, 1), True)
    for name in ("pixels", "inside", "cover"):
        np.testing.assert_array_equal(getattr(again, name), getattr(weights, name))
    for field in fields(Runs):
        ours = getattr(weights.runs, field.name)
        np.testing.assert_array_equal(getattr(again.runs, field.name), ours)
        assert getattr(again.runs, field.name).dtype == ours.dtype


@pytest.mark.parametrize(
    ("geobox", "polygons", "error"),
    [
        (FINE[:, 1:], [MIDDLE], GridInvalid),
        (FINE.pad(1), [MIDDLE], GridInvalid),
        (GeoBox(FINE.shape, FINE.affine, "EPSG:4490"), [MIDDLE], GridInvalid),
        (FINE, [MIDDLE, MIDDLE], GeometryInvalid),
        (FINE, [shapely.box(0.5, 0.5, 2.5, 2.500001)], GeometryInvalid),
    ],
)
def test_weights_for_something_else_are_refused(
    tmp_path: Path, geobox: GeoBox, polygons: list[BaseGeometry], error: type[Exception]
) -> None:
    path = tmp_path / "weights.npz"
    coverage(FINE, [MIDDLE]).save(path)

    with pytest.raises(error, match=r"holds weights for .* compute them anew · "):
        Coverage.load(path, geobox=geobox, geometries=polygons)


@pytest.mark.parametrize("damage", ["absent", "cut", "flipped", "text"])
def test_a_damaged_file_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "weights.npz"
    coverage(FINE, [star(1)]).save(path)
    content = bytearray(path.read_bytes())
    path.unlink()
    if damage == "flipped":
        content[len(content) // 2] ^= 255
    if damage != "absent":
        cut, text = bytes(content[:-30]), b"not weights"
        path.write_bytes({"cut": cut, "text": text}.get(damage, bytes(content)))

    with pytest.raises(WeightsUnreadable, match="does not hold coverage weights"):
        Coverage.load(path, geobox=FINE, geometries=[star(1)])


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(WriteFailed, match="cannot write"):
        coverage(FINE, [MIDDLE]).save(tmp_path / "no" / "weights.npz")

    assert list(tmp_path.iterdir()) == []
