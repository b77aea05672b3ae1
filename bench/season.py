"""What a season costs: against bare block reads, against the peers, and in memory.

    python bench/season.py [--full] [--folder DIR] [--block SIDE] [--json-only]

Scenes of a year are simulated first (see `bench/season_scenes.py`), below DIR, where
they are found again the next time; without it in a folder that is removed. Everything
runs on two threads, each measure in a process of its own and three times, of which the
least counts; seconds are CPU seconds of the whole process. Keep the machine quiet. The
last line is one JSON object:

``composite_cpu_over_decode`` monthly median NDVI of 24 dates x 2048^2 against reading
the blocks of the same files; ``chain_cpu_over_decode`` dekads, smoothing and phenology;
``peer_cpu_over_ours`` the monthly medians by odc-stac and flox, with flox's fastest
engine, ``peer_max_difference`` in steps of the integers, ``peer_gaps_equal``, and
``hand_peer_cpu_over_ours`` by odc-stac and one hand-written function on bottleneck;
``rss_48_over_24`` peak memory with 48 dates over that with 24;
``smooth_kseries_per_cpu_s`` thousand series of 73 steps, ``smooth_max_error`` against
scipy in float64; ``archive_decode_over_deflate`` decoding our archive's files against
deflate 6. With --full a whole tile of 10980^2 as well (8 GB of scenes, 15 minutes), of
which ``peak_rss_mb`` then is: ``full_tile_cpu_s`` and ``full_tile_wall_s`` for the
chain written to disk as a product, ``full_decode_cpu_s`` for the bare reads.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import rasterio
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from season_scenes import TILE, Plan, scenes

Found = dict[str, Any]
Measures = Sequence[tuple[str, Mapping[str, Any]]]

ROUNDS = 3
_MEASURES = Path(__file__).with_name("season_measures.py")

# On a whole scene numbagg's median takes minutes; the corner tells which to take.
_CORNER = 256
_FLOX = ("odc-stac + flox", "odc-stac + flox + numbagg")
_BY_HAND = ("odc-stac + numbagg", "odc-stac + bottleneck")

_CODECS = tuple(
    (name, block)
    for block in (512, 1024)
    for name in ("deflate 6", "zstd 1", "zstd 3", "zstd 9")
)


@dataclass(frozen=True, slots=True)
class Bench:
    """Runs measures, and says so to whoever waits."""

    progress: Progress

    def measure(self, name: str, **arguments: str | int) -> Found:
        """Run one measure in a process of its own; returns what it found."""
        return self.turns([(name, arguments)], 1)[0][0]

    def cheapest(self, measures: Measures, rounds: int = ROUNDS) -> list[Found]:
        """Run measures in turns; returns of each what its cheapest run found."""
        runs = self.turns(measures, rounds)
        return [min(found, key=lambda run: float(run["cpu_s"])) for found in runs]

    def turns(self, measures: Measures, rounds: int = ROUNDS) -> list[list[Found]]:
        """Run measures in turns, so that a busy minute hits all of them alike."""
        found: list[list[Found]] = [[] for _ in measures]
        task = self.progress.add_task("", total=rounds * len(measures))
        for _ in range(rounds):
            for runs, (name, arguments) in zip(found, measures, strict=True):
                label = " ".join([name, *map(_told, arguments.values())])
                self.progress.update(task, description=label)
                runs.append(_run(name, arguments))
                self.progress.advance(task)
        return found


def _told(value: object) -> str:
    return Path(value).name if isinstance(value, str) else str(value)


def _run(name: str, arguments: Mapping[str, Any]) -> Found:
    process = subprocess.run(
        [sys.executable, str(_MEASURES), name, json.dumps(arguments)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: Found = json.loads(process.stdout.splitlines()[-1])
    return found


def against_decode(bench: Bench, folder: str) -> tuple[Found, Found]:
    """Composite and chain against bare reads; returns the ratios and the seconds."""
    # The first read brings the files into the page cache.
    bench.measure("decode", folder=folder)
    decode, composite, chain = bench.cheapest(
        [
            ("decode", {"folder": folder}),
            ("ours", {"folder": folder, "recipe": "composite"}),
            ("ours", {"folder": folder, "recipe": "chain"}),
        ]
    )
    ratios = {
        "composite_cpu_over_decode": _ratio(composite, decode),
        "chain_cpu_over_decode": _ratio(chain, decode),
    }
    seconds = {"decode": decode, "composite": composite, "chain": chain}
    return ratios, {f"{name}_cpu_s": found["cpu_s"] for name, found in seconds.items()}


def _ratio(above: Found, below: Found, key: str = "cpu_s") -> float:
    return round(float(above[key] / below[key]), 2)


def against_peers(
    bench: Bench, folder: str, composite_cpu_s: float
) -> tuple[Found, Found]:
    """Let the peers make the monthly medians; returns ratios and seconds."""
    names = (*_FLOX, *_BY_HAND)
    corner = bench.cheapest(
        [("peer", {"folder": folder, "name": n, "side": _CORNER}) for n in names], 1
    )
    spent = {n: found["cpu_s"] for n, found in zip(names, corner, strict=True)}
    chosen = [min(group, key=spent.__getitem__) for group in (_FLOX, _BY_HAND)]
    flox, hand = bench.cheapest(
        [("peer", {"folder": folder, "name": name}) for name in chosen]
    )
    ratios = {
        "peer_cpu_over_ours": round(flox["cpu_s"] / composite_cpu_s, 1),
        "hand_peer_cpu_over_ours": round(hand["cpu_s"] / composite_cpu_s, 1),
        "peer_max_difference": max(flox["max_difference"], hand["max_difference"]),
        "peer_gaps_equal": flox["gaps_equal"] and hand["gaps_equal"],
    }
    seconds = {
        "peer": chosen[0],
        "peer_cpu_s": flox["cpu_s"],
        "peer_peak_rss_mb": flox["peak_rss_mb"],
        "hand_peer": chosen[1],
        "hand_peer_cpu_s": hand["cpu_s"],
        "hand_peer_peak_rss_mb": hand["peak_rss_mb"],
        "gap_share": flox["gap_share"],
        f"corner_of_{_CORNER}_cpu_s": spent,
    }
    return ratios, seconds


def memory(bench: Bench, folders: tuple[str, str]) -> tuple[Found, Found]:
    """Peak memory with half and all of the dates, results written to disk."""
    pairs = [
        ("written", {"folder": folder, "recipe": recipe})
        for recipe in ("composite", "chain")
        for folder in folders
    ]
    # What the allocator keeps differs by a tenth from run to run.
    found = [median(run["peak_rss_mb"] for run in runs) for runs in bench.turns(pairs)]
    ratios = {
        "peak_rss_mb": max(found),
        "rss_48_over_24": round(max(found[1] / found[0], found[3] / found[2]), 2),
    }
    names = ("composite_24", "composite_48", "chain_24", "chain_48")
    return ratios, {f"{n}_rss_mb": mb for n, mb in zip(names, found, strict=True)}


def smoothing(bench: Bench) -> Found:
    """Thousand series a CPU second, of ours and of the peers."""
    long, short = bench.measure("smooth", steps=73), bench.measure("smooth", steps=36)
    return {
        "smooth_kseries_per_cpu_s": long["ours"],
        "smooth_36_kseries_per_cpu_s": short["ours"],
        "whittaker_eilers_kseries_per_cpu_s": long["whittaker_eilers"],
        "scipy_kseries_per_cpu_s": long["scipy"],
        "smooth_max_error": max(long["max_error"], short["max_error"]),
    }


def codecs(bench: Bench, folder: str) -> tuple[Found, Found]:
    """Decode our archive's files against deflate; returns the ratio and the table."""
    codecs = (("archive", 512), *_CODECS)
    runs = bench.turns(
        [("codec", {"folder": folder, "name": n, "block": side}) for n, side in codecs],
        1,
    )
    rows = [found for (found,) in runs]
    return (
        {"archive_decode_over_deflate": _ratio(rows[0], rows[1], "decode_cpu_s")},
        {"codecs": rows},
    )


