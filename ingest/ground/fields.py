"""Fields: outlines of farm land with an id, a crop and a year."""

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import shapely

from ingest.ground.fates import Intake, Listed, Numbered, settle
from ingest.ground.headers import Header, Headers
from ingest.ground.places import Places, area_ha
from ingest.ground.values import (
    RowFault,
    Years,
    crop_from,
    each,
    headers_of,
    text,
)
from ingest.ground.vector import Feature, Layer
from store.fields import Field

__all__ = ["field_key", "take_fields"]

# Neighbours digitised one by one overlap by slivers, and outlines of the province and
# of a field at its edge differ by as much: a hundredth of the smaller area passes.
AREA_TOLERANCE = 0.01
NO_ID = (
    "no column of ids: fields are named after their outline"
    " · 没有编号列，地块按图形生成编号"
)


def take_fields(
    layer: Layer,
    places: Places,
    *,
    year: int | None = None,
    crop: str | None = None,
    known: Iterable[Field] = (),
    simulated: bool = False,
) -> Intake[Field]:
    """Make fields of a layer of polygons.

    Parameters
    ----------
    layer : Layer
        Polygons with an id, a name, a crop (maize, rice or soybean) and the year of
        the season.
    places : Places
        The counties; a field belongs to the one with most of its area.
    year, crop : optional
        Of rows that do not say.
    known : iterable of Field
        Fields stored before.

    Returns
    -------
    Intake of Field
        Area in ha on the ellipsoid. A row of several polygons gives a field for each,
        ``id-1``, ``id-2``, ... from the largest down, since each has a season of its
        own. Listed are fields outside the province or across its border, and fields
        that overlap another of the same year by more than 1 % of the smaller.

    Raises
    ------
    ColumnMissing, ColumnUnclear, YearUnknown
    """
    headers = headers_of(layer)
    reader = _Reader(headers, places, year=year, crop=crop)
    read, faults = each(layer.features, lambda f: reader(f, simulated=simulated))
    before = list(known)
    parts = [(row, field) for row, fields in read for field in fields]
    settled = settle(parts, key=field_key, content=_content, known=before)
    stored, overlapping = _apart(settled.stored, before)
    stored, duplicates, problems = _by_row(
        stored, settled.duplicates, [*settled.problems, *overlapping]
    )
    remarks = [
        Listed(row, "parts", f"{len(fields)} parts", f"分为 {len(fields)} 块")
        for row, fields in read
        if len(fields) > 1
    ]
    return Intake(
        rows=layer.rows,
        stored=tuple(stored),
        duplicates=tuple(duplicates),
        problems=(*layer.faults, *faults, *problems),
        remarks=(*layer.remarks, *remarks),
        notes=(*layer.notes, headers.understood, *([] if reader.has_id else [NO_ID])),
    )


def field_key(field: Field) -> tuple[str, int]:
    """Return what must be unique among stored fields: id and year."""
    return field.field_id, field.year


class _Reader:
    def __init__(
        self, headers: Headers, places: Places, *, year: int | None, crop: str | None
    ) -> None:
        self._years = Years.of(headers, year)
        self._crop = (
            headers.find("crop") if crop else headers.need("crop", option="--crop")
        )
        self._fixed_crop = crop
        self._id = headers.find("field") or headers.find("id")
        self._name = headers.find("name")
        self._zh, self._en = headers.find("name_zh"), headers.find("name_en")
        self._places = places

    @property
    def has_id(self) -> bool:
        """Whether a column says the fields' ids."""
        return self._id is not None

    def __call__(self, feature: Feature, *, simulated: bool) -> list[Field]:
        polygons = _polygons(feature)
        name = self._named(feature)
        names = _names(feature.values, self._zh, self._en, self._name, name)
        crop = crop_from(feature.values, self._crop, self._fixed_crop)
        if crop == "other":
            raise RowFault(
                "crop",
                "fields are of maize, rice or soybean, this is of another crop",
                "地块作物限玉米、水稻、大豆",
            )
        return [
            Field(
                name if len(polygons) == 1 else f"{name}-{number}",
                self._county(polygon),
                *names,
                crop,
                self._years(feature.values),
                polygon,
                area_ha(polygon),
                simulated,
            )
            for number, polygon in enumerate(polygons, 1)
        ]

    def _named(self, feature: Feature) -> str:
        name = text(feature.values, self._id)
        if name is None and self.has_id:
            raise RowFault("id", "no field id", "没有地块编号")
        shape = feature.geometry.normalize()
        return name or "field-" + hashlib.sha256(shape.wkb).hexdigest()[:8]

    def _county(self, polygon: shapely.Polygon) -> str:
        shares = self._places.shares(polygon)
        within = sum(shares.values())
        if within >= 1 - AREA_TOLERANCE:
            return max(sorted(shares), key=lambda code: shares[code])
        if not shares:
            inner = shapely.get_coordinates(polygon.representative_point())
            (km,) = self._places.distances_km(inner)
            raise RowFault(
                "outside",
                f"outside the province, {km:.1f} km from it",
                f"在省外，距省界 {km:.1f} 公里",
            )
        raise RowFault(
            "border",
            f"{100 * (1 - within):.1f} % of it lies outside the province",
            f"有 {100 * (1 - within):.1f}% 在省外",
        )


