"""Field parcels of a 10 m window: blocks between roads, cut into long strips.

The layout is invented; sizes and shapes follow the look of the Northeast plain: strips
of 0.5-4 ha, villages some two kilometres apart, shelter belts along the roads.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.simulated.land_cover import COVERS, CROPS
from ingest.simulated.noise import Float32, fractal_tile, generator, roll_to_shape

__all__ = ["NO_PARCEL", "Layout", "lay_out"]

NO_PARCEL = -1
PIXEL = 10.0  # m
GRID_TURN = 11.0  # degrees, direction of the road grid, assumed
BLOCK = 1150.0  # m between block centres, assumed
BLOCK_JITTER = 0.27  # of BLOCK
ROAD = 13.0  # m, difference of distances that makes a road of one to two pixels
BELT = 42.0  # m, outer edge of a shelter belt
BELT_SHARE = 0.6  # of block edges that carry a belt, assumed
ROW_SPREAD = 5.0  # degrees, sd of row directions about the grid
STRIP_WIDTH = (36.0, 84.0)  # m, range by block, assumed
STRIP_LENGTH = (320.0, 560.0)  # m
VILLAGE_SHARE = 0.3  # of blocks with a village in the middle
VILLAGE_RADIUS = (130.0, 330.0)  # m
TILE = 512  # pixels, periodic noise


@dataclass(frozen=True, slots=True)
class Layout:
    """Cover and parcel of every pixel of the window.

    Attributes
    ----------
    cover
        Position in `COVERS`, uint8 (y, x).
    parcel
        Parcel number from 0, `NO_PARCEL` outside fields, int32 (y, x).
    crop
        Position of each parcel's crop in `CROPS`, uint8 (parcels,).
    block
        Block each parcel lies in, int32 (parcels,).
    """

    cover: NDArray[np.uint8]
    parcel: NDArray[np.int32]
    crop: NDArray[np.uint8]
    block: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class _Blocks:
    """Nearest block of each pixel, and where the pixel lies in it (m)."""

    number: NDArray[np.int32]
    along: Float32
    across: Float32
    edge: Float32
    second: NDArray[np.int32]
    count: int


def lay_out(seed: int, shape: tuple[int, int], shares: NDArray[np.float64]) -> Layout:
    """Invent roads, river, villages, woods and single-crop parcels.

    Parameters
    ----------
    shares
        Share of each of `COVERS` in the window, adding up to 1; met to the pixel
        for all but the crops, which are met to half a parcel.
    """
    rng = generator(seed, "parcels")
    x, y = _turned(shape, GRID_TURN)
    blocks = _blocks(rng, x, y)
    tile = fractal_tile(rng, TILE, slope=1.5, longest=80.0)
    bank = _river_distance(rng, x, y)
    cover = np.full(shape, 255, dtype=np.uint8)
    patches = roll_to_shape(tile, rng, shape)
    for name, potential in (
        ("water", bank),
        ("built", _built(rng, blocks, patches)),
        ("forest", _woods(rng, blocks, roll_to_shape(tile, rng, shape))),
        ("grass", bank / 160.0 + 2.0 * patches),
    ):
        _take_lowest(cover, potential, COVERS.index(name), shares)
    parcel, block = _parcels(rng, blocks, cover == 255)
    crop = _crops(rng, parcel, len(block), bank, shares)
    held = parcel >= 0
    cover[held] = crop[parcel[held]]
    return Layout(cover, parcel, crop, block)


def _turned(shape: tuple[int, int], degrees: float) -> tuple[Float32, Float32]:
    """Coordinates of the pixel centres in m, axes turned."""
    rows = (np.arange(shape[0], dtype=np.float32)[:, None] + 0.5) * PIXEL
    columns = (np.arange(shape[1], dtype=np.float32)[None, :] + 0.5) * PIXEL
    cos, sin = (np.float32(f(np.radians(degrees))) for f in (np.cos, np.sin))
    return columns * cos + rows * sin, rows * cos - columns * sin


def _blocks(rng: np.random.Generator, x: Float32, y: Float32) -> _Blocks:
    """Voronoi cells of a jittered grid; only the nine near centres are compared."""
    column, row = (np.floor(v / BLOCK).astype(np.int32) for v in (x, y))
    column -= column.min() - 1
    row -= row.min() - 1
    width, height = int(column.max()) + 2, int(row.max()) + 2
    origin = np.floor(np.array([x.min(), y.min()]) / BLOCK) - 1
    jitter = rng.uniform(-BLOCK_JITTER, BLOCK_JITTER, (2, height * width)) + 0.5
    centre_x = ((np.arange(height * width) % width) + origin[0] + jitter[0]) * BLOCK
    centre_y = ((np.arange(height * width) // width) + origin[1] + jitter[1]) * BLOCK
    centres = np.stack([centre_x, centre_y]).astype(np.float32)
    cell = row * width + column
    number, second, edge = _nearest(cell, width, x, y, centres)
    along, across = _in_block(rng, number, x, y, centres)
    return _Blocks(number, along, across, edge, second, height * width)


def _nearest(
    cell: NDArray[np.int32], width: int, x: Float32, y: Float32, centres: Float32
) -> tuple[NDArray[np.int32], NDArray[np.int32], Float32]:
    """Nearest and second nearest centre and the difference of their distances."""
    first = np.full(x.shape, np.inf, dtype=np.float32)
    runner_up = first.copy()
    number = np.zeros(x.shape, dtype=np.int32)
    second = number.copy()
    for step in (a * width + b for a in (-1, 0, 1) for b in (-1, 0, 1)):
        other = cell + step
        distance = np.hypot(x - centres[0].take(other), y - centres[1].take(other))
        better = distance < first
        middle = ~better & (distance < runner_up)
        runner_up = np.where(better, first, np.where(middle, distance, runner_up))
        second = np.where(better, number, np.where(middle, other, second))
        first = np.where(better, distance, first)
        number = np.where(better, other, number)
    return number, second, runner_up - first


def _in_block(
    rng: np.random.Generator,
    number: NDArray[np.int32],
    x: Float32,
    y: Float32,
    centres: Float32,
) -> tuple[Float32, Float32]:
    """Coordinates along and across the rows, from the block's centre."""
    count = centres.shape[1]
    # Rows run along one of the two directions of the road grid.
    turn = rng.choice([0.0, 90.0], count, p=[0.65, 0.35])
    angle = np.radians(turn + ROW_SPREAD * rng.standard_normal(count))
    cos, sin = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    dx, dy = x - centres[0].take(number), y - centres[1].take(number)
    cos, sin = cos.take(number), sin.take(number)
    return dx * cos + dy * sin, dy * cos - dx * sin


