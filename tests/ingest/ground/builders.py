"""A province of two square counties, and files of every kind to bring in."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import geopandas
import shapely
from pyproj import Transformer

from ingest.ground.places import Places
from store.counties import County

WEST = shapely.box(124, 43, 125, 44)
EAST = shapely.box(125, 43, 126, 44)

# Clockwise from the south-west; 0.01 degree is about 800 x 1,100 m here.
SQUARE = shapely.box(124.5, 43.5, 124.51, 43.51)


def county(code: str, outline: shapely.Polygon) -> County:
    names = ("县", "County", "市", "City")
    return County(code, *names, shapely.MultiPolygon([outline]), 1.0)


def places(*, anywhere: bool = False) -> Places:
    counties = [county("220322", WEST), county("220183", EAST)]
    return Places(counties, anywhere=anywhere)


def rectangle(
    width: float, height: float, *, lon: float = 124.5, turned: float = 0
) -> shapely.Geometry:
    """Rectangle of so many metres, from the equidistant plane of its corner."""
    plane = f"+proj=aeqd +lat_0=43.5 +lon_0={lon} +datum=WGS84 +units=m"
    box = shapely.affinity.rotate(shapely.box(0, 0, width, height), turned)
    back = Transformer.from_crs(plane, "EPSG:4326", always_xy=True)
    return shapely.transform(box, back.transform, interleaved=False)


def frame(
    geometries: Iterable[shapely.Geometry | None],
    *,
    crs: str | None = "EPSG:4326",
    **columns: list[Any],
) -> geopandas.GeoDataFrame:
    return geopandas.GeoDataFrame(columns, geometry=list(geometries), crs=crs)


def write_csv(path: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return path


def write_geojson(
    path: Path, *features: tuple[shapely.Geometry | None, Mapping[str, Any]]
) -> Path:
    """Write features as they are, valid or not."""
    content = {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": dict(properties),
                "geometry": None if shape is None else shapely.geometry.mapping(shape),
            }
            for shape, properties in features
        ],
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path
