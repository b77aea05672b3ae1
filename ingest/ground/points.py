"""Crop points: places that somebody labelled as crop, as a crop, or as neither."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from ingest.ground.crops import crop_of, label_of
from ingest.ground.fates import Intake, settle
from ingest.ground.headers import Header
from ingest.ground.places import Places
from ingest.ground.values import (
    RowFault,
    Years,
    each,
    headers_of,
    locate,
    point_of,
    text,
    unknown_crop,
)
from ingest.ground.vector import Feature, Layer
from store.ground import CropPoint

__all__ = ["point_key", "take_points"]


@dataclass(frozen=True, slots=True)
class _Label:
    lonlat: tuple[float, float]
    year: int
    is_crop: bool
    crop: str | None


def take_points(
    layer: Layer,
    places: Places,
    *,
    year: int | None = None,
    known: Iterable[CropPoint] = (),
    simulated: bool = False,
) -> Intake[CropPoint]:
    """Make crop points of a layer.

    Parameters
    ----------
    layer : Layer
        Points with a label (crop or non-crop in any spelling, or a crop's name),
        perhaps a crop type, and the year of the season.
    places : Places
        The counties; a point belongs to the one it lies in.
    year : int, optional
        Season of rows that name none. A date of collection is not the season.
    known : iterable of CropPoint
        Points stored before.
    simulated : bool
        The points are made up.

    Returns
    -------
    Intake of CropPoint
        Points of one place and season count once; contradicting ones are listed, and
        those outside the province with their distance.

    Raises
    ------
    ColumnMissing, ColumnUnclear, YearUnknown
    """
    headers = headers_of(layer)
    label, crop = headers.need("label", "crop"), headers.find("crop")
    years = Years.of(headers, year)

    def read(feature: Feature) -> _Label:
        lonlat = point_of(feature)
        is_crop, name = _label(feature, label, crop)
        return _Label(lonlat, years(feature.values), is_crop, name)

    good, faults = each(layer.features, read)
    counties, beyond = locate([(row, found.lonlat) for row, found in good], places)
    candidates = [
        (row, _point(row, found, counties[row], simulated=simulated))
        for row, found in good
        if row in counties
    ]
    settled = settle(candidates, key=point_key, content=_content, known=known)
    return Intake(
        rows=layer.rows,
        stored=tuple(settled.stored),
        duplicates=tuple(settled.duplicates),
        problems=(*layer.faults, *faults, *beyond, *settled.problems),
        remarks=layer.remarks,
        notes=(*layer.notes, headers.understood),
    )


def point_key(point: CropPoint) -> tuple[float, float, int]:
    """Return what must be unique among stored points: place and season."""
    return point.lon, point.lat, point.year


def _content(point: CropPoint) -> Hashable:
    return point.is_crop, point.crop


def _label(
    feature: Feature, label: Header, crop: Header | None
) -> tuple[bool, str | None]:
    said = text(feature.values, label)
    if said is None:
        raise RowFault("label", "no label", "没有标签")
    found = label_of(said)
    if found is None:
        raise RowFault("label", f"label {said!r} not known", f"标签 {said!r} 无法识别")
    is_crop, name = found
    typed = None if crop is None or crop == label else text(feature.values, crop)
    if typed is None:
        return is_crop, name
    kind = crop_of(typed)
    if kind is None:
        raise unknown_crop(typed)
    if not is_crop or name not in (None, kind):
        raise RowFault(
            "label",
            f"label {said!r} contradicts crop {typed!r}",
            f"标签 {said!r} 与作物 {typed!r} 矛盾",
        )
    return True, kind


def _point(
    row: int, found: _Label, county: str | None, *, simulated: bool
) -> CropPoint:
    lon, lat = found.lonlat
    return CropPoint(
        row=row,
        lon=lon,
        lat=lat,
        year=found.year,
        is_crop=found.is_crop,
        crop=found.crop,
        county=county,
        simulated=simulated,
    )
