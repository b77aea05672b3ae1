"""What a season is made of and named by, before it is computed."""

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from api.errors import NoScenesThere, PeriodUnknown, PlaceInvalid
from api.place import place_in_box, place_of_county, place_of_field
from api.season_product import window_of
from ingest.archive import Archive
from raster.errors import GridInvalid
from raster.grid import ALBERS_CHINA
from raster.season import SEASON_VARIABLES as DEFAULT
from tests.api import samples
from tests.api.season_cases import add_data, add_july_scene, check_languages, request

LIAOYUAN = ["220402 龙山区", "220403 西安区", "220421 东丰县", "220422 东辽县"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return add_data(tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("name", ["梨树", "吉林省梨树县", "四平市梨树县"])
def test_a_county_by_another_way_to_write_its_name(name: str) -> None:
    assert place_of_county(name).key == "220322"


def test_a_county_by_code_or_name(data: Path) -> None:
    by_code, by_name = place_of_county("220322"), place_of_county("梨树县")

    assert by_code == by_name
    assert (by_code.key, by_code.name_en) == ("220322", "Lishu County")
    west, south, east, north = by_code.bounds
    # The county's town.
    assert shapely.box(west, south, east, north).contains(shapely.Point(124.34, 43.31))

    lishu = request(data, place=by_code, resolution=500)
    assert lishu.product_id == "season-220322-2026-fine-500m-dekad"
    assert lishu.properties()["heitu:title_zh"].startswith("梨树县")


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("Lishu", ["220322 梨树县"]),
        ("gongzhulin", ["220184 公主岭市"]),
        ("2204", LIAOYUAN),
        ("辽源市", LIAOYUAN),
    ],
)
def test_an_unknown_county_is_answered_with_like_ones(
    text: str, near: list[str]
) -> None:
    with pytest.raises(PlaceInvalid) as caught:
        place_of_county(text)

    english, chinese = str(caught.value).split(" · ")
    assert f"perhaps {', '.join(near)}" in english
    assert f"也许是 {', '.join(near)}；" in chinese
    assert english.endswith("lists all 60 at /counties")


@pytest.mark.parametrize("text", ["", "北京市", "110101", "nowhere"])
def test_a_county_like_none_is_told_where_the_list_is(text: str) -> None:
    with pytest.raises(PlaceInvalid, match="lists all 60 at /counties") as caught:
        place_of_county(text)

    # Sixty names would hide what to do.
    assert "perhaps" not in str(caught.value)
    assert "220" not in str(caught.value)
    check_languages(caught.value)


@pytest.mark.parametrize(
    ("settings", "collection"),
    [
        ({}, "fine"),
        ({"start": date(2025, 4, 1)}, "fine"),
        ({"collection": "coarse"}, "coarse"),
    ],
)
def test_the_finest_scenes_are_taken_unless_others_are_asked(
    data: Path, settings: dict[str, Any], collection: str
) -> None:
    wanted = request(data, **settings)

    assert wanted.scenes[0] == collection
    assert wanted.geobox.resolution.x == {"fine": 10, "coarse": 250}[collection]
    assert wanted.geobox.crs == "EPSG:32651"


def test_fine_scenes_of_a_corner_do_not_stand_for_a_place(data: Path) -> None:
    # The fine scenes cover 640 m of some 4 km, the coarse ones all of it.
    wide = place_in_box((124.275, 43.285, 124.325, 43.325))

    assert request(data, place=wide).scenes[0] == "coarse"


def test_coarse_scenes_serve_where_fine_ones_are_missing(data: Path) -> None:
    past = request(data, start=date(2025, 4, 1), end=date(2025, 10, 31))

    assert past.scenes[0] == "coarse"
    assert [item.id for item in past.scenes[1]] == ["coarse-20250715"]


