"""How fast scenes come in: windows over HTTP, and JPEG 2000 into COGs.

``http_over_local``: throughput of reading windows of remote COGs through a local range
server, over that of reading the same windows of the same files from the local disk, two
readers each, on the machine's clock; the server's work is on the same cores.

``vsicurl_over_local``: the same through GDAL's own reading over HTTP, which neither
waits as servers ask nor goes on after a cut line in another process.

``jp2_over_decode``: CPU time of turning a JPEG 2000 band into a checked COG, over that
of GDAL decoding it alone, one thread each.

The scenes are made up: parcels, soil texture and sensor noise, such that deflate packs
them about as it packs real reflectance (`deflate_ratio`). The last line is one JSON
object.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.windows import Window
from rich.console import Console
from scipy.ndimage import gaussian_filter

from ingest.convert import clip_window, convert
from ingest.download import Mirror
from ingest.fetch import window_of_remote
from ingest.http import Unsigned, Web

CRS, LEFT, TOP = "EPSG:32651", 300_000, 4_900_000
SCENES = 4
READERS = 2
SETTINGS = {
    "GDAL_NUM_THREADS": 1,
    "GDAL_CACHEMAX": 128 * 1024 * 1024,
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
}
CURL = {
    "CPL_VSIL_CURL_USE_HEAD": "NO",
    "CPL_VSIL_CURL_CHUNK_SIZE": 1 << 20,
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_MULTIPLEX": "YES",
}
say = Console(stderr=True).print


def band(size: int, seed: int) -> NDArray[np.uint16]:
    """Make up reflectances of a farmed plain, uint16 (size, size)."""
    rng = np.random.default_rng(seed)
    side = -(-size // 45)
    parcels = np.kron(rng.integers(1200, 4500, (side, side)), np.ones((45, 45), int))
    soil = gaussian_filter(rng.normal(size=(size // 8, size // 8)), 6) * 9000
    soil = np.kron(soil, np.ones((9, 9)))[:size, :size]
    noise = rng.normal(scale=30, size=(size, size))
    pixels: NDArray[np.uint16] = (
        (parcels[:size, :size] + soil + noise).clip(1, 12_000).astype(np.uint16)
    )
    return pixels


def write(path: Path, pixels: NDArray[np.uint16], **options: object) -> Path:
    """Write a band with pixels of 10 m."""
    with rasterio.open(
        path,
        "w",
        count=1,
        height=pixels.shape[0],
        width=pixels.shape[1],
        dtype="uint16",
        crs=CRS,
        transform=Affine(10, 0, LEFT, 0, -10, TOP),
        **options,
    ) as file:
        file.write(pixels, 1)
    return path


def main() -> None:
    """Measure, and print one JSON object as the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=10_980, help="pixels a side")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with TemporaryDirectory(prefix="heitu-bench-") as name:
        folder = Path(name)
        result = {
            **over_http(folder, size=given.size, rounds=given.rounds),
            **from_jp2(folder, size=given.size, rounds=given.rounds),
        }
    print(json.dumps(result))


def over_http(folder: Path, *, size: int, rounds: int) -> dict[str, float]:
    """Read windows of COGs from the disk and through a server, in turns."""
    say("making scenes")
    cog = {"driver": "COG", "compress": "DEFLATE", "predictor": 2, "blocksize": 1024}
    for number in range(SCENES):
        write(folder / f"{number}.tif", band(size, number), nodata=0, **cog)
    packed = sum((folder / f"{n}.tif").stat().st_size for n in range(SCENES))
    best = {"local": 0.0, "http": 0.0, "vsicurl": 0.0}
    with serving(folder) as port:
        web = Web()
        for _ in range(rounds):
            ways = {
                "local": throughput(lambda n: read_local(folder, n, size)),
                "http": throughput(lambda n: read_http(folder, n, size, port, web)),
                "vsicurl": throughput(lambda n: read_vsicurl(n, size, port)),
            }
            say(", ".join(f"{way} {rate / 1e6:.0f} MB/s" for way, rate in ways.items()))
            best = {way: max(best[way], rate) for way, rate in ways.items()}
    return {
        "http_over_local": round(best["http"] / best["local"], 3),
        "vsicurl_over_local": round(best["vsicurl"] / best["local"], 3),
        "local_mb_per_s": round(best["local"] / 1e6),
        "http_mb_per_s": round(best["http"] / 1e6),
        # A third of a COG's bytes more are its overviews.
        "deflate_ratio": round(SCENES * size**2 * 2 * 4 / 3 / packed, 2),
    }


