"""Samples for a phone: KML and GeoJSON to find them, CSV and a page to answer in.

The page is one file that needs no network; what it saves is what `heitu ingest points`
and `heitu ingest segments` read. What the map says of a place is in none of the files:
who knows the map's answer gives it.
"""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import shapely

from raster.files import replace_file

__all__ = ["Place", "write_points", "write_segments"]

CHOICES = (
    ("maize", "玉米 maize"),
    ("rice", "水稻 rice"),
    ("soybean", "大豆 soybean"),
    ("other", "其他作物 other crop"),
    ("non-crop", "非耕地 non-crop"),
)
CROPS = CHOICES[:4]


@dataclass(frozen=True, slots=True)
class Place:
    """A sample: its id, where it is (EPSG:4326: point or polygon), its stratum.

    The stratum is written for segments only; of points it is the map's class.
    """

    name: str
    geometry: shapely.Geometry
    stratum: str = ""


def write_points(
    folder: Path, places: Sequence[Place], *, year: int, choices: Sequence[str] = ()
) -> list[Path]:
    """Write points.csv, points.geojson, points.kml and points.html.

    Parameters
    ----------
    choices
        Names of the map's classes that are no crops, to offer as answers.

    Returns
    -------
    list of Path, of the files.

    Raises
    ------
    raster.DiskFull, raster.WriteFailed
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    # The datum keeps a reader from taking the places for GCJ-02.
    writer.writerow(("id", "lon", "lat", "datum", "year", "crop", "note"))
    for place in places:
        # Nine decimals: the pixel that was drawn, however small, and no neighbour.
        x, y = place.geometry.x, place.geometry.y
        writer.writerow((place.name, f"{x:.9f}", f"{y:.9f}", "WGS 84", year, "", ""))
    # Crops always, also those that the map does not know: the ground may have them.
    offered = [*CHOICES, *((name, name) for name in choices)]
    features = [_feature(place, {"id": place.name, "year": year}) for place in places]
    return _written(
        folder,
        "points",
        features,
        page=_page("points", features, year=year, choices=offered),
        table=text.getvalue(),
    )


def write_segments(folder: Path, places: Sequence[Place], *, year: int) -> list[Path]:
    """Write segments.geojson, segments.kml and segments.html; see `write_points`."""
    features = [
        _feature(
            place,
            {
                "segment_id": place.name,
                "stratum": place.stratum,
                "year": year,
                # Empty, not 0: nobody has looked yet.
                **{f"{crop}_ha": None for crop, _ in CROPS},
            },
        )
        for place in places
    ]
    page = _page("segments", features, year=year, choices=CROPS)
    return _written(folder, "segments", features, page=page)


def _feature(place: Place, properties: dict[str, Any]) -> dict[str, Any]:
    geometry = json.loads(shapely.to_geojson(place.geometry))
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _written(
    folder: Path,
    name: str,
    features: Sequence[dict[str, Any]],
    *,
    page: str,
    table: str | None = None,
) -> list[Path]:
    contents = {
        f"{name}.geojson": json.dumps(
            {"type": "FeatureCollection", "features": features}, ensure_ascii=False
        ),
        f"{name}.kml": _kml(features),
        f"{name}.html": page,
    }
    if table is not None:
        # Excel takes UTF-8 for the local code page unless the file starts with the
        # mark.
        contents[f"{name}.csv"] = f"\ufeff{table}"
    folder.mkdir(parents=True, exist_ok=True)
    # Each whole or not at all: a phone may be taking them at this moment.
    for file, text in contents.items():
        replace_file(folder / file, text.encode())
    return [folder / file for file in contents]


def _kml(features: Sequence[dict[str, Any]]) -> str:
    marks = "\n".join(_placemark(feature) for feature in features)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<kml xmlns="http://www.opengis.net/kml/2.2"><Document>\n'
        f"<name>heitu</name>\n{marks}\n</Document></kml>\n"
    )


def _placemark(feature: dict[str, Any]) -> str:
    properties, geometry = feature["properties"], feature["geometry"]
    name = properties.get("id") or properties["segment_id"]
    if geometry["type"] == "Point":
        x, y = geometry["coordinates"][:2]
        shape = f"<Point><coordinates>{x:.9f},{y:.9f}</coordinates></Point>"
    else:
        ring = " ".join(f"{x:.9f},{y:.9f}" for x, y in geometry["coordinates"][0])
        shape = (
            "<Polygon><outerBoundaryIs><LinearRing><coordinates>"
            f"{ring}</coordinates></LinearRing></outerBoundaryIs></Polygon>"
        )
    return f"<Placemark><name>{escape(str(name))}</name>{shape}</Placemark>"


def _page(
    kind: str,
    features: Sequence[dict[str, Any]],
    *,
    year: int,
    choices: Sequence[tuple[str, str]],
) -> str:
    page = files("api").joinpath("area_form.html").read_text(encoding="utf-8")
    data = {"kind": kind, "year": year, "choices": choices, "features": features}
    # "</script>" in a name would end the script.
    text = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    return page.replace("/*DATA*/null", text)
