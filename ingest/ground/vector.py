"""Vector files of any usual kind as features in WGS 84."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from ingest.checksum import sha256_multihash
from ingest.ground.errors import DatumConflict, DatumUnsure, FileUnreadable
from ingest.ground.fates import Listed
from ingest.ground.geometry import (
    Coordinates,
    checked,
    crs_of,
    range_fault,
    refuse_exchanged,
    refuse_misplaced,
    transformation,
)
from ingest.ground.headers import SPELLINGS
from ingest.ground.sources import Choice, Raw, open_source
from raster.files import multihash

__all__ = ["Feature", "Layer", "read_layer"]

GCJ02 = ("gcj02", "火星坐标", "国测局坐标")
# CGCS2000 is WGS 84 to within a few centimetres.
AS_WGS84 = ("wgs84", "epsg:4326", "4326", "cgcs2000", "epsg:4490", "4490")


@dataclass(frozen=True, slots=True)
class Feature:
    """A row of a file: its number from 1, its geometry in EPSG:4326, its values."""

    row: int
    geometry: shapely.Geometry
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A file's features and what is to be said of the others.

    ``len(features) + len(faults) == rows``.
    """

    path: Path
    checksum: str
    """SHA-256 multihash of the file; of a bare shapefile, of all its parts."""
    columns: tuple[str, ...]
    rows: int
    features: tuple[Feature, ...]
    faults: tuple[Listed, ...]
    remarks: tuple[Listed, ...] = ()
    notes: tuple[str, ...] = ()
    crs: str
    """Name of the CRS that the file's coordinates were in."""
    converted_from: str | None = None
    """``"GCJ-02"`` when the coordinates were shifted back to WGS 84."""
    layer: str = ""
    """Which of several layers of the file this is; "" for the only one."""
    choice: Choice = field(default_factory=Choice)


def read_layer(
    path: Path,
    *,
    crs: str | None = None,
    gcj02: bool = False,
    layer: str | None = None,
    encoding: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> Layer:
    """Read GeoJSON, shapefile, KML, GeoPackage, GeoParquet or delimited text.

    Parameters
    ----------
    path : Path
        ``.geojson .json .shp .zip .kml .kmz .gpkg .parquet .csv .txt .tsv``.
    crs : str, optional
        CRS of a file that states none, e.g. ``"EPSG:4549"``. Columns named lon and
        lat are degrees of WGS 84 without it.
    gcj02 : bool
        The coordinates are GCJ-02; each vertex is shifted to WGS 84, once. Never
        guessed.
    layer : str, optional
        Layer of a GeoPackage, or file in an archive, that holds several.
    encoding : str, optional
        Of a table or DBF; goes before a ``.cpg``.
    columns : mapping, optional
        Meaning -> header for columns spelled otherwise.

    Returns
    -------
    Layer
        Two-dimensional, valid geometries in EPSG:4326 (WGS 84), 9 decimals.

    Raises
    ------
    GroundError
        The file as a whole cannot be taken; each subclass says why.
    """
    choice = Choice(layer=layer, encoding=encoding, crs=crs, columns=columns or {})
    raw = open_source(path, choice)
    _check_datum(raw, named=choice.columns.get("datum"), gcj02=gcj02, path=path)
    own = crs_of(raw.crs, given=crs, path=path)
    if not len(raw.rows):
        raise FileUnreadable(
            f"{path}: no rows in it · {path.name} 中没有数据", path=path
        )
    convert = transformation(
        own, bounds=shapely.total_bounds(raw.geometries), gcj02=gcj02, path=path
    )
    if own.is_projected:
        refuse_exchanged(raw.geometries, convert, path)
    moved = _moved(raw, convert, path)
    features, faults, remarks = _sorted_out(raw, moved)
    return Layer(
        path=path,
        checksum=_checksum(path),
        columns=raw.columns,
        rows=len(raw.rows),
        features=tuple(features),
        faults=tuple(faults),
        remarks=tuple(remarks),
        notes=raw.notes,
        crs=own.name,
        converted_from="GCJ-02" if gcj02 else None,
        layer=raw.layer,
        choice=choice,
    )


def _moved(
    raw: Raw, convert: Callable[[Coordinates], Coordinates], path: Path
) -> NDArray[np.object_]:
    """Geometries in WGS 84 without heights, which the datum does not change."""
    moved: NDArray[np.object_] = shapely.transform(raw.geometries, convert)
    there = [g for g in moved if g is not None and not g.is_empty]
    refuse_misplaced([range_fault(np.array(g.bounds)) for g in there], path)
    return moved


def _sorted_out(
    raw: Raw, geometries: NDArray[np.object_]
) -> tuple[list[Feature], list[Listed], list[Listed]]:
    features: list[Feature] = []
    faults: list[Listed] = []
    remarks: list[Listed] = []
    high = shapely.has_z(raw.geometries)
    for row, (values, geometry) in enumerate(
        zip(raw.rows, geometries, strict=True), start=1
    ):
        good, said = checked(row, geometry)
        if row in raw.faults:
            faults.append(raw.faults[row])
        elif good is None:
            faults.extend(said)
        else:
            features.append(Feature(row, good, values))
            remarks.extend(said)
            if high[row - 1]:
                remarks.append(Listed(row, "3d", "heights dropped", "已去掉高程"))
    return features, faults, remarks


def _check_datum(raw: Raw, *, named: str | None, gcj02: bool, path: Path) -> None:
    """Refuse what stands against the file's own word on its datum."""
    spellings = {name.casefold() for name in SPELLINGS["datum"]}
    columns = [
        name for name in raw.columns if name == named or name.casefold() in spellings
    ]
    stated = {
        str(row[name]).strip()
        for row in raw.rows
        for name in columns
        if row.get(name) not in (None, "")
    }
    strange = {name for name in stated if _plain(name) not in (*GCJ02, *AS_WGS84)}
    if strange:
        names = ", ".join(sorted(strange))
        raise DatumUnsure(
            f"{path} says that it is in {names}, which is neither WGS 84, CGCS2000 nor "
            "GCJ-02: have it converted to WGS 84 or CGCS2000"
            f" · {path.name} 注明为 {names}，不是 WGS 84、CGCS2000 或 GCJ-02，"
            "请先转换为 WGS 84 或 CGCS2000",
            path=path,
        )
    shifted = {name for name in stated if _plain(name) in GCJ02}
    if shifted and stated - shifted:
        raise DatumConflict(
            f"{path} has rows in {', '.join(sorted(stated))}: split it by datum"
            f" · {path.name} 混有多种坐标基准，请分开",
            path=path,
        )
    if gcj02 and stated - shifted:
        raise DatumConflict(
            f"{path} says that it is in {', '.join(sorted(stated))} already: leave "
            f"--gcj02 out · {path.name} 已注明为 {', '.join(sorted(stated))}，"
            "请去掉 --gcj02",
            path=path,
        )
    if shifted and not gcj02:
        raise DatumConflict(
            f"{path} says that it is in GCJ-02: give --gcj02 to have it converted"
            f" · {path.name} 注明为 GCJ-02，请加 --gcj02 进行转换",
            path=path,
        )


def _plain(datum: str) -> str:
    return "".join(letter for letter in datum.casefold() if letter not in " -_")


def _checksum(path: Path) -> str:
    if path.suffix.lower() != ".shp":
        return sha256_multihash(path)
    parts = sorted(p for p in path.parent.glob(f"{path.stem}.*") if p.is_file())
    whole = "\n".join(f"{part.suffix} {sha256_multihash(part)}" for part in parts)
    return multihash(hashlib.sha256(whole.encode()).hexdigest())
