"""Where crops are known to grow: ground truth of the store, or of a file, as sites."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import shapely

from ingest.boundaries import jilin_counties
from ingest.ground.fields import take_fields
from ingest.ground.places import Places
from ingest.ground.points import take_points
from ingest.ground.vector import Layer, read_layer
from models.crop_map.classes import CROP, KINDS, NON_CROP, class_named
from store import fields, ground

if TYPE_CHECKING:
    import psycopg

    from store.fields import Field
    from store.ground import CropPoint, Segment

__all__ = ["Site", "Sites", "sites_checksum", "sites_of_file", "sites_of_store"]

# So much of a segment must one crop fill to speak for all of its pixels, and so
# little must all crops fill to call it none.
_WHOLE = 0.95
_NONE = 0.01


@dataclass(frozen=True, slots=True)
class Site:
    """A place whose class in a season is known.

    `label` is a class of `models.crop_map.classes`, or ``crop``; `geometry` a point or
    polygon in EPSG:4326.
    """

    name: str
    year: int
    label: str
    geometry: shapely.Geometry
    simulated: bool


@dataclass(frozen=True, slots=True)
class Sites:
    """Sites, and what else a person should know of where they came from."""

    sites: tuple[Site, ...]
    notes: tuple[str, ...] = ()


def sites_of_store(
    conn: "psycopg.Connection", *, years: Sequence[int], bounds: ground.Bounds
) -> Sites:
    """Return points, fields and segments of some seasons inside a rectangle.

    A segment serves where one crop fills 95 % of it, or none does.
    """
    points = (
        site
        for year in years
        for site in _points(ground.find(conn, ground.POINTS, year=year, bounds=bounds))
    )
    polygons = (
        site
        for year in years
        for site in _fields(fields.find(conn, year=year))
        if shapely.intersects(site.geometry, shapely.box(*bounds))
    )
    segments = [
        segment
        for year in years
        for segment in ground.find(conn, ground.SEGMENTS, year=year, bounds=bounds)
    ]
    pure = list(_segments(segments))
    mixed = len(segments) - len(pure)
    note = (
        f"{mixed} segments hold several crops, whose places in them are not known: "
        f"they do not train the map · {mixed} 个样方含多种作物，不用于训练"
    )
    return Sites((*points, *polygons, *pure), (note,) if mixed else ())


def sites_of_file(
    path: Path, *, year: int | None, gcj02: bool, simulated: bool
) -> Sites:
    """Return the points, or the fields, of a file; from anywhere on earth if points.

    Raises
    ------
    ingest.ground.errors.GroundError
        The file cannot be taken; the message says why.
    """
    layer = read_layer(path, gcj02=gcj02)
    places = Places(jilin_counties(), anywhere=True)
    if _is_of_points(layer):
        points = take_points(layer, places, year=year, simulated=simulated)
        found, listed = tuple(_points(points.records)), points.problems
    else:
        plots = take_fields(layer, places, year=year, simulated=simulated)
        found, listed = tuple(_fields(plots.records)), plots.problems
    told = tuple(f"{path.name}, row {one.row}: {one}" for one in listed)
    return Sites(found, told)


def sites_checksum(sites: Iterable[Site]) -> str:
    """Return the SHA-256 of what sites say, whatever their order."""
    lines = sorted(
        f"{one.name}\t{one.year}\t{one.label}\t{one.geometry.wkb_hex}" for one in sites
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _is_of_points(layer: Layer) -> bool:
    kinds = {feature.geometry.geom_type for feature in layer.features}
    return kinds <= {"Point", "MultiPoint"}


def _points(rows: Iterable["CropPoint"]) -> Iterator[Site]:
    for row in rows:
        label = (row.crop or CROP) if row.is_crop else NON_CROP.name
        name = f"point {row.lon:.6f} {row.lat:.6f}"
        yield Site(
            name, row.year, label, shapely.Point(row.lon, row.lat), row.simulated
        )


def _fields(rows: Iterable["Field"]) -> Iterator[Site]:
    for row in rows:
        label = row.crop if class_named(row.crop) else CROP
        name = f"field {row.field_id}"
        yield Site(name, row.year, label, row.geometry, row.simulated)


def _segments(rows: Iterable["Segment"]) -> Iterator[Site]:
    for row in rows:
        label = _whole_class(row)
        if label is not None:
            name = f"segment {row.segment_id}"
            yield Site(name, row.year, label, row.geometry, row.simulated)


def _whole_class(segment: "Segment") -> str | None:
    """Return the class that fills a segment, None where it is mixed or unknown."""
    areas = [getattr(segment, f"{kind.name}_ha") for kind in KINDS]
    largest = max(
        (area or 0.0, kind.name) for area, kind in zip(areas, KINDS, strict=True)
    )
    if largest[0] >= _WHOLE * segment.area_ha:
        return largest[1]
    if None in areas or sum(areas) > _NONE * segment.area_ha:
        return None
    return NON_CROP.name
