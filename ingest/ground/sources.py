"""Opening vector files: what GDAL, GeoParquet or a table holds, as it stands there."""

import tempfile
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import CRSError, DataLayerError, DataSourceError, FeatureError
from pyproj import CRS

from ingest.ground.decoding import encoding_of
from ingest.ground.errors import (
    EncodingWrong,
    FileUnreadable,
    FormatUnknown,
    LayerUnclear,
)
from ingest.ground.fates import Listed
from ingest.ground.headers import Headers
from ingest.ground.tables import TextTable, number_of, read_table

__all__ = ["SUFFIXES", "Raw", "open_source"]

GDAL_SUFFIXES = (".geojson", ".json", ".shp", ".kml", ".gpkg")
ARCHIVES = (".zip", ".kmz")
TABLES = (".csv", ".txt", ".tsv")
PARQUET = (".parquet", ".geoparquet")
SUFFIXES = (*GDAL_SUFFIXES, *ARCHIVES, *PARQUET, *TABLES)

# What GDAL adds to every placemark of a KML file.
KML_EXTRAS = frozenset(
    {"id", "description", "timestamp", "begin", "end", "altitudeMode", "tessellate"}
    | {"extrude", "visibility", "drawOrder", "icon", "snippet"}
)
# A zip that is cut or changed, of an unknown method, or encrypted.
_ZIP_FAULTS = (
    *(zipfile.BadZipFile, zlib.error, EOFError),
    *(NotImplementedError, RuntimeError),
)
# GDAL reads a DBF as it stands when told Latin 1, which has a character a byte.
AS_BYTES = "ISO-8859-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """A layer as it stands in its file."""

    columns: tuple[str, ...]
    rows: list[dict[str, Any]]
    geometries: NDArray[np.object_]
    """Shapely geometries in the file's own CRS; None where there is none."""
    crs: CRS | None
    faults: dict[int, Listed] = field(default_factory=dict)
    """Rows that cannot be read, by number."""
    notes: tuple[str, ...] = ()
    layer: str = ""
    """Which of several layers of the file this is; "" for the only one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the person says about a file."""

    layer: str | None = None
    encoding: str | None = None
    crs: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