def _river_distance(rng: np.random.Generator, x: Float32, y: Float32) -> Float32:
    """Distance in m from a winding river that crosses the window."""
    low, high = float(x.min()), float(x.max())
    nodes = np.arange(low - 1000.0, high + 1000.0, 10.0)
    lengths = np.array([5200.0, 2300.0, 900.0, 420.0])
    heights = np.array([900.0, 420.0, 150.0, 60.0])
    phases = rng.uniform(0, 2 * np.pi, len(lengths))
    waves = np.sin(2 * np.pi * nodes[:, None] / lengths + phases) @ heights
    slope = rng.uniform(-0.35, 0.35)
    middle = float(y.min() + y.max()) / 2 + rng.uniform(-2500.0, 2500.0)
    line = middle + slope * (nodes - nodes.mean()) + waves
    steepness = np.hypot(1.0, np.gradient(line, nodes))
    column = ((x - nodes[0]) / 10.0).astype(np.int32)
    offset = np.abs(y - line.astype(np.float32).take(column))
    return np.asarray(offset / steepness.astype(np.float32).take(column))


def _built(rng: np.random.Generator, blocks: _Blocks, patches: Float32) -> Float32:
    """Low on roads, rising away from village centres."""
    radius = rng.uniform(*VILLAGE_RADIUS, blocks.count)
    radius[rng.random(blocks.count) > VILLAGE_SHARE] = 8.0
    reach = radius.astype(np.float32).take(blocks.number)
    distance = np.maximum(np.abs(blocks.along), 1.3 * np.abs(blocks.across))
    villages = distance / reach + 0.12 * patches
    return np.where(blocks.edge < ROAD, np.float32(-9.0), villages)