def _polygons(feature: Feature) -> list[shapely.Polygon]:
    parts = shapely.get_parts(feature.geometry)
    if not len(parts) or not all(isinstance(part, shapely.Polygon) for part in parts):
        kind = feature.geometry.geom_type
        raise RowFault("geometry", f"a {kind}, no polygon", f"是 {kind}，不是多边形")
    return sorted(parts, key=shapely.area, reverse=True)


def _names(
    values: Mapping[str, Any],
    zh: Header | None,
    en: Header | None,
    name: Header | None,
    field_id: str,
) -> tuple[str, str]:
    plain = text(values, name) or field_id
    return text(values, zh) or plain, text(values, en) or plain


def _content(field: Field) -> Hashable:
    outline = shapely.to_wkb(field.geometry.normalize())
    return (field.crop, field.county, field.name_zh, field.name_en, outline)


def _apart(
    fields: list[Numbered[Field]], before: Iterable[Field]
) -> tuple[list[Numbered[Field]], list[Listed]]:
    """Part the fields that overlap another of their year from those that do not."""
    new = {field_key(field) for _, field in fields}
    made_up = all(field.simulated for _, field in fields)
    # Simulated fields do not stand in the way of real ones.
    others = [
        (0, field)
        for field in before
        if field_key(field) not in new and (made_up or not field.simulated)
    ]
    everything = [*fields, *others]
    if not fields:
        return [], []
    tree = shapely.STRtree([field.geometry for _, field in everything])
    met: dict[int, list[str]] = defaultdict(list)
    pairs = tree.query([f.geometry for _, f in fields], predicate="intersects")
    for one, other in zip(*pairs, strict=True):
        if one != other and _overlap(everything[one][1], everything[other][1]):
            met[one].append(_whose(everything[other]))
    apart = [pair for number, pair in enumerate(fields) if number not in met]
    listed = [
        Listed(
            fields[number][0],
            "overlap",
            f"overlaps {', '.join(names)} of the same year",
            f"与同年的 {'、'.join(names)} 重叠",
        )
        for number, names in met.items()
    ]
    return apart, listed


def _overlap(one: Field, other: Field) -> bool:
    if one.year != other.year:
        return False
    shared = shapely.area(shapely.intersection(one.geometry, other.geometry))
    smaller = min(shapely.area(one.geometry), shapely.area(other.geometry))
    return bool(shared > AREA_TOLERANCE * smaller)


def _whose(pair: Numbered[Field]) -> str:
    row, field = pair
    return f"{field.field_id} (row {row})" if row else f"{field.field_id} (stored)"


def _by_row(
    stored: list[Numbered[Field]], duplicates: list[Listed], problems: list[Listed]
) -> tuple[list[Numbered[Field]], list[Listed], list[Listed]]:
    """Give the parts of a row one fate: a problem of one is the row's."""
    bad = {listed.row: listed for listed in reversed(problems)}
    good = [pair for pair in stored if pair[0] not in bad]
    taken = {*bad, *(row for row, _ in good)}
    same = {one.row: one for one in duplicates if one.row not in taken}
    return good, list(same.values()), list(bad.values())