def open_source(path: Path, choice: Choice) -> Raw:
    """Read one layer of a file.

    Raises
    ------
    FileUnreadable, FormatUnknown, LayerUnclear, EncodingWrong, ColumnMissing
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise FormatUnknown(
            f"{path}: not a kind of file that is read here; give one of "
            f"{', '.join(SUFFIXES)} · 不支持 {path.name} 的格式",
            path=path,
        )
    if not path.is_file():
        raise FileUnreadable(f"{path}: no such file · 找不到文件 {path}", path=path)
    if suffix in TABLES:
        return _table(path, choice)
    if suffix in PARQUET:
        return _parquet(path)
    if suffix in ARCHIVES:
        with _unpacked(path, choice.layer) as (inner, name):
            # The choice of a layer was that of the archive's member.
            raw = _gdal(inner, replace(choice, layer=None), shown=path)
            return replace(raw, layer=name)
    return _gdal(path, choice, shown=path)


def _table(path: Path, choice: Choice) -> Raw:
    table = read_table(path, encoding=choice.encoding)
    headers = Headers(table.columns, path=path, given=choice.columns)
    if (wkt := headers.find("wkt")) is not None:
        position = table.columns.index(wkt.column)
        texts = [row[position : position + 1] for row in table.rows]
        points = [_from_wkt(*text) if text else None for text in texts]
        crs = None
    else:
        lon, lat = headers.need("lon"), headers.need("lat")
        points = _points(table, lon.column, lat.column)
        # x and y can be metres of any grid; columns named longitude are degrees.
        named = {lon.column.lower(), lat.column.lower()} & {"x", "y"}
        crs = None if named or choice.crs else CRS.from_epsg(4326)
    width = len(table.columns)
    faults = {
        number: _ragged(number, len(row), width)
        for number, row in enumerate(table.rows, 1)
        if len(row) != width
    }
    return Raw(
        columns=table.columns,
        rows=[dict(zip(table.columns, row, strict=False)) for row in table.rows],
        geometries=_objects(points),
        crs=crs,
        faults=faults,
    )


def _points(table: TextTable, lon: str, lat: str) -> list[shapely.Geometry | None]:
    x, y = table.columns.index(lon), table.columns.index(lat)
    return [
        _point(row[x], row[y]) if len(row) > max(x, y) else None for row in table.rows
    ]


def _point(x: str, y: str) -> shapely.Point | None:
    try:
        lon, lat = number_of(x), number_of(y)
    except ValueError:
        return None
    return shapely.Point(lon, lat) if np.isfinite([lon, lat]).all() else None


def _from_wkt(text: str) -> shapely.Geometry | None:
    geometry: shapely.Geometry | None = shapely.from_wkt(text, on_invalid="ignore")
    return geometry


def _ragged(row: int, cells: int, width: int) -> Listed:
    english = f"{cells} cells where the header has {width}"
    return Listed(row, "ragged", english, f"有 {cells} 个单元格，表头为 {width} 个")


def _parquet(path: Path) -> Raw:
    try:
        frame = geopandas.read_parquet(path)
    except (ValueError, OSError, KeyError, shapely.errors.GEOSException) as exc:
        raise _unreadable(path, exc) from exc
    return _from_frame(frame, notes=())


def _gdal(path: Path, choice: Choice, *, shown: Path) -> Raw:
    is_dbf = path.suffix.lower() == ".shp"
    encoding = AS_BYTES if is_dbf else None
    try:
        names = _spatial(path)
        if path.suffix.lower() == ".kml":
            # Folders of a KML file only group its placemarks.
            wanted, layer = names, ""
        else:
            wanted = [_layer(names, choice.layer, shown)]
            layer = wanted[0] if len(names) > 1 else ""
        parts = [_read(path, name, encoding, shown) for name in wanted]
    except (DataSourceError, DataLayerError, FeatureError, CRSError) as exc:
        raise _unreadable(shown, exc) from exc
    except UnicodeDecodeError as exc:
        raise EncodingWrong(
            f"{shown}: the text is not UTF-8, as this format wants it; convert the file"
            f" · {shown.name} 的文字不是该格式要求的 UTF-8，请转换文件",
            path=shown,
        ) from exc
    frames = [frame for frame, _ in parts]
    frame = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    if path.suffix.lower() == ".kml":
        frame = frame.drop(columns=[c for c in frame.columns if c in KML_EXTRAS])
    notes = tuple(dict.fromkeys(note for _, said in parts for note in said))
    if is_dbf:
        frame = _decoded(frame, path, choice.encoding, shown)
    return replace(_from_frame(frame, notes=notes), layer=layer)


def _read(
    path: Path, layer: str, encoding: str | None, shown: Path
) -> tuple[geopandas.GeoDataFrame, list[str]]:
    promised = pyogrio.read_info(path, layer=layer, force_feature_count=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        frame = pyogrio.read_dataframe(
            path,
            layer=layer,
            encoding=encoding,
            on_invalid="ignore",
            datetime_as_string=True,
        )
    if not isinstance(frame, geopandas.GeoDataFrame):
        raise FileUnreadable(
            f"{shown}: the layer {layer} holds no geometry · {shown.name} 没有几何图形",
            path=shown,
        )
    # A shapefile counts records that were deleted and not yet packed away.
    if promised["features"] - _deleted(path) != len(frame):
        raise FileUnreadable(
            f"{shown}: {promised['features']} features by its header, {len(frame)} "
            f"could be read; the file is cut short · {shown.name} 不完整",
            path=shown,
        )
    return frame, [f"GDAL: {warning.message}" for warning in caught]


def _spatial(path: Path) -> list[str]:
    """Names of the layers that have geometry; of all, if none has."""
    layers = pyogrio.list_layers(path)
    names = [str(name) for name, geometry in layers if geometry is not None]
    return names or [str(name) for name, _ in layers]


def _deleted(path: Path) -> int:
    """Count the records of a shapefile's DBF that are marked as deleted."""
    table = path.with_suffix(".dbf")
    if path.suffix.lower() != ".shp" or not table.is_file():
        return 0
    content = table.read_bytes()
    # dBASE III header: its own length and a record's, 16 bits each, from byte 8 on.
    header, width = (int.from_bytes(content[i : i + 2], "little") for i in (8, 10))
    return content[header :: max(width, 1)].count(b"*")


def _layer(names: Sequence[str], wanted: str | None, path: Path) -> str:
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted is not None and wanted in names:
        return wanted
    there = ", ".join(names) or "none"
    raise LayerUnclear(
        f"{path}: its layers are {there}; choose one with --layer"
        f" · {path.name} 的图层有 {there}，请用 --layer 选择其一",
        path=path,
        layers=names,
    )


