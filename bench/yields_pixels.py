"""Pixel yields: do they add up to the counties, and how fast are they made?

    python bench/yields_pixels.py [--resolution METRES]

The 60 counties of Jilin on the province's equal-area grid (1,000 m if not said
otherwise) with made-up crop fractions, a made-up season of 22 dekads of NDVI with gaps
and made-up weather: all simulated, for what is measured is sums and seconds. The
light-use model makes an index, the map is scaled to 60 county values with a cap, and
whole kg/ha as stored are added up again. Kernels are compiled beforehand; seconds are
CPU seconds of this process.

``measure()`` returns what the last line prints as one JSON object:
``pixel_sum_max_rel_diff`` over the counties that have pixels, ``counties`` and
``counties_ok`` of them, ``pixel_model_px_per_cpu_s`` and ``county_map_px_per_cpu_s``.
"""

import argparse
import json
import time
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from ingest.boundaries import jilin_counties
from models.pixel_yield import NODATA as MAP_NODATA
from models.pixel_yield import LightUse, MapStatus, county_light, county_map
from raster.grid import ALBERS_CHINA, geobox_for
from raster.zonal import zone_index

STEPS = 22
NODATA = -32768
START = date(2025, 4, 1)
POTENTIAL = 18.0


def province(resolution: float) -> tuple[NDArray[np.int16], list[str]]:
    """Lay the counties over the grid; returns zones and codes."""
    counties = jilin_counties()
    polygons = [county.geometry for county in counties]
    bounds = tuple(shapely.total_bounds(polygons).tolist())
    geobox = geobox_for(bounds, crs=ALBERS_CHINA, resolution=resolution)
    return zone_index(geobox, polygons), [county.code for county in counties]


def season(shape: tuple[int, ...]) -> NDArray[np.int16]:
    """Make smoothed NDVI * 10000 (time, y, x) with gaps at the ends and within."""
    rng = np.random.default_rng(1)
    vigour = rng.uniform(0.6, 1.0, shape).astype(np.float32)
    values = np.empty((STEPS, *shape), np.int16)
    for step in range(STEPS):
        level = 1500 + 7500 * np.sin(np.pi * step / STEPS) ** 2
        values[step] = level * vigour
    for step in (0, 5, STEPS - 1):
        values[step][rng.random(shape) < 0.3] = NODATA
    return values


def weather(codes: list[str]) -> pd.DataFrame:
    """Make daily weather of a warm season, a little different in every county."""
    rng = np.random.default_rng(2)
    days = [START + timedelta(n) for n in range(214)]
    warmth = np.sin(np.linspace(0.3, np.pi - 0.3, len(days)))
    tables = [
        pd.DataFrame(
            {
                "county": code,
                "day": days,
                "tmin": 4 + 14 * warmth + rng.normal(0, 2),
                "tmax": 14 + 14 * warmth + rng.normal(0, 2),
                "radiation": 10 + 10 * warmth * rng.uniform(0.9, 1.1, len(days)),
                "water": rng.uniform(0.6, 1.0, len(days)),
            }
        )
        for code in codes
    ]
    table = pd.concat(tables, ignore_index=True)
    return table.assign(tmax=np.maximum(table["tmax"], table["tmin"] + 1))


def sums(
    pixels: NDArray[np.uint16],
    weight: NDArray[np.float64],
    zones: NDArray[np.int16],
    values: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Add the stored integers up anew; relative difference of each county's mean."""
    differences = []
    for zone, value in enumerate(values):
        mine = (zones == zone) & (pixels != MAP_NODATA)
        if mine.any():
            mean = np.average(pixels[mine].astype(float) / 1000, weights=weight[mine])
            differences.append(abs(mean / value - 1))
    return np.array(differences)


def measure(resolution: float = 1000.0) -> dict[str, Any]:
    """Make the map, add it up, and take the time."""
    zones, codes = province(resolution)
    rng = np.random.default_rng(3)
    weight = np.where(rng.random(zones.shape) < 0.6, rng.random(zones.shape), 0)
    weight = np.round(weight, 2).astype(np.float64)
    values = rng.uniform(5.0, 11.0, len(codes))
    days = [START + timedelta(10 * n + 5) for n in range(STEPS)]
    light = county_light(
        weather(codes),
        counties=codes,
        days=days,
        crop="maize",
        start=date(2025, 5, 1),
        end=date(2025, 9, 30),
    )
    model = LightUse(crop="maize", light=light)
    block = {"ndvi_smooth": season(zones.shape)}
    # The first call compiles.
    model({"ndvi_smooth": block["ndvi_smooth"][:, :1]}, zones[:1])
    begun = time.process_time()
    index = model(block, zones)
    modelled = time.process_time()
    made = county_map(index, weight, zones, values, potential=POTENTIAL)
    mapped = time.process_time()
    differences = sums(made.pixels, weight, zones, values)
    inside = int((zones >= 0).sum())
    return {
        "pixel_sum_max_rel_diff": float(differences.max()),
        "counties": len(differences),
        "counties_ok": sum(fit.status is MapStatus.OK for fit in made.fits),
        "pixel_model_px_per_cpu_s": round(inside / (modelled - begun)),
        "county_map_px_per_cpu_s": round(inside / (mapped - modelled)),
        "pixels": inside,
        "resolution_m": resolution,
        "simulated": True,
    }


def main() -> None:
    """Measure at the resolution asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resolution", type=float, default=1000.0)
    print(json.dumps(measure(parser.parse_args().resolution)))


if __name__ == "__main__":
    main()
