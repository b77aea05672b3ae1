"""Simulated Sentinel-2 scenes of a tile on disk, the input of `bench/season.py`.

Fields with a crop's year, texture inside the fields and sensor noise, strong enough
that deflate packs the bands about as badly as real ones (1.6 to 1); clouds with
shadows, from clear to overcast dates; on some dates the swath ends inside the tile.
Half of the dates carry the reflectance offset of -0.1 that came with baseline 04.00.
"""

import json
import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rich.console import Console
from rich.progress import track

Float = NDArray[np.float32]

YEAR = 2023
START, END = date(YEAR, 1, 1), date(YEAR, 12, 31)
TILE = 10_980
CRS = "EPSG:32651"
ORIGIN = (600_000, 4_900_020)
OFFSET_DN = 1000

# Scenes are simulated at this side and mirrored up to a whole tile: a block of the
# file is far smaller, so no codec can see the repetition.
_SIDE = 2048
_SEED = 20230101
_VERSION = 1

# Tree cover and water beside three crops; shares, and (floor, rise, day of greening,
# day of yellowing, days each takes) of the NDVI year.
_SHARES = (0.45, 0.2, 0.15, 0.15, 0.05)
_YEARS = (
    (0.15, 0.70, 165, 262, 9),
    (0.14, 0.72, 178, 255, 7),
    (0.10, 0.75, 170, 258, 10),
    (0.30, 0.55, 130, 280, 12),
    (-0.10, 0.0, 150, 250, 10),
)
_WATER = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """Which scenes: dates a year, side in 10 m pixels, block side of the files."""

    dates: int = 24
    side: int = 2048
    block: int = 512

    @property
    def name(self) -> str:
        """Folder of these scenes."""
        return f"{self.dates}x{self.side}-{self.block}"

    @property
    def geobox(self) -> GeoBox:
        """The grid of the 10 m bands."""
        return _grid(self.side, 10)

    @property
    def days(self) -> tuple[date, ...]:
        """Acquisition dates, spread over the year."""
        gaps = (round((k + 0.5) * 365 / self.dates) for k in range(self.dates))
        return tuple(START + timedelta(gap) for gap in gaps)


def _grid(side: int, resolution: int) -> GeoBox:
    west, north = ORIGIN
    reach = side * resolution
    return GeoBox.from_bbox(
        (west, north - reach, west + reach, north), CRS, resolution=resolution
    )


def scenes(folder: Path, plan: Plan, console: Console) -> list[pystac.Item]:
    """Give the items of a plan; the files are written unless they lie there."""
    target = folder / plan.name
    stamp = json.dumps(asdict(plan) | {"version": _VERSION, "seed": _SEED})
    stamped, listed = target / "stamp.json", target / "items.json"
    if not stamped.exists() or stamped.read_text(encoding="utf-8") != stamp:
        target.mkdir(parents=True, exist_ok=True)
        stamped.unlink(missing_ok=True)
        items = pystac.ItemCollection(_write_all(target, plan, console))
        items.save_object(str(listed))
        stamped.write_text(stamp, encoding="utf-8")
    return list(pystac.ItemCollection.from_file(str(listed)))


def _write_all(folder: Path, plan: Plan, console: Console) -> list[pystac.Item]:
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(_write_date, folder, plan, k) for k in range(plan.dates)]
        label = f"scenes {plan.name}"
        return [job.result() for job in track(jobs, label, console=console)]