def _woods(rng: np.random.Generator, blocks: _Blocks, patches: Float32) -> Float32:
    """Shelter belts first, then woodlots where noise is low."""
    low = np.minimum(blocks.number, blocks.second)
    high = np.maximum(blocks.number, blocks.second)
    lottery = rng.random(4096).astype(np.float32)
    belt = lottery.take((low * 31 + high * 17) % 4096) < BELT_SHARE
    belts = -20.0 + blocks.edge / BELT
    return np.where(belt & (blocks.edge < BELT), belts, patches)


def _take_lowest(
    cover: NDArray[np.uint8],
    potential: Float32,
    position: int,
    shares: NDArray[np.float64],
) -> None:
    """Give a cover its share of the window where its potential is lowest."""
    free = np.flatnonzero(cover == 255)
    count = min(round(shares[position] * cover.size), len(free))
    order = np.argpartition(potential.reshape(-1)[free], max(count - 1, 0))
    cover.reshape(-1)[free[order[:count]]] = position


def _parcels(
    rng: np.random.Generator, blocks: _Blocks, free: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Cut the blocks into strips: parcel (y, x) and block of each (parcels,)."""
    width = rng.uniform(*STRIP_WIDTH, blocks.count).astype(np.float32)
    length = rng.uniform(*STRIP_LENGTH, blocks.count).astype(np.float32)
    across = np.floor(blocks.across / width.take(blocks.number)).astype(np.int32)
    along = np.floor(blocks.along / length.take(blocks.number)).astype(np.int32)
    # A block reaches at most 1.5 BLOCK from its centre: at most 66 strips a side.
    key = (blocks.number * 16 + along + 8) * 256 + across + 128
    used = np.bincount(key[free], minlength=int(key.max()) + 1) > 0
    renumber = np.where(used, np.cumsum(used) - 1, NO_PARCEL).astype(np.int32)
    parcel = np.where(free, renumber.take(key), np.int32(NO_PARCEL))
    return parcel, (np.flatnonzero(used) // (16 * 256)).astype(np.int32)


def _crops(
    rng: np.random.Generator,
    parcel: NDArray[np.int32],
    count: int,
    bank: Float32,
    shares: NDArray[np.float64],
) -> NDArray[np.uint8]:
    """Crop of each parcel: rice near the river, soybean scattered, maize elsewhere."""
    held = parcel >= 0
    area = np.bincount(parcel[held], minlength=count)
    near = np.bincount(parcel[held], weights=bank[held], minlength=count) / area
    crop = np.full(count, CROPS.index("maize"), dtype=np.uint8)
    wanted = shares[: len(CROPS)] / shares[: len(CROPS)].sum() * area.sum()
    wet = near * np.exp(0.45 * rng.standard_normal(count))
    _plant(crop, area, wet, CROPS.index("rice"), wanted)
    lottery = np.where(crop == CROPS.index("rice"), np.inf, rng.random(count))
    _plant(crop, area, lottery, CROPS.index("soybean"), wanted)
    return crop


def _plant(
    crop: NDArray[np.uint8],
    area: NDArray[np.int64],
    score: NDArray[np.float64],
    position: int,
    wanted: NDArray[np.float64],
) -> None:
    order = np.argsort(score, kind="stable")
    reached = np.searchsorted(np.cumsum(area[order]), wanted[position])
    crop[order[:reached]] = position