def test_scenes_of_two_zones_meet_in_equal_area(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    # Either side of 126 degrees east, where zone 52 begins.
    for crs, east in {"EPSG:32651": 735_000, "EPSG:32652": 254_000}.items():
        grid = GeoBox((9, 9), Affine(1000, 0, east, 0, -1000, 4_800_000), crs)
        add_july_scene(archive, grid, f"zone-{crs[-2:]}", nir=5500)

    wanted = request(tmp_path, place=place_in_box((125.9, 43.25, 126.1, 43.35)))

    assert len(wanted.scenes[1]) == 2
    assert wanted.geobox.crs == ALBERS_CHINA
    assert wanted.geobox.resolution.x == 1000


def test_scenes_in_degrees_make_a_grid_in_metres(tmp_path: Path) -> None:
    grid = GeoBox((9, 9), Affine(0.001, 0, 124, 0, -0.001, 44), "EPSG:4326")
    add_july_scene(Archive(tmp_path / "archive"), grid, "one", nir=5500)

    wanted = request(tmp_path, place=place_in_box((124, 43.995, 124.005, 44)))

    assert wanted.geobox.crs == ALBERS_CHINA
    # A thousandth of a degree along a meridian.
    assert wanted.geobox.resolution.x == pytest.approx(111.3, abs=0.5)


def test_what_is_not_the_default_is_in_the_name(data: Path) -> None:
    def name(**options: Any) -> str:
        return request(data, options=options).product_id.partition("fine-")[2]

    plain = {"composite": "median", "index": "ndvi", "seasons": 1, "cloud_buffer": 0.0}

    assert name(**plain, chunk=16, variables=("peak", *DEFAULT)) == "dekad"
    assert name(composite="max") == "dekad-max"
    assert name(index="evi2", seasons=2) == "dekad-evi2-2seasons"
    assert name(step=16, cloud_buffer=40.0) == "16d-40mcloud"


def test_other_variables_are_another_product(data: Path) -> None:
    wanted = [
        request(data, options={"variables": names})
        for names in (("ndvi",), ("ndvi", "clear_count"))
    ]

    ends = [each.product_id.rpartition("-")[2] for each in wanted]
    assert [len(end) for end in ends] == [6, 6]
    assert ends[0] != ends[1]


def test_the_name_does_not_change_with_the_block_size(data: Path) -> None:
    names = {
        request(data, options={"variables": ("ndvi",), "chunk": side}).product_id
        for side in (16, 32)
    }

    assert len(names) == 1


def test_blocks_of_another_size_are_another_run(data: Path) -> None:
    runs = {
        request(data, options=options).recipe.run_id
        for options in ({}, {"chunk": 16}, {"chunk": 32})
    }

    assert len(runs) == 3


def test_another_window_or_step_is_another_product(data: Path) -> None:
    names = {
        request(data, **settings).product_id.partition("43.3055-")[2]
        for settings in (
            {},
            {"start": date(2026, 5, 1)},
            {"options": {"step": 16}},
            {"options": {"step": "month"}},
            {"resolution": 20.0},
            {"collection": "coarse"},
        )
    }

    assert names == {
        "2026-fine-dekad",
        "20260501-20261031-fine-dekad",
        "2026-fine-16d",
        "2026-fine-month",
        "2026-fine-20m-dekad",
        "2026-coarse-dekad",
    }


def test_a_replaced_scene_makes_another_run(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    add_july_scene(archive, samples.FINE, "one", nir=5500)
    first = request(tmp_path).dataset().attrs["run"]
    again = request(tmp_path).dataset().attrs["run"]
    add_july_scene(archive, samples.FINE, "one", nir=3000, replace=True)

    assert again == first
    assert request(tmp_path).dataset().attrs["run"] != first


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"start": date(2020, 4, 1), "end": date(2020, 9, 1)}, "there: 2025, 2026."),
        ({"place": place_in_box((1, 2, 3, 4))}, "years it has there: none"),
        ({"collection": "medium"}, "'medium', only coarse, fine"),
    ],
)
def test_no_scenes_there_says_what_there_is(
    data: Path, settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(NoScenesThere, match=re.escape(told)) as caught:
        request(data, **settings).dataset()

    check_languages(caught.value)


@pytest.mark.parametrize(
    "bounds",
    [(43, 124, 44, 125), (124, 43, 124, 44), (124, 44, 125, 43), (181, 1, 182, 2)],
)
def test_a_rectangle_must_be_degrees_in_order(
    bounds: tuple[float, float, float, float],
) -> None:
    with pytest.raises(PlaceInvalid, match="give degrees of WGS 84") as caught:
        place_in_box(bounds)

    check_languages(caught.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "No such file"),
        (b"{", "parse error"),
        ('{"name": "一号地"}'.encode("gbk"), "can't decode byte 0xba in position 12"),
        (b'{"type": "Point", "coordinates": [124, 43]}', "no polygon in it"),
        (
            b'{"type": "Polygon", "coordinates": [[[5e5, 4e6], [6e5, 4e6], [5e5, 5e6], '
            b"[5e5, 4e6]]]}",
            "are no degrees",
        ),
    ],
)
def test_a_field_file_that_says_no_place(
    tmp_path: Path, content: bytes | None, told: str
) -> None:
    path = tmp_path / "field.geojson"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(PlaceInvalid, match=told) as caught:
        place_of_field(path)

    assert str(path) in str(caught.value)
    check_languages(caught.value)


