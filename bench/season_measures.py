"""The single measures of `bench/season.py`, each for a process of its own.

    python bench/season_measures.py NAME JSON

NAME is one of `MEASURES`, JSON its keyword arguments; the last line is what it found.
All seconds are CPU seconds of the whole process, that is of all its threads; kernels
are compiled and libraries loaded before the clock starts.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dask
import dask.array as da
import numpy as np
import pystac
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from season_scenes import END, START

from raster.cog import write_cog
from raster.product import write_season
from raster.season import SMOOTHING, season
from raster.smooth import whittaker

Found = Mapping[str, Any]

WORKERS = 2
GDAL_CACHE = 64_000_000

CHAIN = (
    "ndvi",
    "clear_count",
    "ndvi_smooth",
    "sos",
    "pos",
    "eos",
    "los",
    "base",
    "amplitude",
    "peak",
    "integral",
)
_RECIPES: Mapping[str, Mapping[str, Any]] = {
    "composite": {"variables": ["ndvi"], "step": "month"},
    "chain": {"variables": CHAIN, "step": "dekad"},
}


def _items(folder: str) -> list[pystac.Item]:
    return list(pystac.ItemCollection.from_file(f"{folder}/items.json"))


def _geobox(items: list[pystac.Item]) -> GeoBox:
    with rasterio.open(items[0].assets["B04"].href) as dataset:
        return GeoBox.from_rio(dataset)


def _least(work: Callable[[], object], *, times: int) -> Found:
    """Seconds of the cheapest run.

    From the second run on the system need not hand out memory, which a whole tile asks
    for only once but which costs these small scenes half as much again.
    """
    runs = [_timed(work) for _ in range(times)]
    return min(runs, key=lambda run: float(run["cpu_s"]))


def _timed(work: Callable[[], object]) -> Found:
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return {
        "cpu_s": round(time.process_time() - cpu, 3),
        "wall_s": round(time.perf_counter() - wall, 3),
    }


def _peak_mb() -> int:
    """Return the most memory this process has held (Linux)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return round(int(fields["VmHWM"].split()[0]) / 1024)


def decode(*, folder: str, times: int = 2) -> Found:
    """Read every block of every file once, as it lies in the file."""
    hrefs = [a.href for item in _items(folder) for a in item.assets.values()]
    return _least(lambda: _read_blocks(hrefs), times=times)


def _read_blocks(hrefs: list[str]) -> None:
    shares = [hrefs[k::WORKERS] for k in range(WORKERS)]
    with ThreadPoolExecutor(WORKERS) as pool:
        for _ in pool.map(_read_share, shares):
            pass


def _read_share(hrefs: list[str]) -> None:
    # Closed files would give GDAL's cache back to the system, block by block.
    with rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE), ExitStack() as stack:
        for href in hrefs:
            dataset = stack.enter_context(rasterio.open(href))
            for _, window in dataset.block_windows(1):
                dataset.read(1, window=window)


class _Nowhere:
    """Takes computed blocks and forgets them."""

    def __setitem__(self, where: object, block: NDArray[Any]) -> None:
        pass


def ours(*, folder: str, recipe: str, times: int = 2) -> Found:
    """Compute a season whose blocks are dropped as soon as they are done."""
    items = _items(folder)
    geobox = _geobox(items)

    def run(grid: GeoBox) -> None:
        dataset = season(items, grid, start=START, end=END, **_RECIPES[recipe])
        arrays = [variable.data for variable in dataset.data_vars.values()]
        nowhere: list[Any] = [_Nowhere() for _ in arrays]
        da.store(arrays, nowhere, lock=False)

    with dask.config.set(scheduler="threads", num_workers=WORKERS):
        run(geobox[:64, :64])
        found = _least(lambda: run(geobox), times=times)
    return {**found, "peak_rss_mb": _peak_mb()}


def written(*, folder: str, recipe: str) -> Found:
    """Compute a season and write it as a product, block by block."""
    items = _items(folder)
    geobox = _geobox(items)

    def run(grid: GeoBox, target: str, name: str) -> None:
        dataset = season(items, grid, start=START, end=END, **_RECIPES[recipe])
        write_season(dataset, Path(target), product_id=name, workers=WORKERS)

    with TemporaryDirectory(prefix="product-", dir=Path(folder).parent) as target:
        run(geobox[:64, :64], target, "warm-up")
        found = _timed(lambda: run(geobox, target, "tile"))
        files = [path for path in Path(target).rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files)
    return {**found, "peak_rss_mb": _peak_mb(), "product_mb": round(size / 1e6)}


def peer(*, folder: str, name: str, side: int | None = None) -> Found:
    """Monthly medians by a peer, and how they differ from ours."""
    from peers import monthly

    items = _items(folder)
    geobox = _geobox(items)[:side, :side]
    with dask.config.set(scheduler="threads", num_workers=WORKERS):
        monthly(name, items, geobox[:64, :64])
        cubes: list[NDArray[np.int16]] = []
        found = _least(lambda: cubes.append(monthly(name, items, geobox)), times=2)
        peak = _peak_mb()
        dataset = season(items, geobox, start=START, end=END, **_RECIPES["composite"])
        own = dataset["ndvi"].to_numpy()
    gaps = cubes[0] == -32768
    difference = np.abs(cubes[0].astype(np.int32) - own)
    return {
        **found,
        "peak_rss_mb": peak,
        "max_difference": int(difference[~gaps].max()),
        "gaps_equal": bool(np.array_equal(gaps, own == -32768)),
        "gap_share": round(float(gaps.mean()), 3),
    }