def _from_frame(frame: geopandas.GeoDataFrame, *, notes: tuple[str, ...]) -> Raw:
    if frame.active_geometry_name is None:
        raise FileUnreadable("the file holds no geometry · 文件没有几何图形")
    values = pd.DataFrame(frame.drop(columns=frame.active_geometry_name))
    plain = values.astype(object).where(values.notna(), None)
    return Raw(
        columns=tuple(map(str, plain.columns)),
        rows=[{str(k): v for k, v in row.items()} for row in plain.to_dict("records")],
        geometries=_objects(frame.geometry.to_numpy()),
        crs=None if frame.crs is None else CRS(frame.crs),
        notes=notes,
    )


def _decoded(
    frame: geopandas.GeoDataFrame, path: Path, given: str | None, shown: Path
) -> geopandas.GeoDataFrame:
    """Texts and names of a DBF, read as bytes, in the encoding they are in."""
    texts = [c for c in frame.columns if c != frame.active_geometry_name]
    values = [
        value.encode("latin-1")
        for column in texts
        for value in frame[column]
        if isinstance(value, str)
    ]
    names = [str(column).encode("latin-1") for column in texts]
    declared, by = _declared(path, given)
    encoding = encoding_of([*names, *values], declared=declared, by=by, path=shown)

    def decode(value: object) -> object:
        if not isinstance(value, str):
            return value
        # The width of a DBF field may have cut the last character.
        return value.encode("latin-1").decode(encoding, errors="ignore")

    decoded = {column: frame[column].map(decode).astype(object) for column in texts}
    return frame.assign(**decoded).rename(columns={c: decode(c) for c in texts})


def _declared(path: Path, given: str | None) -> tuple[str | None, str]:
    if given is not None:
        return given, "--encoding"
    for suffix in (".cpg", ".CPG"):
        cpg = path.with_suffix(suffix)
        if cpg.is_file():
            return cpg.read_text(encoding="ascii", errors="replace").strip(), cpg.name
    return None, ""


@contextmanager
def _unpacked(path: Path, layer: str | None) -> Iterator[tuple[Path, str]]:
    """Lay one data set of an archive into a temporary folder, plainly named.

    With it comes its name in the archive, "" if it is the only one.
    """
    try:
        with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
            member, shown = _member(archive, path, layer)
            stem = str(PurePosixPath(member).with_suffix(""))
            for name in archive.namelist():
                # Names in a zip made under Chinese Windows are in no known encoding,
                # so the parts of a shapefile get new ones.
                if str(PurePosixPath(name).with_suffix("")) == stem:
                    suffix = PurePosixPath(name).suffix.lower()
                    (Path(folder) / f"layer{suffix}").write_bytes(archive.read(name))
            yield Path(folder) / f"layer{PurePosixPath(member).suffix.lower()}", shown
    except _ZIP_FAULTS as exc:
        raise _unreadable(path, exc) from exc


def _member(archive: zipfile.ZipFile, path: Path, layer: str | None) -> tuple[str, str]:
    """Name the member that is meant, in full and as a layer ("" for the only one)."""
    # macOS adds a shadow of each file.
    members = [
        name
        for name in archive.namelist()
        if PurePosixPath(name).suffix.lower() in GDAL_SUFFIXES
        and "__MACOSX" not in name
    ]
    stems = Counter(PurePosixPath(name).stem for name in members)
    found = {
        name if stems[PurePosixPath(name).stem] > 1 else PurePosixPath(name).stem: name
        for name in members
    }
    if not found:
        raise FileUnreadable(
            f"{path}: no shapefile, KML, GeoJSON or GeoPackage in it"
            f" · {path.name} 中没有可读的矢量文件",
            path=path,
        )
    chosen = _layer(list(found), layer, path)
    return found[chosen], chosen if len(found) > 1 else ""


def _objects(
    geometries: Sequence[shapely.Geometry | None] | NDArray[np.object_],
) -> NDArray[np.object_]:
    array = np.empty(len(geometries), dtype=object)
    array[:] = list(geometries)
    return array


def _unreadable(path: Path, why: Exception) -> FileUnreadable:
    return FileUnreadable(
        f"{path} cannot be read ({why}); is the file whole?"
        f" · 无法读取 {path.name}，请检查文件是否完整",
        path=path,
    )