def test_the_window_is_the_year_s_or_that_of_two_days() -> None:
    first, last = date(2025, 9, 1), date(2026, 6, 30)

    assert window_of(2026) == (date(2026, 4, 1), date(2026, 10, 31))
    assert window_of(None, start=first, end=last) == (first, last)


@pytest.mark.parametrize(
    ("year", "start", "end"),
    [
        (None, None, None),
        (None, date(2026, 5, 1), None),
        (None, date(2026, 5, 2), date(2026, 5, 1)),
        (2026, date(2026, 5, 1), None),
        (2026, None, date(2026, 5, 1)),
        (2026, date(2026, 5, 1), date(2026, 5, 2)),
    ],
)
def test_a_window_is_a_year_or_two_days(
    year: int | None, start: date | None, end: date | None
) -> None:
    with pytest.raises(PeriodUnknown) as caught:
        window_of(year, start=start, end=end)

    check_languages(caught.value)


@pytest.mark.parametrize("extension", [True, False])
def test_scenes_without_a_pixel_size_need_one_given(
    tmp_path: Path, *, extension: bool
) -> None:
    add_july_scene(Archive(tmp_path / "archive"), samples.FINE, "one", nir=5500)
    path = tmp_path / "archive" / "fine" / "one" / "one.json"
    content = json.loads(path.read_text())
    for name in ("proj:transform", "gsd"):
        content["properties"].pop(name, None)
    if not extension:
        others = [uri for uri in content["stac_extensions"] if "projection" not in uri]
        content["stac_extensions"] = others
    path.write_text(json.dumps(content))

    with pytest.raises(GridInvalid, match="as one, tell no pixel size") as caught:
        request(tmp_path).dataset()

    check_languages(caught.value)
    assert request(tmp_path, resolution=20).geobox.resolution.x == 20


def test_verifying_is_no_part_of_the_run(data: Path) -> None:
    looked, trusted = (request(data, verify=verify) for verify in (True, False))

    assert looked.recipe.run_id == trusted.recipe.run_id
    assert looked.product_id == trusted.product_id
    lineages = {each.dataset().attrs["lineage"] for each in (looked, trusted)}
    assert len(lineages) == 1
    assert "heitu:verified" not in looked.properties()
    assert trusted.properties()["heitu:verified"] is False


def test_a_collection_of_features_is_the_area_of_its_polygons(tmp_path: Path) -> None:
    # As QGIS and geojson.io write a drawn field.
    polygon = shapely.geometry.mapping(shapely.box(125.1, 42.9, 125.2, 43.0))
    point = {"type": "Point", "coordinates": [120, 40]}
    features = [
        {"type": "Feature", "properties": {}, "geometry": geometry}
        for geometry in (polygon, point)
    ]
    path = tmp_path / "field.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    place = place_of_field(path)
    assert place.bounds == (125.1, 42.9, 125.2, 43.0)
    assert place.geometry.geom_type == "Polygon"