def _write_date(folder: Path, plan: Plan, number: int) -> pystac.Item:
    """Write the three files of one date, and describe them."""
    day = plan.days[number]
    # Both kinds in each month, each with every cloud cover.
    shifted = number % 4 in {1, 2}
    bands = _simulate(day, number, shifted=shifted)
    item = _item(plan, day, shifted=shifted)
    for name, pixels in bands.items():
        resolution = 20 if name == "SCL" else 10
        grid = _grid(plan.side * 10 // resolution, resolution)
        whole = _mirrored(pixels, grid.shape[0])
        if number % 4 == 3:
            whole[_past_swath(len(whole))] = 0
        path = folder / f"{item.id}_{name}.tif"
        _write(path, whole, grid, plan.block)
        item.add_asset(name, _asset(path, whole, grid, shifted=shifted))
    return item


def _mirrored(pixels: NDArray[Any], side: int) -> NDArray[Any]:
    there = np.arange(len(pixels))
    back = np.concatenate([there, there[::-1]])
    index = np.resize(back, side)
    whole: NDArray[Any] = pixels[np.ix_(index, index)]
    return whole


def _past_swath(side: int) -> NDArray[np.bool_]:
    y, x = np.ogrid[:side, :side]
    past: NDArray[np.bool_] = x + 0.25 * y > 0.95 * side
    return past


def _write(path: Path, pixels: NDArray[Any], grid: GeoBox, block: int) -> None:
    with rasterio.open(
        path,
        "w",
        driver="COG",
        dtype=pixels.dtype.name,
        count=1,
        height=grid.height,
        width=grid.width,
        crs=str(grid.crs),
        transform=grid.transform,
        nodata=0,
        compress="DEFLATE",
        level=6,
        predictor="STANDARD",
        blocksize=block,
        # Nothing here reads coarser than the files.
        overviews="NONE",
        num_threads=1,
    ) as target:
        target.write(pixels, 1)


def _item(plan: Plan, day: date, *, shifted: bool) -> pystac.Item:
    footprint = plan.geobox.extent.to_crs("EPSG:4326")
    box = footprint.boundingbox
    return pystac.Item(
        f"S2B_51TXK_{day:%Y%m%d}_0_L2A",
        geometry=footprint.json,
        bbox=list(box.bbox),
        datetime=datetime(day.year, day.month, day.day, 2, 35, tzinfo=UTC),
        properties={
            "platform": "sentinel-2b",
            "proj:code": CRS,
            "s2:processing_baseline": "05.09" if shifted else "03.01",
            "heitu:simulated": True,
        },
        stac_extensions=[
            "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
            "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
        ],
    )


def _asset(
    path: Path, pixels: NDArray[Any], grid: GeoBox, *, shifted: bool
) -> pystac.Asset:
    band: dict[str, Any] = {"nodata": 0, "data_type": pixels.dtype.name}
    if pixels.dtype == np.uint16:
        band |= {"scale": 0.0001, "offset": -0.1 if shifted else 0.0}
    fields: Mapping[str, Any] = {
        "raster:bands": [band],
        "proj:shape": list(grid.shape),
        "proj:transform": list(grid.transform)[:6],
    }
    return pystac.Asset(
        str(path.resolve()),
        media_type=pystac.MediaType.COG,
        roles=["data"],
        extra_fields=dict(fields),
    )


def _simulate(
    day: date, number: int, *, shifted: bool
) -> dict[str, NDArray[np.uint16] | NDArray[np.uint8]]:
    """Digital numbers of red and near infrared, and the scene classes at 20 m."""
    random = np.random.default_rng([_SEED, day.timetuple().tm_yday])
    kind, late, texture = _landscape()
    index, brightness = _ground(day, kind, late, texture)
    classes = np.where(index > 0.35, 4, 5).astype(np.uint8)
    classes[kind == _WATER] = 6
    veil = _add_sky(classes, random, number)
    half, rise = brightness / np.float32(2), brightness * index / np.float32(2)
    red = _numbers(half - rise, veil, random, shifted=shifted)
    nir = _numbers(half + rise, veil, random, shifted=shifted)
    # The classes come at 20 m; the border of a cloud is hit by whole coarse pixels.
    return {"B04": red, "B08": nir, "SCL": classes[::2, ::2].copy()}


def _landscape() -> tuple[NDArray[np.uint8], Float, Float]:
    """Give what grows where, how many days late its field is, and the texture."""
    random = np.random.default_rng(_SEED)
    y, x = np.mgrid[:_SIDE, :_SIDE].astype(np.float32)
    bend = 12 * _clouds_of_noise(random, slope=2.2)
    along, across = 0.94 * x + 0.34 * y + bend, 0.94 * y - 0.34 * x + bend
    field = (along // 17).astype(np.int64) * 7919 + (across // 71).astype(np.int64)
    number = field % 4001
    kinds = random.choice(len(_SHARES), 4001, p=_SHARES).astype(np.uint8)
    late = random.normal(0, 5, 4001).astype(np.float32)
    texture = _clouds_of_noise(random, slope=1.0)
    return kinds[number], late[number] + 2 * texture, texture


def _clouds_of_noise(random: np.random.Generator, *, slope: float) -> Float:
    """Random field of a power law over wave numbers, mean 0, deviation 1."""
    waves = np.fft.rfft2(random.standard_normal((_SIDE, _SIDE), np.float32))
    rows, columns = np.fft.fftfreq(_SIDE)[:, None], np.fft.rfftfreq(_SIDE)
    waves /= np.maximum(np.hypot(rows, columns), 1 / _SIDE) ** slope
    waves[0, 0] = 0
    field = np.fft.irfft2(waves, (_SIDE, _SIDE)).astype(np.float32)
    scaled: Float = field / field.std()
    return scaled


def _ground(
    day: date, kind: NDArray[np.uint8], late: Float, texture: Float
) -> tuple[Float, Float]:
    """NDVI and the sum of red and near infrared reflectance under a clear sky."""
    floor, rise, green, yellow, pace = np.array(_YEARS, np.float32).T[:, kind]
    since = day.timetuple().tm_yday - late
    up = 1 / (1 + np.exp((green - since) / pace))
    down = 1 / (1 + np.exp((yellow - since) / pace))
    index = np.clip(floor + rise * (up - down) + 0.03 * texture, -0.9, 0.93)
    brightness = 0.38 + 0.08 * index + 0.03 * texture
    brightness[kind == _WATER] *= 0.25
    return index.astype(np.float32), brightness.astype(np.float32)


def _add_sky(
    classes: NDArray[np.uint8], random: np.random.Generator, number: int
) -> Float:
    """Write clouds, cirrus and shadows into the classes; gives what they add.

    The result is reflectance to be added to the ground, negative under shadows.
    """
    # From clear to overcast, four in ten on average, never in order.
    cover = (0.02, 0.85, 0.3, 0.0, 0.55, 0.12, 0.96, 0.4)[number % 8]
    field = _clouds_of_noise(random, slope=1.8)
    thickness = field - np.float32(np.quantile(field, 1 - cover))
    thickness -= np.float32(0 if cover else 1)
    cirrus = _clouds_of_noise(random, slope=1.9) > 2.2 - cover
    cloud = thickness > 0
    shadow = np.roll(cloud, (-60, 35), (0, 1)) & ~cloud
    classes[shadow] = 3
    classes[cirrus] = 10
    classes[cloud] = 8
    classes[thickness > 0.4] = 9
    classes[(thickness > -0.02) & ~cloud] = 7
    veil = np.clip(0.1 + 0.4 * thickness, 0, 0.6) * cloud + 0.03 * cirrus
    added: Float = (veil - 0.6 * (shadow & ~cirrus)).astype(np.float32)
    return added


def _numbers(
    reflectance: Float, veil: Float, random: np.random.Generator, *, shifted: bool
) -> NDArray[np.uint16]:
    seen = np.where(veil < 0, reflectance * (1 + veil), reflectance + veil)
    noise = random.standard_normal(seen.shape, np.float32)
    # What neighbouring pixels differ by beyond the sensor: canopy, rows, soil.
    seen += noise * (np.float32(0.001) + np.float32(0.006) * reflectance)
    numbers = np.rint(seen * 10_000) + (OFFSET_DN if shifted else 0)
    clipped: NDArray[np.uint16] = np.clip(numbers, 1, 65_534).astype(np.uint16)
    return clipped
