"""Sums over zones for a season's dates: ours against exactextract called per date.

    python bench/zonal.py [counties | fields] [--resolution METRES]

counties: the 60 counties of Jilin and 24 dates on the province's grid, at 250 m if not
said otherwise; fields: 5,000 fields of a 30 km square at 10 m. Values are NDVI * 10000
as int16 with clouds of 20 to 40 % in blobs. Both sides get arrays in memory and are
asked for mean and sum; exactextract gets polygons that are projected already, ours
projects them itself. All figures are CPU seconds; kernels are compiled beforehand. The
last line is one JSON object:

``ours_s`` all dates with the weights at hand, ``build_s`` the weights, ``load_s`` the
weights from their file, ``peer_s`` exactextract once a date with GeoJSON features, as
its documentation has it; ``zonal_peer_over_ours`` and ``..._with_build`` their ratios,
``max_rel_diff`` of mean and sum. Also exactextract in the best hands: ``peer_wkb_s``
with features in WKB, ``peer_one_call_s`` with those and all dates in one call, for
which the polygons are intersected only once.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import shapely
from exactextract import exact_extract  # type: ignore[import-untyped]
from exactextract.feature import (  # type: ignore[import-untyped]
    Feature,
    FeatureSource,
    JSONFeatureSource,
)
from exactextract.raster import NumPyRasterSource  # type: ignore[import-untyped]
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from scipy.ndimage import zoom
from shapely.geometry.base import BaseGeometry

from ingest.boundaries import jilin_counties
from raster.coverage import Coverage, coverage
from raster.grid import ALBERS_CHINA, geobox_for
from raster.zone_totals import ZoneTotals, zone_totals

DATES = 24
NODATA = -32768
FIELDS = 5000
SQUARE = (125.0, 43.8, 125.37, 44.07)

T = TypeVar("T")

Result = list[tuple[NDArray[np.float64], NDArray[np.float64]]]


def counties(resolution: float) -> tuple[GeoBox, list[BaseGeometry]]:
    """Return the province's grid and its 60 counties."""
    polygons = [county.geometry for county in jilin_counties()]
    bounds = tuple(shapely.total_bounds(polygons).tolist())
    return geobox_for(bounds, crs=ALBERS_CHINA, resolution=resolution), polygons


def fields(resolution: float) -> tuple[GeoBox, list[BaseGeometry]]:
    """Return a square's grid and 5,000 quadrangles of 1 to 12 ha in it."""
    geobox = geobox_for(SQUARE, crs=ALBERS_CHINA, resolution=resolution)
    rng = np.random.default_rng(7)
    west, south, east, north = SQUARE
    centre = rng.uniform((west, south), (east, north), (FIELDS, 1, 2))
    half = rng.uniform(0.0006, 0.002, (FIELDS, 1, 1))
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    corners = corners * (1, 0.72) + rng.uniform(-0.2, 0.2, corners.shape) * half
    return geobox, list(shapely.polygons(centre + corners))


def season(geobox: GeoBox) -> NDArray[np.int16]:
    """Make NDVI of all dates, (time, y, x), with texture and clouds."""
    rng = np.random.default_rng(1)
    values = np.empty((DATES, *geobox.shape), np.int16)
    for t in range(DATES):
        level = 0.2 + 0.6 * np.sin(np.pi * t / DATES)
        values[t] = 10000 * np.clip(level + 0.1 * blobs(rng, geobox, 200), -0.2, 0.98)
        values[t] += rng.integers(-300, 300, geobox.shape, np.int16)
        cloud = blobs(rng, geobox, 60)
        values[t][cloud > np.quantile(cloud[::7, ::7], rng.uniform(0.6, 0.8))] = NODATA
    return values


def blobs(rng: np.random.Generator, geobox: GeoBox, across: int) -> NDArray[np.float32]:
    """Make smooth noise with about `across` blobs along the longer side."""
    height, width = geobox.shape
    side = max(height, width) / across
    coarse = rng.normal(size=(int(height / side) + 2, int(width / side) + 2))
    fine = zoom(coarse.astype(np.float32), side, order=1)
    return fine[:height, :width]


class _Polygon(Feature):  # type: ignore[misc]
    def __init__(self, wkb: bytes) -> None:
        super().__init__()
        self._wkb = wkb

    def geometry(self) -> bytes:
        return self._wkb

    def fields(self) -> list[str]:
        return []


class _Polygons(FeatureSource):  # type: ignore[misc]
    def __init__(self, wkbs: Sequence[bytes]) -> None:
        super().__init__()
        self._wkbs = wkbs

    def count(self) -> int:
        return len(self._wkbs)

    def __iter__(self) -> Iterator[_Polygon]:
        return map(_Polygon, self._wkbs)

    def srs_wkt(self) -> None:
        return None