def full_tile(bench: Bench, folder: str) -> tuple[Found, Found]:
    """Run a whole tile: bare reads, dropped blocks, and written as a product."""
    where = {"folder": folder}
    once = where | {"times": 1}
    bench.measure("decode", **once)
    decode, composite, chain, tile, months = bench.cheapest(
        [
            ("decode", once),
            ("ours", once | {"recipe": "composite"}),
            ("ours", once | {"recipe": "chain"}),
            ("written", where | {"recipe": "chain"}),
            ("written", where | {"recipe": "composite"}),
        ],
        1,
    )
    ratios = {
        "peak_rss_mb": max(tile["peak_rss_mb"], months["peak_rss_mb"]),
        "full_tile_cpu_s": tile["cpu_s"],
        "full_tile_wall_s": tile["wall_s"],
        "full_decode_cpu_s": decode["cpu_s"],
    }
    seconds = {
        "full_decode_wall_s": decode["wall_s"],
        "full_composite_cpu_s": composite["cpu_s"],
        "full_composite_over_decode": _ratio(composite, decode),
        "full_chain_cpu_s": chain["cpu_s"],
        "full_chain_over_decode": _ratio(chain, decode),
        "full_chain_wall_s": chain["wall_s"],
        "full_composite_written_cpu_s": months["cpu_s"],
        "full_composite_written_rss_mb": months["peak_rss_mb"],
        "full_chain_written_rss_mb": tile["peak_rss_mb"],
        "full_product_mb": tile["product_mb"],
    }
    return ratios, seconds


