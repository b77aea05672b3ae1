"""Every kind of file comes to the same features in WGS 84, or says why not."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely

from ingest.gcj02 import to_gcj02
from ingest.ground.errors import (
    ColumnMissing,
    ColumnUnclear,
    CoordinatesSwapped,
    CrsConflict,
    CrsUnknown,
    DatumConflict,
    DatumUnsure,
    EncodingWrong,
    FileUnreadable,
    FormatUnknown,
    GroundError,
    LayerUnclear,
    NotDegrees,
)
from ingest.ground.fields import take_fields
from ingest.ground.vector import read_layer
from tests.ingest.ground.builders import (
    SQUARE,
    frame,
    places,
    write_csv,
    write_geojson,
)
from tests.ingest.wording import english

Write = Callable[[geopandas.GeoDataFrame, Path], Path]


def _by_gdal(name: str) -> Write:
    def write(data: geopandas.GeoDataFrame, folder: Path) -> Path:
        data.to_file(folder / name)
        return folder / name

    return write


def _shapefile(encoding: str) -> Write:
    def write(data: geopandas.GeoDataFrame, folder: Path) -> Path:
        data.to_file(folder / "fields.shp", encoding=encoding)
        return folder / "fields.shp"

    return write


def _zipped(name: str, *, inside: str = "") -> Write:
    def write(data: geopandas.GeoDataFrame, folder: Path) -> Path:
        (folder / "parts").mkdir()
        data.to_file(folder / "parts" / name)
        with zipfile.ZipFile(folder / "fields.zip", "w") as archive:
            for part in sorted((folder / "parts").iterdir()):
                archive.write(part, inside + part.name)
        return folder / "fields.zip"

    return write


def _kmz(data: geopandas.GeoDataFrame, folder: Path) -> Path:
    data.to_file(folder / "doc.kml", driver="LIBKML")
    with zipfile.ZipFile(folder / "fields.kmz", "w") as archive:
        archive.write(folder / "doc.kml", "doc.kml")
    return folder / "fields.kmz"


def _kml(data: geopandas.GeoDataFrame, folder: Path) -> Path:
    data.to_file(folder / "fields.kml", driver="LIBKML")
    return folder / "fields.kml"


def _parquet(data: geopandas.GeoDataFrame, folder: Path) -> Path:
    data.to_parquet(folder / "fields.parquet")
    return folder / "fields.parquet"


@pytest.mark.parametrize(
    "write",
    [
        _by_gdal("fields.geojson"),
        _by_gdal("fields.gpkg"),
        _shapefile("UTF-8"),
        _shapefile("GBK"),
        _zipped("fields.shp"),
        _zipped("地块.shp", inside="二〇二六/"),
        _zipped("fields.geojson"),
        _kml,
        _kmz,
        _parquet,
    ],
)
def test_file_comes_back_as_written(tmp_path: Path, write: Write) -> None:
    path = write(frame([SQUARE], crop=["玉米"], nr=["一号地"]), tmp_path)
    layer = read_layer(path)
    (feature,) = layer.features
    assert (layer.rows, layer.faults, feature.row) == (1, (), 1)
    assert feature.values["crop"] == "玉米"
    assert feature.values["nr"] == "一号地"
    assert feature.geometry.normalize().equals_exact(SQUARE.normalize(), 1e-9)
    assert layer.checksum.startswith("1220")
    assert layer.converted_from is None


@pytest.mark.parametrize("crs", ["EPSG:32651", "EPSG:4549", "EPSG:4490", "EPSG:3857"])
def test_projected_coordinates_become_degrees(tmp_path: Path, crs: str) -> None:
    # CGCS2000 is WGS 84 here: nothing moves between 4490 and 4326.
    frame([SQUARE], nr=["1"]).to_crs(crs).to_file(tmp_path / "a.gpkg")
    (feature,) = read_layer(tmp_path / "a.gpkg").features
    assert feature.geometry.normalize().equals_exact(SQUARE.normalize(), 1e-8)


def test_wkt_table_in_a_stated_crs(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", "id;wkt", f"1;{SQUARE.wkt}", "2;POLYGON((")
    layer = read_layer(path, crs="EPSG:4326")
    assert layer.features[0].geometry.equals(SQUARE)
    assert [(fault.row, fault.kind) for fault in layer.faults] == [(2, "empty")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("separator", [",", "\t", ";"])
def test_table_of_points(tmp_path: Path, encoding: str, separator: str) -> None:
    lines = [
        separator.join(row) for row in (("经度", "纬度", "作物"), ("125", "44", "稻"))
    ]
    path = write_csv(tmp_path / "a.txt", *lines, encoding=encoding)
    (feature,) = read_layer(path).features
    assert feature.geometry.equals(shapely.Point(125, 44))
    assert feature.values["作物"] == "稻"


def test_every_faulty_row_of_a_table_is_numbered(tmp_path: Path) -> None:
    rows = ["125,44,a", "125,x,b", "125,44", ",,c", "44,125,d", "125,44,e", "125,nan,f"]
    layer = read_layer(write_csv(tmp_path / "a.csv", "lon,lat,id", *rows))
    assert [feature.row for feature in layer.features] == [1, 6]
    assert [(fault.row, fault.kind) for fault in layer.faults] == [
        *((2, "empty"), (3, "ragged"), (4, "empty"), (5, "swapped"), (7, "empty")),
    ]
    assert all(english(str(fault)) for fault in layer.faults)


# Of unequal wings, so that their difference is an area too.
BOWTIE = shapely.Polygon([(125, 44), (125.01, 44.01), (125.01, 44), (125, 44.02)])
# A triangle and a rectangle that share one corner in one ring: area as it stands.
TOUCHING = shapely.from_wkt(
    "POLYGON((125 44,125.01 44,125.01 44.01,125.02 44.01,125.02 44.02,125.01 44.02,"
    "125.01 44.01,125 44.01,125 44))"
)


def test_geometry_is_repaired_only_where_its_area_stays(tmp_path: Path) -> None:
    path = write_geojson(
        tmp_path / "a.geojson",
        *((SQUARE, {}), (BOWTIE, {}), (TOUCHING, {}), (None, {})),
        (shapely.force_3d(SQUARE, 210.0), {}),
    )
    layer = read_layer(path)
    assert [feature.row for feature in layer.features] == [1, 3, 5]
    assert [(fault.row, fault.kind) for fault in layer.faults] == [
        *((2, "invalid"), (4, "empty")),
    ]
    assert [(said.row, said.kind) for said in layer.remarks] == [
        *((3, "repaired"), (5, "3d")),
    ]
    repaired = layer.features[1].geometry
    assert repaired.is_valid
    assert repaired.area == pytest.approx(2e-4, rel=1e-9)
    assert not layer.features[2].geometry.has_z


def test_gcj02_is_converted_once_and_said(tmp_path: Path) -> None:
    lon, lat = to_gcj02(*shapely.get_coordinates(SQUARE).T)
    shifted = shapely.Polygon(np.column_stack([lon, lat]))
    path = write_geojson(tmp_path / "a.geojson", (shifted, {"id": 1}))
    layer = read_layer(path, gcj02=True)
    assert layer.converted_from == "GCJ-02"
    assert layer.features[0].geometry.equals_exact(SQUARE, 1e-8)
    # Without the flag nothing is guessed: 480 m off, as the file has it.
    plain = read_layer(path)
    assert plain.converted_from is None
    assert plain.features[0].geometry.equals_exact(shifted, 1e-8)


def test_published_gcj02_point(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", "lon,lat", "125.306458,43.902362")
    (feature,) = read_layer(path, gcj02=True).features
    assert feature.geometry.coords[0] == pytest.approx((125.3, 43.9), abs=1e-6)


@pytest.mark.parametrize(
    ("datum", "gcj02"), [("WGS 84", True), ("GCJ-02", False), ("CGCS2000", True)]
)
def test_datum_of_the_file_is_not_overruled(
    tmp_path: Path, datum: str, gcj02: bool
) -> None:
    path = write_csv(tmp_path / "a.csv", "lon,lat,datum", f"125,44,{datum}")
    with pytest.raises(DatumConflict):
        read_layer(path, gcj02=gcj02)
    assert len(read_layer(path, gcj02=not gcj02).features) == 1


def test_cpg_that_lies_is_noticed(tmp_path: Path) -> None:
    shape = tmp_path / "a.shp"
    frame([SQUARE], crop=["玉米地块"]).to_file(shape, encoding="UTF-8")
    (tmp_path / "a.cpg").write_text("GBK")
    with pytest.raises(EncodingWrong, match="reads as utf-8"):
        read_layer(shape)
    assert read_layer(shape, encoding="utf-8").features[0].values["crop"] == "玉米地块"


@pytest.mark.parametrize("encoding", ["GBK", "UTF-8"])
def test_dbf_without_cpg(tmp_path: Path, encoding: str) -> None:
    data = frame([SQUARE, SQUARE], 作物=["玉米", "大豆"])
    data.to_file(tmp_path / "a.shp", encoding=encoding)
    (tmp_path / "a.cpg").unlink()
    layer = read_layer(tmp_path / "a.shp")
    assert [feature.values["作物"] for feature in layer.features] == ["玉米", "大豆"]


def test_deleted_record_of_a_dbf_is_no_row(tmp_path: Path) -> None:
    frame([SQUARE, SQUARE], crop=["rice", "corn"]).to_file(tmp_path / "a.shp")
    table = bytearray((tmp_path / "a.dbf").read_bytes())
    table[int.from_bytes(table[8:10], "little")] = ord("*")
    (tmp_path / "a.dbf").write_bytes(table)
    layer = read_layer(tmp_path / "a.shp")
    assert [feature.values["crop"] for feature in layer.features] == ["corn"]


def test_shapes_cut_short_are_listed(tmp_path: Path) -> None:
    frame([SQUARE, SQUARE], crop=["rice", "corn"]).to_file(tmp_path / "a.shp")
    whole = (tmp_path / "a.shp").read_bytes()
    (tmp_path / "a.shp").write_bytes(whole[:-60])
    layer = read_layer(tmp_path / "a.shp")
    assert [fault.kind for fault in layer.faults][-1:] == ["empty"]
    assert len(layer.features) + len(layer.faults) == 2


def _without_prj(folder: Path) -> Path:
    frame([SQUARE], a=["1"]).to_file(folder / "a.shp")
    (folder / "a.prj").unlink()
    return folder / "a.shp"


def _two_layers(folder: Path) -> Path:
    for name in ("fields", "roads"):
        pyogrio.write_dataframe(frame([SQUARE], a=[1]), folder / "a.gpkg", layer=name)
    return folder / "a.gpkg"


def _cut(folder: Path) -> Path:
    whole = write_geojson(folder / "a.geojson", (SQUARE, {}), (SQUARE, {}))
    whole.write_bytes(whole.read_bytes()[:-40])
    return whole


def _cut_zip(folder: Path) -> Path:
    whole = _zipped("a.shp")(frame([SQUARE], a=[1]), folder)
    whole.write_bytes(whole.read_bytes()[:200])
    return whole


def _changed_zip(folder: Path) -> Path:
    whole = write_geojson(folder / "b.geojson", (SQUARE, {}))
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(whole, "b.geojson")
    content = bytearray((folder / "a.zip").read_bytes())
    content[60:70] = bytes([255]) * 10
    (folder / "a.zip").write_bytes(content)
    return folder / "a.zip"


def _geojson_in_gbk(folder: Path) -> Path:
    path = write_geojson(folder / "a.geojson", (SQUARE, {"crop": "CROP"}))
    path.write_bytes(path.read_bytes().replace(b"CROP", "玉米".encode("gbk")))
    return path


def _in_metres(folder: Path) -> Path:
    return write_csv(folder / "a.csv", "lon,lat", "460000,4800000", "470000,4800000")


def _xian_1980(folder: Path) -> Path:
    frame([SQUARE], crs="EPSG:4610", a=[1]).to_file(folder / "a.gpkg")
    return folder / "a.gpkg"


def _beijing_1954(folder: Path) -> Path:
    frame([SQUARE], a=[1]).to_crs("EPSG:2435").to_file(folder / "a.shp")
    return folder / "a.shp"


def _plain_parquet(folder: Path) -> Path:
    pd.DataFrame({"a": [1]}).to_parquet(folder / "a.parquet")
    return folder / "a.parquet"


def _cut_parquet(folder: Path) -> Path:
    whole = _parquet(frame([SQUARE], a=[1]), folder)
    whole.write_bytes(whole.read_bytes()[:-50])
    return whole


def _cut_geopackage(folder: Path) -> Path:
    frame([SQUARE], a=[1]).to_file(folder / "a.gpkg")
    whole = (folder / "a.gpkg").read_bytes()
    (folder / "a.gpkg").write_bytes(whole[: len(whole) // 2])
    return folder / "a.gpkg"


def _other_bytes(folder: Path) -> Path:
    (folder / "a.csv").write_bytes(b"lon,lat,id\n125,44,\xff\xff\n")
    return folder / "a.csv"


REFUSALS: list[tuple[type[GroundError], Callable[[Path], Path]]] = [
    (CrsUnknown, _without_prj),
    (CrsUnknown, lambda f: write_csv(f / "a.csv", "x,y", "125,44")),
    (CrsUnknown, lambda f: write_csv(f / "a.csv", "wkt", "POINT(125 44)")),
    (LayerUnclear, _two_layers),
    (FileUnreadable, _cut),
    (FileUnreadable, _cut_zip),
    (FileUnreadable, _changed_zip),
    (EncodingWrong, _geojson_in_gbk),
    (FileUnreadable, lambda f: f / "absent.geojson"),
    (FileUnreadable, lambda f: write_geojson(f / "a.geojson")),
    (FileUnreadable, lambda f: write_csv(f / "a.csv", "")),
    (FileUnreadable, lambda f: write_csv(f / "a.csv", "lon,lat", '125,"44')),
    (FormatUnknown, lambda f: write_csv(f / "a.dwg", "")),
    (CoordinatesSwapped, lambda f: write_csv(f / "a.csv", "lon,lat", "44,125")),
    (NotDegrees, _in_metres),
    (DatumUnsure, _xian_1980),
    (DatumUnsure, _beijing_1954),
    (FileUnreadable, _plain_parquet),
    (FileUnreadable, _cut_parquet),
    (FileUnreadable, _cut_geopackage),
    (EncodingWrong, _other_bytes),
    (ColumnMissing, lambda f: write_csv(f / "a.csv", "lon,breite", "125,44")),
    (ColumnUnclear, lambda f: write_csv(f / "a.csv", "lon,lat,lat", "125,44,44")),
]


@pytest.mark.parametrize(("error", "write"), REFUSALS)
def test_file_is_refused_by_name(
    tmp_path: Path, error: type[GroundError], write: Callable[[Path], Path]
) -> None:
    path = write(tmp_path)
    with pytest.raises(error) as caught:
        read_layer(path)
    assert path.name in english(str(caught.value))
    assert caught.value.path == path


def test_stated_crs_must_not_contradict_the_file(tmp_path: Path) -> None:
    frame([SQUARE], a=[1]).to_crs("EPSG:32651").to_file(tmp_path / "a.gpkg")
    with pytest.raises(CrsConflict):
        read_layer(tmp_path / "a.gpkg", crs="EPSG:4326")
    assert read_layer(tmp_path / "a.gpkg", crs="EPSG:32651").rows == 1


def test_missing_prj_is_made_good_by_the_person(tmp_path: Path) -> None:
    layer = read_layer(_without_prj(tmp_path), crs="EPSG:4326")
    assert layer.features[0].geometry.equals(SQUARE)


def test_layer_is_chosen(tmp_path: Path) -> None:
    assert read_layer(_two_layers(tmp_path), layer="roads").rows == 1


def test_bare_shapefile_is_known_by_all_its_parts(tmp_path: Path) -> None:
    path = tmp_path / "a.shp"
    frame([SQUARE], crop=["rice"]).to_file(path)
    before = read_layer(path).checksum
    frame([SQUARE], crop=["corn"]).to_file(path)
    assert read_layer(path).checksum != before


def test_folders_of_a_kml_are_one_layer(tmp_path: Path) -> None:
    placemark = (
        "<Placemark><name>{0}</name><Point><coordinates>125,44,210</coordinates>"
        "</Point></Placemark>"
    )
    folders = "".join(
        f"<Folder><name>{name}</name>{placemark.format(name)}</Folder>" for name in "AB"
    )
    (tmp_path / "a.kml").write_text(
        '<kml xmlns="http://www.opengis.net/kml/2.2"><Document>'
        f"{folders}</Document></kml>"
    )
    layer = read_layer(tmp_path / "a.kml")
    assert [feature.values["Name"] for feature in layer.features] == ["A", "B"]
    assert {said.kind for said in layer.remarks} == {"3d"}


def test_files_of_one_name_in_an_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for folder, crop in (("a", "maize"), ("b", "rice")):
            (tmp_path / folder).mkdir()
            frame([SQUARE], crop=[crop]).to_file(tmp_path / folder / "fields.shp")
            for part in sorted((tmp_path / folder).iterdir()):
                archive.write(part, f"{folder}/{part.name}")
    with pytest.raises(LayerUnclear) as caught:
        read_layer(tmp_path / "a.zip")
    assert caught.value.layers == ("a/fields.shp", "b/fields.shp")
    layer = read_layer(tmp_path / "a.zip", layer="b/fields.shp")
    assert [feature.values["crop"] for feature in layer.features] == ["rice"]


@pytest.mark.parametrize("column", ["datum", "坐标系", "坐标系统", "CRS", "coord_type"])
def test_other_datum_is_refused_by_name(tmp_path: Path, column: str) -> None:
    for datum in ("BD-09", "北京54", "西安80"):
        path = write_csv(tmp_path / "a.csv", f"lon,lat,{column}", f"125,44,{datum}")
        with pytest.raises(DatumUnsure, match=datum) as caught:
            read_layer(path)
        english(str(caught.value))
        with pytest.raises(DatumUnsure, match=datum):
            read_layer(path, gcj02=True)


@pytest.mark.parametrize(
    "datum", ["WGS84", "WGS 84", "wgs-84", "EPSG:4326", "CGCS2000", "4490"]
)
def test_datum_that_is_wgs84(tmp_path: Path, datum: str) -> None:
    path = write_csv(tmp_path / "a.csv", "lon,lat,坐标系", f"125,44,{datum}")
    assert read_layer(path).converted_from is None


@pytest.mark.parametrize("datum", ["GCJ-02", "gcj02", "火星坐标"])
def test_gcj02_under_any_heading(tmp_path: Path, datum: str) -> None:
    path = write_csv(tmp_path / "a.csv", "lon,lat,坐标系", f"125,44,{datum}")
    with pytest.raises(DatumConflict):
        read_layer(path)
    assert read_layer(path, gcj02=True).converted_from == "GCJ-02"


def test_name_of_the_only_layer_changes_nothing(tmp_path: Path) -> None:
    frame([SQUARE], a=[1]).to_file(tmp_path / "a.gpkg", layer="one")
    assert read_layer(tmp_path / "a.gpkg").layer == ""
    assert read_layer(tmp_path / "a.gpkg", layer="one").layer == ""
    frame([SQUARE], a=[1]).to_file(tmp_path / "a.gpkg", layer="two")
    assert read_layer(tmp_path / "a.gpkg", layer="one").layer == "one"


def test_northing_before_easting(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", "X,Y,crop", "4919000,525000,玉米")
    with pytest.raises(CoordinatesSwapped, match="X and Y exchanged") as caught:
        read_layer(path, crs="EPSG:4549")
    english(str(caught.value))


def test_digits_that_a_number_cannot_hold(tmp_path: Path) -> None:
    # The empty id makes the column one of binary64 numbers, which hold 15 digits.
    path = write_geojson(
        tmp_path / "a.geojson",
        (SQUARE, {"id": None, "crop": "玉米"}),
        (shapely.box(124.6, 43.5, 124.61, 43.51), {"id": 2201841002030040056}),
    )
    intake = take_fields(read_layer(path), places(), year=2024, crop="玉米")
    assert [(one.row, one.kind) for one in intake.problems] == [
        (1, "id"),
        (2, "digits"),
    ]


def test_python_spelling_of_a_number_is_none(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", "lon,lat,crop", "125,44.4_1,玉米")
    assert [one.kind for one in read_layer(path).faults] == ["empty"]