@contextmanager
def serving(folder: Path) -> Iterator[int]:
    """Run the range server; give its port."""
    program = Path(__file__).with_name("range_server.py")
    command = [sys.executable, str(program), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield int(server.stdout.readline())
        finally:
            server.kill()


def throughput(read: Callable[[int], int]) -> float:
    """Bytes of pixels a second, two readers on three windows a scene."""
    begin = time.perf_counter()
    with ThreadPoolExecutor(READERS) as pool:
        total = sum(pool.map(read, range(3 * SCENES)))
    return total / (time.perf_counter() - begin)


def clip_of(number: int, size: int) -> tuple[float, float, float, float]:
    """Give a rectangle in degrees, 60 % of the scene a side: as large as a county."""
    to_degrees = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    side = 6 * size
    west = LEFT + (number * 1777) % (4 * size)
    north = TOP - (number * 2777) % (4 * size)
    bounds: tuple[float, float, float, float] = to_degrees.transform_bounds(
        west, north - side, west + side, north
    )
    return bounds


def read_local(folder: Path, number: int, size: int) -> int:
    """Decode a window of a file on the disk; give the bytes of its pixels."""
    return read_with_gdal(str(folder / f"{number % SCENES}.tif"), number, size)


def read_vsicurl(number: int, size: int, port: int) -> int:
    """Decode a window as GDAL reads it over HTTP."""
    href = f"/vsicurl/http://127.0.0.1:{port}/{number % SCENES}.tif"
    with rasterio.Env(**CURL):
        return read_with_gdal(href, number, size)


def read_with_gdal(path: str, number: int, size: int) -> int:
    """Decode a window of a path that GDAL opens."""
    with rasterio.Env(**SETTINGS), rasterio.open(path) as file:
        grid = GeoBox(file.shape, file.transform, file.crs.to_wkt())
        window = clip_window(grid, clip_of(number, size), href=path)
        return decode(file, window)


def read_http(folder: Path, number: int, size: int, port: int, web: Web) -> int:
    """Fetch the bytes of a window and decode it, as an ingest does."""
    href = f"http://127.0.0.1:{port}/{number % SCENES}.tif"
    mirror = Mirror(href, folder / f"{number}.part", web=web, signer=Unsigned())
    window = window_of_remote(mirror, clip_of(number, size))
    with rasterio.Env(**SETTINGS), rasterio.open(mirror.path) as file:
        read = decode(file, window)
    mirror.discard()
    return read


def decode(file: rasterio.DatasetReader, window: Window) -> int:
    """Read a window by rows of tiles."""
    read, row, last = 0, window.row_off, window.row_off + window.height
    while row < last:
        end = min(row // 1024 * 1024 + 1024, last)
        strip = Window(window.col_off, row, window.width, end - row)
        read += file.read(1, window=strip).nbytes
        row = end
    return read


def from_jp2(folder: Path, *, size: int, rounds: int) -> dict[str, float]:
    """Decode a JPEG 2000 band, and convert it, in turns."""
    say("packing a band as JPEG 2000")
    options = {"driver": "JP2OpenJPEG", "QUALITY": 100, "REVERSIBLE": "YES"}
    tiles = {"BLOCKXSIZE": 1024, "BLOCKYSIZE": 1024}
    path = write(folder / "B04.jp2", band(size, 9), **options, **tiles)
    decoding, converting = [], []
    for _ in range(max(1, rounds // 2)):
        decoding.append(cpu(lambda: decode_all(path)))
        converting.append(cpu(lambda: to_cog(path, folder / "B04.tif")))
        say(f"decode {decoding[-1]:.1f} s, convert {converting[-1]:.1f} s of CPU")
    return {
        "jp2_over_decode": round(min(converting) / min(decoding), 3),
        "jp2_decode_cpu_s": round(min(decoding), 2),
        "jp2_convert_cpu_s": round(min(converting), 2),
    }


def decode_all(path: Path) -> None:
    """Let GDAL decode a whole band."""
    with rasterio.Env(**SETTINGS), rasterio.open(path) as file:
        file.read(1)


def to_cog(path: Path, target: Path) -> None:
    """Convert a band as an ingest does."""
    convert(
        str(path),
        target,
        clip=None,
        nodata=0,
        scale=1e-4,
        offset=-0.1,
        overview_resampling="average",
    )


def cpu(job: Callable[[], None]) -> float:
    """CPU seconds of this process, user and system."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    job()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


if __name__ == "__main__":
    main()