def machine() -> Found:
    """Say what the numbers were measured on."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line for line in info if line.startswith("model name")), ":")
    packages = ("numpy", "numba", "dask", "odc-stac", "flox", "numbagg", "bottleneck")
    return {
        "cpu": model.split(":", 1)[1].strip() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "gdal": rasterio.__gdal_version__,
        "rasterio": rasterio.__version__,
        **{name: importlib.metadata.version(name) for name in packages},
    }


def measure_all(bench: Bench, data: Path, *, block: int, full: bool) -> Found:
    """Simulate the scenes and take every measure."""
    ratios: Found = {}
    seconds: Found = {}
    console = bench.progress.console
    plans = [Plan(block=block), Plan(dates=48, block=block)]
    if full:
        plans.append(Plan(side=TILE, block=block))
    for plan in plans:
        scenes(data, plan, console)
    folders = [str(data / plan.name) for plan in plans]
    with bench.progress:
        for part in _parts(bench, folders, seconds):
            ratios |= part[0]
            seconds |= part[1]
    return ratios | {"seconds": seconds, "machine": machine()}


def _parts(
    bench: Bench, folders: Sequence[str], seconds: Found
) -> Iterator[tuple[Found, Found]]:
    small, twice, *tile = folders
    yield against_decode(bench, small)
    yield against_peers(bench, small, seconds["composite_cpu_s"])
    yield memory(bench, (small, twice))
    yield smoothing(bench), {}
    yield codecs(bench, small)
    for folder in tile:
        yield full_tile(bench, folder)


def main() -> None:
    """Measure as asked on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="a whole tile as well")
    parser.add_argument("--folder", type=Path, help="where the scenes are kept")
    parser.add_argument("--block", type=int, choices=(512, 1024), default=512)
    parser.add_argument("--json-only", action="store_true", help="no progress")
    asked = parser.parse_args()
    console = Console(stderr=True, quiet=asked.json_only)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    bench = Bench(Progress(*columns, console=console))
    with tempfile.TemporaryDirectory(prefix="heitu-bench-") as folder:
        data = asked.folder or Path(folder)
        found = measure_all(bench, data, block=asked.block, full=asked.full)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
