"""Segments of an area frame: square pieces of land whose crops were surveyed.

NY/T 4619 wants segments of at least 1 x 1 km.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import shapely
from pyproj import Transformer

from ingest.ground.crops import CROPS
from ingest.ground.fates import Intake, Listed, settle
from ingest.ground.headers import Headers
from ingest.ground.places import Places, area_ha, polygonal
from ingest.ground.values import (
    RowFault,
    Years,
    crop_from,
    each,
    headers_of,
    number,
    text,
)
from ingest.ground.vector import Feature, Layer
from store.ground import Segment

__all__ = ["SegmentIntake", "segment_key", "sides_m", "take_segments"]

LEAST_SIDE_M = 1000.0
# A square kilometre drawn on a UTM grid is 0.9996 km wide on the ground: a frame that
# was laid out on a map grid passes.
SCALE_TOLERANCE = 0.001
# Of areas measured twice, and of parcels digitised along their segment's edge.
AREA_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class SegmentIntake:
    """The segments, and what became of each crop parcel if a file of them came too."""

    segments: Intake[Segment]
    parcels: Intake[Segment] | None
    """`stored` holds, for each parcel that counts, the segment it counts in."""


def take_segments(
    layer: Layer,
    places: Places,
    *,
    parcels: Layer | None = None,
    year: int | None = None,
    units: Mapping[str, str] | None = None,
    known: Iterable[Segment] = (),
    simulated: bool = False,
) -> SegmentIntake:
    """Make segments of a layer of polygons.

    Parameters
    ----------
    layer : Layer
        Polygons with an id, perhaps a stratum, the year, and crop areas with their
        unit in the header (``maize_ha``, ``玉米面积(亩)``).
    parcels : Layer, optional
        Polygons of one crop inside the segments, each with the segment's id; the
        areas are then theirs, and a crop without a parcel has none. They name the
        year where a segment has several.
    year : int, optional
        Of rows that do not say.
    known : iterable of Segment
        Segments stored before.

    Returns
    -------
    SegmentIntake
        Listed are segments smaller than 1 x 1 km (with their measure), outside the
        province, or with more crops than land; and parcels that stick out of their
        segment by more than 1 %, or overlap another of its year by more than 1 % of
        the smaller, which their segment is then listed for.

    Raises
    ------
    ColumnMissing, ColumnUnclear, UnitUnknown, YearUnknown
    """
    headers = headers_of(layer, units)
    reader = _Reader(headers, year=year, areas=parcels is None)
    good, faults = each(
        layer.features, lambda f: reader(f, places, simulated=simulated)
    )
    found = None
    if parcels is not None:
        found = _Parcels(parcels, [segment for _, segment in good])
        good, incomplete = found.counted_in(good)
        faults += incomplete
    fitting = [(row, segment) for row, segment in good if not _overfull(segment)]
    full = [_too_much(row, segment) for row, segment in good if _overfull(segment)]
    settled = settle(fitting, key=segment_key, content=_content, known=known)
    segments = Intake(
        rows=layer.rows,
        stored=tuple(settled.stored),
        duplicates=tuple(settled.duplicates),
        problems=(*layer.faults, *faults, *full, *settled.problems),
        remarks=layer.remarks,
        notes=(*layer.notes, headers.understood),
    )
    return SegmentIntake(segments, None if found is None else found.intake)


def segment_key(segment: Segment) -> tuple[str, int]:
    """Return what must be unique among stored segments: id and season."""
    return segment.segment_id, segment.year


def sides_m(polygon: shapely.Geometry) -> tuple[float, float]:
    """Shorter and longer side of the smallest rectangle around a polygon, m.

    Parameters
    ----------
    polygon : Polygon
        EPSG:4326. It is measured in the azimuthal equidistant plane of its centre,
        where lengths of a few kilometres are true to better than a millimetre.
    """
    centre = polygon.centroid
    plane = (
        f"+proj=aeqd +lat_0={centre.y:.9f} +lon_0={centre.x:.9f} +datum=WGS84 +units=m"
    )
    transformer = Transformer.from_crs("EPSG:4326", plane, always_xy=True)
    flat = shapely.transform(polygon, transformer.transform, interleaved=False)
    corners = shapely.get_coordinates(shapely.oriented_envelope(flat))
    first, second = (
        float(shapely.Point(corners[i]).distance(shapely.Point(corners[i + 1])))
        for i in (0, 1)
    )
    return min(first, second), max(first, second)


class _Reader:
    def __init__(self, headers: Headers, *, year: int | None, areas: bool) -> None:
        self._years = Years.of(headers, year)
        self._id = headers.need("segment", "id")
        self._stratum = headers.find("stratum")
        self._areas = {crop: headers.find(crop) if areas else None for crop in CROPS}
        if areas and not any(self._areas.values()):
            headers.need(*CROPS)

    def __call__(self, feature: Feature, places: Places, *, simulated: bool) -> Segment:
        name = text(feature.values, self._id)
        if name is None:
            raise RowFault("id", "no segment id", "没有样方编号")
        shape = _outline(feature)
        return Segment(
            row=feature.row,
            segment_id=name,
            stratum=text(feature.values, self._stratum) or "",
            year=self._years(feature.values),
            geometry=shape,
            area_ha=_large_enough(shape),
            county=_county(shape, places),
            simulated=simulated,
            **{f"{crop}_ha": self._area(feature.values, crop) for crop in CROPS},
        )

    def _area(self, values: Mapping[str, Any], crop: str) -> float | None:
        area = number(values, self._areas[crop], crop)
        if area is not None and area < 0:
            raise RowFault("area", f"{crop} {area:g} ha", f"{crop} 面积 {area:g} 公顷")
        return area


@dataclass(frozen=True, slots=True)
class _Parcel:
    segment: Segment
    crop: str
    inside: shapely.Geometry


class _Parcels:
    """Crop parcels, each counted in its segment and year or listed."""

    def __init__(self, layer: Layer, segments: Iterable[Segment]) -> None:
        headers = headers_of(layer)
        self._id, self._crop = headers.need("segment", "id"), headers.need("crop")
        self._year = headers.find("year")
        self._segments = {segment_key(segment): segment for segment in segments}
        read, faults = each(layer.features, self._read)
        counted, overlapping = _apart(read)
        self._areas = _sums(parcel for _, parcel in counted)
        problems = (*layer.faults, *faults, *overlapping)
        self.intake: Intake[Segment] = Intake(
            rows=layer.rows,
            stored=tuple((row, parcel.segment) for row, parcel in counted),
            duplicates=(),
            problems=problems,
            remarks=layer.remarks,
            notes=(*layer.notes, headers.understood),
        )
        bad = {listed.row for listed in problems}
        lost = [feature for feature in layer.features if feature.row in bad]
        keys, _ = each(lost, lambda feature: self._season(feature.values))
        names, nameless = each(lost, lambda feature: text(feature.values, self._id))
        # A parcel whose year cannot be told may be of any.
        unsure = {name for row, name in names if row not in dict(keys)}
        self._incomplete = {key for _, key in keys}
        self._incomplete |= {key for key in self._segments if key[0] in unsure}
        # Whose it was is lost with a parcel's outline or id.
        self._all_incomplete = bool(layer.faults or nameless)

    def counted_in(
        self, segments: list[tuple[int, Segment]]
    ) -> tuple[list[tuple[int, Segment]], list[Listed]]:
        """Segments with the areas of their parcels, and those with a bad parcel."""
        whole: list[tuple[int, Segment]] = []
        incomplete: list[Listed] = []
        for row, segment in segments:
            if self._all_incomplete or segment_key(segment) in self._incomplete:
                english = "a parcel of this segment could not be taken"
                incomplete.append(
                    Listed(row, "parcel", english, "此样方有地块未能采用")
                )
            else:
                areas = self._areas[segment_key(segment)]
                sums = {f"{crop}_ha": area for crop, area in areas.items()}
                whole.append((row, replace(segment, **sums)))  # type: ignore[arg-type]
        return whole, incomplete

    def _season(self, values: Mapping[str, Any]) -> tuple[str, int]:
        """Segment and year of a parcel, which may be no segment of the file."""
        name = text(values, self._id) or ""
        year = number(values, self._year, "year")
        seasons = [key for key in self._segments if key[0] == name]
        if year is not None:
            return name, int(year)
        if len(seasons) > 1:
            raise RowFault(
                "year",
                f"no year, and segment {name} has several",
                f"没有年份，而样方 {name} 有多个年份",
            )
        return seasons[0] if seasons else (name, 0)

    def _read(self, feature: Feature) -> _Parcel:
        key = name, year = self._season(feature.values)
        segment = self._segments.get(key)
        if segment is None:
            of, when = (f" of {year}", f"（{year} 年）") if year else ("", "")
            raise RowFault(
                "segment", f"no segment {name!r}{of}", f"没有样方 {name!r}{when}"
            )
        crop = crop_from(feature.values, self._crop, None)
        area = area_ha(_outline(feature))
        inside = polygonal(shapely.intersection(feature.geometry, segment.geometry))
        if area_ha(inside) < area * (1 - AREA_TOLERANCE):
            out = 100 * (1 - area_ha(inside) / area)
            raise RowFault(
                "parcel",
                f"{out:.1f} % of the parcel lies outside segment {name}",
                f"地块有 {out:.1f}% 在样方 {name} 之外",
            )
        return _Parcel(segment, crop, inside)


def _apart(
    parcels: list[tuple[int, _Parcel]],
) -> tuple[list[tuple[int, _Parcel]], list[Listed]]:
    """Part the parcels that overlap another of their segment and year."""
    if not parcels:
        return [], []
    tree = shapely.STRtree([parcel.inside for _, parcel in parcels])
    met: dict[int, list[int]] = defaultdict(list)
    pairs = tree.query([p.inside for _, p in parcels], predicate="intersects")
    for one, other in zip(*pairs, strict=True):
        if one != other and _overlap(parcels[one][1], parcels[other][1]):
            met[one].append(parcels[other][0])
    apart = [pair for number, pair in enumerate(parcels) if number not in met]
    listed = [
        Listed(
            parcels[number][0],
            "overlap",
            f"overlaps row {', '.join(map(str, rows))} of the same segment and year",
            f"与同一样方同年的第 {'、'.join(map(str, rows))} 行重叠",
        )
        for number, rows in sorted(met.items())
    ]
    return apart, listed


def _overlap(one: _Parcel, other: _Parcel) -> bool:
    if segment_key(one.segment) != segment_key(other.segment):
        return False
    shared = shapely.area(shapely.intersection(one.inside, other.inside))
    smaller = min(shapely.area(one.inside), shapely.area(other.inside))
    return bool(shared > AREA_TOLERANCE * smaller)


def _sums(parcels: Iterable[_Parcel]) -> Mapping[tuple[str, int], Mapping[str, float]]:
    """Area of each crop in each segment and year, ha."""
    areas: dict[tuple[str, int], dict[str, float]] = defaultdict(
        lambda: dict.fromkeys(CROPS, 0.0)
    )
    for parcel in parcels:
        areas[segment_key(parcel.segment)][parcel.crop] += area_ha(parcel.inside)
    return areas


def _outline(feature: Feature) -> shapely.Geometry:
    shape = feature.geometry
    if not shapely.area(shape) > 0:
        kind = shape.geom_type
        raise RowFault("geometry", f"a {kind}, no polygon", f"是 {kind}，不是多边形")
    parts = shapely.get_parts(shape)
    return parts[0] if len(parts) == 1 else shape


def _large_enough(shape: shapely.Geometry) -> float:
    area = area_ha(shape)
    short, long = sides_m(shape)
    least = LEAST_SIDE_M * (1 - SCALE_TOLERANCE)
    if short < least or area < least**2 / 1e4:
        raise RowFault(
            "small",
            f"{short:.0f} x {long:.0f} m, {area / 100:.4f} km2: at least 1 x 1 km",
            f"{short:.0f} × {long:.0f} 米，{area / 100:.4f} 平方公里，不足 1 × 1 公里",
        )
    return area


def _county(shape: shapely.Geometry, places: Places) -> str | None:
    shares = places.shares(shape)
    within = sum(shares.values())
    if within < 1 - AREA_TOLERANCE and not places.anywhere:
        raise RowFault(
            "outside",
            f"{100 * (1 - within):.1f} % of it lies outside the province",
            f"有 {100 * (1 - within):.1f}% 在省外",
        )
    return max(sorted(shares), key=lambda code: shares[code], default=None)


def _crops_ha(segment: Segment) -> float:
    areas = (segment.maize_ha, segment.rice_ha, segment.soybean_ha, segment.other_ha)
    return sum(area for area in areas if area is not None)


def _overfull(segment: Segment) -> bool:
    return _crops_ha(segment) > segment.area_ha * (1 + AREA_TOLERANCE)


def _too_much(row: int, segment: Segment) -> Listed:
    crops, land = _crops_ha(segment), segment.area_ha
    return Listed(
        row,
        "shares",
        f"crops of {crops:.2f} ha on {land:.2f} ha of land",
        f"作物面积 {crops:.2f} 公顷，超过样方面积 {land:.2f} 公顷",
    )


def _content(segment: Segment) -> Hashable:
    areas = (segment.maize_ha, segment.rice_ha, segment.soybean_ha, segment.other_ha)
    return (segment.stratum, shapely.to_wkb(segment.geometry.normalize()), *areas)