def smooth(*, steps: int) -> Found:
    """Thousand series a CPU second of our smoother, of whittaker-eilers and scipy."""
    from peers import smooth_eilers, smooth_scipy

    values, weights = _series(steps, pixels=200_000)
    counts = weights.astype(np.uint8)
    whittaker(values[:, :500], smoothing=SMOOTHING, weights=counts[:, :500])
    whole: list[NDArray[np.float32]] = []
    ours_s = min(
        _timed(
            lambda: whole.append(whittaker(values, smoothing=SMOOTHING, weights=counts))
        )["cpu_s"]
        for _ in range(5)
    )
    # The peers take zeros with no weight where ours takes NaN.
    filled = np.nan_to_num(values)
    few, fewer = 5_000, 1_000
    eilers_s = _timed(
        lambda: smooth_eilers(filled[:, :few], weights[:, :few], smoothing=SMOOTHING)
    )["cpu_s"]
    exact: list[NDArray[np.float64]] = []
    scipy_s = _timed(
        lambda: exact.append(
            smooth_scipy(filled[:, :fewer], weights[:, :fewer], smoothing=SMOOTHING)
        )
    )["cpu_s"]
    error = np.abs(whole[0][:, :fewer] - exact[0]).max()
    return {
        "ours": round(values.shape[1] / ours_s / 1000),
        "whittaker_eilers": round(few / eilers_s / 1000, 1),
        "scipy": round(fewer / scipy_s / 1000, 2),
        "max_error": float(f"{error:.1e}"),
    }


def _series(
    steps: int, *, pixels: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Make noisy seasons, (time, pixels), a quarter of them missing, and weights."""
    random = np.random.default_rng(3)
    day = np.linspace(0, 365, steps)[:, None]
    peak, width = random.normal(205, 12, pixels), random.normal(45, 6, pixels)
    clean = 0.15 + 0.65 * np.exp(-(((day - peak) / width) ** 2))
    values = (clean + random.normal(0, 0.04, clean.shape)).astype(np.float32)
    weights = random.integers(1, 4, clean.shape).astype(np.float32)
    missing = random.random(clean.shape) < 0.25
    values[missing], weights[missing] = np.nan, 0
    return values, weights


_CODECS: Mapping[str, Mapping[str, Any]] = {
    "deflate 6": {"compress": "DEFLATE", "level": 6},
    "zstd 1": {"compress": "ZSTD", "level": 1},
    "zstd 3": {"compress": "ZSTD", "level": 3},
    "zstd 9": {"compress": "ZSTD", "level": 9},
}


def codec(*, folder: str, name: str, block: int) -> Found:
    """Encode and decode the 10 m bands of some dates, MB of pixels a CPU second.

    `name` is one of deflate and zstd with their levels, or "archive": what our own
    writer makes of the pixels, overviews and all.
    """
    # Eight dates show every cloud cover once.
    sources = [i.assets[b].href for i in _items(folder)[8:16] for b in ("B04", "B08")]
    with TemporaryDirectory(prefix="codec-", dir=Path(folder).parent) as target:
        planes = [_plane(href) for href in sources]
        paths = [str(Path(target) / f"{k}.tif") for k in range(len(planes))]

        def encode() -> None:
            for path, (pixels, geobox) in zip(paths, planes, strict=True):
                _encode(path, pixels, geobox, name, block)

        encoding = _timed(encode)["cpu_s"]
        size = sum(Path(path).stat().st_size for path in paths)
        decoding = _least(lambda: _read_blocks(paths), times=3)["cpu_s"]
    raw = sum(pixels.nbytes for pixels, _ in planes)
    return {
        "codec": name,
        "block": block,
        "ratio": round(raw / size, 2),
        "encode_mb_per_cpu_s": round(raw / 1e6 / encoding),
        "decode_mb_per_cpu_s": round(raw / 1e6 / decoding),
        "decode_cpu_s": decoding,
    }


def _plane(href: str) -> tuple[NDArray[Any], GeoBox]:
    with rasterio.open(href) as dataset:
        return dataset.read(1), GeoBox.from_rio(dataset)


def _encode(
    path: str, pixels: NDArray[Any], geobox: GeoBox, name: str, block: int
) -> None:
    if name == "archive":
        write_cog(Path(path), pixels, geobox, nodata=0)
        return
    with rasterio.open(
        path,
        "w",
        driver="COG",
        dtype=pixels.dtype.name,
        count=1,
        height=geobox.height,
        width=geobox.width,
        crs=str(geobox.crs),
        transform=geobox.transform,
        predictor="STANDARD",
        blocksize=block,
        overviews="NONE",
        num_threads=1,
        **_CODECS[name],
    ) as target:
        target.write(pixels, 1)


MEASURES: Mapping[str, Callable[..., Found]] = {
    "decode": decode,
    "ours": ours,
    "written": written,
    "peer": peer,
    "smooth": smooth,
    "codec": codec,
}

if __name__ == "__main__":
    print(json.dumps(MEASURES[sys.argv[1]](**json.loads(sys.argv[2]))))
