from collections.abc import Sequence

import numpy as np
import pytest
import shapely
from pyproj import Transformer

from ingest.simulated import WINDOW, World, crop_fractions
from ingest.simulated.window import WINDOW_COUNTY
from store.counties import County


def test_the_window_lies_inside_lishu_at_10_m(
    world: World, neighbours: Sequence[County]
) -> None:
    geobox = world.grids[WINDOW]
    lishu = next(c for c in neighbours if c.code == WINDOW_COUNTY)
    assert tuple(geobox.shape) == (1536, 1536)
    assert geobox.resolution.x == 10.0
    assert geobox.crs is not None
    assert geobox.crs.to_epsg() == 32651
    to_lonlat = Transformer.from_crs("EPSG:32651", "EPSG:4326", always_xy=True)
    corners = shapely.Polygon(
        [to_lonlat.transform(x, y) for x, y in geobox.extent.exterior.coords]
    )
    assert lishu.geometry.contains(corners)
    assert corners.centroid.distance(shapely.Point(124.34, 43.31)) < 0.15


def test_every_pixel_is_one_thing(world: World) -> None:
    cover = world.surfaces[WINDOW].cover
    assert set(np.unique(cover)) == {0.0, 1.0}
    np.testing.assert_array_equal(cover.sum(axis=0), 1.0)


def test_crop_shares_agree_with_the_smooth_landscape(world: World) -> None:
    fine = crop_fractions(world, world.grids[WINDOW]).mean(axis=(1, 2))
    coarse = crop_fractions(world, world.grids[WINDOW].zoom_out(32)).mean(axis=(1, 2))
    np.testing.assert_allclose(fine, coarse, atol=0.6)


def test_fields_are_strips_of_half_to_four_hectares(world: World) -> None:
    fields = world.fields()
    area = np.array([field.area_ha for field in fields])
    assert 200 < len(fields) < 900
    assert 1.0 < np.median(area) < 3.0
    assert np.percentile(area, 95) < 4.5
    box = [field.geometry.minimum_rotated_rectangle for field in fields]
    sides = [np.hypot(*np.diff(b.exterior.coords.xy, axis=1)[:, :2]) for b in box]
    assert np.median([side.max() / side.min() for side in sides]) > 3.0


def test_fields_are_valid_named_marked_and_apart(world: World) -> None:
    fields = world.fields()
    assert len({field.field_id for field in fields}) == len(fields)
    assert all(field.simulated and field.county == WINDOW_COUNTY for field in fields)
    assert all(
        "模拟" in field.name_zh and "Simulated" in field.name_en for field in fields
    )
    shapes = [field.geometry for field in fields]
    assert all(shape.is_valid and shape.geom_type == "Polygon" for shape in shapes)
    total = sum(shape.area for shape in shapes)
    assert shapely.union_all(shapes).area == pytest.approx(total, rel=0.002)


def test_a_field_polygon_holds_pixels_of_its_crop(world: World) -> None:
    geobox = world.grids[WINDOW]
    fractions = crop_fractions(world, geobox)
    to_utm = Transformer.from_crs("EPSG:4326", "EPSG:32651", always_xy=True)
    hits = []
    for field in world.fields():
        point = field.geometry.representative_point()
        x, y = to_utm.transform(point.x, point.y)
        column, row = (int(v) for v in ~geobox.affine * (x, y))
        crop = ("maize", "rice", "soybean").index(field.crop)
        hits.append(fractions[crop, row, column] == 100)
    assert np.mean(hits) > 0.97


def test_a_world_without_lishu_has_no_window(neighbours: Sequence[County]) -> None:
    small = World(1, 2026, [neighbours[0]], history=1)
    assert WINDOW not in small.grids
    assert small.fields() == []
