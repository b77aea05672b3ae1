"""What a user can run into is said in both languages."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.ground.errors import (
    ColumnMissing,
    ColumnUnclear,
    CrsConflict,
    CrsUnknown,
    DatumConflict,
    EncodingWrong,
    GroundError,
    LayerUnclear,
    OptionInvalid,
    UnitUnknown,
    YearUnknown,
)
from ingest.ground.headers import pairs
from ingest.ground.monitor import length_m, take_monitor
from ingest.ground.points import take_points
from ingest.ground.vector import read_layer
from tests.ingest.ground.builders import SQUARE, frame, places, write_csv
from tests.ingest.wording import english

Deed = Callable[[Path], object]

MONITOR = "lon,lat,flow,interval_s,distance_m,moisture_%,year"


def _points(folder: Path, header: str, cells: str, **options: str) -> object:
    path = write_csv(folder / "a.csv", header, cells)
    return take_points(read_layer(path, columns=options), places())


def _monitor(folder: Path, **units: str) -> object:
    path = write_csv(folder / "a.csv", MONITOR, "124.5,43.5,2,1,2,14,2011")
    return take_monitor(read_layer(path), places(), units=units)


def _datum(folder: Path, *datums: str, gcj02: bool = False) -> object:
    rows = [f"124.5,43.5,{datum}" for datum in datums]
    path = write_csv(folder / "a.csv", "lon,lat,datum", *rows)
    return read_layer(path, gcj02=gcj02)


def _dbf(folder: Path, *, cpg: str, encoding: str | None = None) -> object:
    frame([SQUARE], crop=["玉米"]).to_file(folder / "a.shp", encoding="UTF-8")
    (folder / "a.cpg").write_text(cpg)
    return read_layer(folder / "a.shp", encoding=encoding)


def _crs(folder: Path, crs: str, *, name: str | None = None) -> object:
    frame([SQUARE], a=[1]).to_file(folder / "a.gpkg")
    return read_layer(folder / "a.gpkg", crs=crs, layer=name)


@pytest.mark.parametrize(
    ("error", "deed"),
    [
        (YearUnknown, lambda f: _points(f, "lon,lat,crop", "124.5,43.5,rice")),
        (ColumnMissing, lambda f: _points(f, "lon,lat,year", "124.5,43.5,2020")),
        (ColumnMissing, lambda f: _points(f, "lon,lat,year", "1,2,3", label="x")),
        (ColumnUnclear, lambda f: _points(f, "lon,lat,crop,Year,year", "1,2,a,3,4")),
        (ColumnUnclear, lambda f: _points(f, "lon,lat,year,crop,CROP", "1,2,3,a,b")),
        (UnitUnknown, _monitor),
        (UnitUnknown, lambda f: _monitor(f, flow="gal/s")),
        (ColumnMissing, lambda f: _monitor(f, flow="kg/s")),
        (OptionInvalid, lambda f: _monitor(f, colour="red")),
        (OptionInvalid, lambda _: length_m("wide")),
        (OptionInvalid, lambda _: pairs(["a"], option="--units")),
        (DatumConflict, lambda f: _datum(f, "GCJ-02")),
        (DatumConflict, lambda f: _datum(f, "GCJ-02", "WGS 84", gcj02=True)),
        (DatumConflict, lambda f: _datum(f, "WGS 84", gcj02=True)),
        (EncodingWrong, lambda f: _dbf(f, cpg="GBK")),
        (EncodingWrong, lambda f: _dbf(f, cpg="klingon")),
        (EncodingWrong, lambda f: _dbf(f, cpg="UTF-8", encoding="ascii")),
        (CrsConflict, lambda f: _crs(f, "EPSG:4549")),
        (CrsUnknown, lambda f: _crs(f, "EPSG:nowhere")),
        (LayerUnclear, lambda f: _crs(f, "EPSG:4326", name="roads")),
    ],
)
def test_message_in_both_languages(
    tmp_path: Path, error: type[GroundError], deed: Deed
) -> None:
    with pytest.raises(error) as caught:
        deed(tmp_path)
    english(str(caught.value))