def source(
    plane: NDArray[np.int16], geobox: GeoBox, name: str = "v"
) -> NumPyRasterSource:
    """Give one date to exactextract."""
    return NumPyRasterSource(plane, *geobox.boundingbox.bbox, nodata=NODATA, name=name)


def peer(values: NDArray[np.int16], geobox: GeoBox, features: FeatureSource) -> Result:
    """Call exactextract once a date; returns (mean, sum) of each."""
    tables = [
        exact_extract(source(plane, geobox), features, ["mean", "sum"], output="pandas")
        for plane in values
    ]
    return [(t["mean"].to_numpy(float), t["sum"].to_numpy(float)) for t in tables]


def peer_one_call(
    values: NDArray[np.int16], geobox: GeoBox, features: FeatureSource
) -> None:
    """Call exactextract once for all dates."""
    dates = [source(plane, geobox, f"t{t}") for t, plane in enumerate(values)]
    exact_extract(dates, features, ["mean", "sum"], output="pandas")


def projected(polygons: Sequence[BaseGeometry]) -> NDArray[np.object_]:
    """Bring polygons to the grid's CRS."""
    to_grid = Transformer.from_crs("EPSG:4326", ALBERS_CHINA, always_xy=True)
    dense = shapely.segmentize(np.array(polygons), 0.05)
    flat: NDArray[np.object_] = shapely.transform(
        dense, to_grid.transform, interleaved=False
    )
    return flat


def timed(deed: Callable[[], T]) -> tuple[T, float]:
    """Do something; returns what it gave and its CPU seconds."""
    started = time.process_time()
    given = deed()
    return given, time.process_time() - started


def reloaded(
    weights: Coverage, geobox: GeoBox, polygons: Sequence[BaseGeometry]
) -> float:
    """Save the weights; returns CPU seconds of loading them."""
    with tempfile.TemporaryDirectory(prefix="heitu-bench-") as folder:
        path = Path(folder) / "weights.npz"
        weights.save(path)
        return timed(lambda: Coverage.load(path, geobox=geobox, geometries=polygons))[1]


def difference(totals: ZoneTotals, theirs: Result) -> float:
    """Return the largest relative difference of a mean or a sum."""
    mean = np.stack([mean for mean, _ in theirs], axis=1)
    total = np.stack([total for _, total in theirs], axis=1)
    seen = totals.weight > 0
    ours = totals.total[seen]
    of_sums = np.abs(ours / total[seen] - 1)
    of_means = np.abs(ours / totals.weight[seen] / mean[seen] - 1)
    return float(max(of_sums.max(), of_means.max()))


def compare(geobox: GeoBox, polygons: list[BaseGeometry]) -> dict[str, Any]:
    """Run both sides on the same values."""
    values = season(geobox)
    # The first call compiles.
    zone_totals(values[:1], coverage(geobox, polygons[:1]), nodata=NODATA)
    weights, build = timed(lambda: coverage(geobox, polygons))
    totals, ours = timed(lambda: zone_totals(values, weights, nodata=NODATA))
    flat = projected(polygons)
    shapes = [shapely.geometry.mapping(polygon) for polygon in flat]
    features = [{"type": "Feature", "geometry": s, "properties": {}} for s in shapes]
    theirs, by_date = timed(lambda: peer(values, geobox, JSONFeatureSource(features)))
    wkb = _Polygons(shapely.to_wkb(flat).tolist())
    _, by_wkb = timed(lambda: peer(values, geobox, wkb))
    _, one_call = timed(lambda: peer_one_call(values, geobox, wkb))
    seconds = {
        "ours_s": ours,
        "build_s": build,
        "load_s": reloaded(weights, geobox, polygons),
        "peer_s": by_date,
        "peer_wkb_s": by_wkb,
        "peer_one_call_s": one_call,
    }
    return {
        "zonal_peer_over_ours": round(by_date / ours, 1),
        "zonal_peer_over_ours_with_build": round(by_date / (ours + build), 1),
        "zonal_peer_wkb_over_ours": round(by_wkb / ours, 1),
        "zonal_peer_wkb_over_ours_with_build": round(by_wkb / (ours + build), 1),
        "zonal_peer_one_call_over_ours": round(one_call / ours, 1),
        "max_rel_diff": difference(totals, theirs),
        **{name: round(spent, 3) for name, spent in seconds.items()},
        "zones": len(polygons),
        "dates": DATES,
        "grid": list(geobox.shape),
        "runs": len(weights.runs),
        "nodata_share": round(float((values == NODATA).mean()), 3),
    }


def main() -> None:
    """Compare on the zones asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("zones", nargs="?", default="counties")
    parser.add_argument("--resolution", type=float)
    asked = parser.parse_args()
    if asked.zones == "fields":
        geobox, polygons = fields(asked.resolution or 10.0)
    else:
        geobox, polygons = counties(asked.resolution or 250.0)
    print(json.dumps(compare(geobox, polygons)))


if __name__ == "__main__":
    main()
