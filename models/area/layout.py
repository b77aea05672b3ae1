"""Where to sample: pixels of each class at random, or squares of a frame."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from models.area.errors import DesignImpossible

__all__ = [
    "Drawing",
    "add_counts",
    "cell_counts",
    "crop_strata",
    "draw_segments",
    "spaced",
]

Float = NDArray[np.float64]
Codes = NDArray[np.integer]

# Candidates a wanted point, where points must keep apart.
_SPARE = 5


def add_counts(blocks: Iterable[Codes], *, nodata: int | None) -> dict[int, int]:
    """Count the pixels of each class over the blocks of a raster.

    Parameters
    ----------
    blocks
        Integers, any shape.
    nodata
        Code that is no class.

    Returns
    -------
    Code -> pixels, by code.
    """
    counts: dict[int, int] = {}
    for block in blocks:
        codes, found = np.unique(block, return_counts=True)
        for code, count in zip(codes.tolist(), found.tolist(), strict=True):
            if code != nodata:
                counts[code] = counts.get(code, 0) + count
    return dict(sorted(counts.items()))


@dataclass(slots=True)
class Drawing:
    """Draws pixels of each class by rank, over two passes through the blocks.

    A raster of a province does not fit memory: the first pass counted, ranks are
    drawn from the counts without replacement, and the second pass finds them. The
    result does not depend on how the raster is cut, as long as the blocks come in the
    same order.

    Attributes
    ----------
    ranks
        Code -> int64 (candidates,) in random order: the first ones are taken first.
    """

    ranks: Mapping[int, NDArray[np.int64]]
    _passed: dict[int, int]

    @classmethod
    def of(
        cls,
        counts: Mapping[int, int],
        wanted: Mapping[int, int],
        *,
        seed: int,
        spare: bool,
    ) -> "Drawing":
        """Draw ranks; with `spare` more of them than wanted, to choose from.

        Raises
        ------
        DesignImpossible
            A class has fewer pixels than are wanted.
        """
        random = np.random.default_rng(seed)
        ranks = {}
        # Sorted, since the draws follow each other: the same seed, the same sample.
        for code, number in sorted(wanted.items()):
            there = counts.get(code, 0)
            if number > there:
                raise DesignImpossible(
                    f"{number} samples of class {code}, which has {there} pixels"
                    f" · 类别 {code} 只有 {there} 个像元，不足 {number} 个样本"
                )
            size = min(there, number * _SPARE) if spare else number
            ranks[code] = random.choice(there, size=size, replace=False)
        return cls(ranks, dict.fromkeys(ranks, 0))

    def find(self, block: Codes) -> dict[int, tuple[NDArray[np.integer], ...]]:
        """Find the drawn pixels of the next block.

        Returns
        -------
        Code -> (order, row, column): place in the drawing, and in the block.
        """
        found: dict[int, tuple[NDArray[np.integer], ...]] = {}
        for code, ranks in self.ranks.items():
            rows, columns = np.nonzero(block == code)
            # A rank counts pixels of the class over all the map, a block its own.
            start = self._passed[code]
            self._passed[code] = start + len(rows)
            (order,) = np.nonzero((ranks >= start) & (ranks < start + len(rows)))
            if len(order):
                at = ranks[order] - start
                found[code] = (order, rows[at], columns[at])
        return found


def spaced(
    places: Float,
    order: NDArray[np.int64],
    *,
    wanted: int,
    least_m: float,
    taken: Float,
) -> NDArray[np.int64]:
    """Choose points in their random order that keep a distance from each other.

    Parameters
    ----------
    places
        float64 (points, 2), metres.
    order
        int64 (points,): lower ones first.
    wanted
        How many.
    least_m
        Metres from each other and from `taken`; 0 for none.
    taken
        float64 (others, 2), metres: points chosen before.

    Returns
    -------
    int64 (wanted,): places of the chosen ones.

    Raises
    ------
    DesignImpossible
        Not enough of them lie so far apart.
    """
    sequence = np.argsort(order, kind="stable")
    if not least_m:
        return sequence[:wanted]
    free = np.ones(len(places), bool)
    if len(taken):
        near, _ = cKDTree(taken).query(places)
        free = np.asarray(near >= least_m)
    tree = cKDTree(places)
    chosen: list[int] = []
    # Greedy, in random order: who comes first keeps its place, and its neighbours go.
    for place in sequence:
        if free[place] and len(chosen) < wanted:
            chosen.append(place)
            free[tree.query_ball_point(places[place], least_m, return_sorted=False)] = (
                False
            )
    if len(chosen) < wanted:
        raise DesignImpossible(
            f"only {len(chosen)} of {wanted} points of a class keep {least_m:g} m "
            "apart: give a shorter distance, or ask for fewer points"
            f" · 相距 {least_m:g} 米的样点只有 {len(chosen)} 个，不足 {wanted} 个，"
            "请缩短最小间距或减少样点"
        )
    return np.array(chosen, dtype=np.int64)


def cell_counts(
    classes: Codes, *, side: int, codes: NDArray[np.integer]
) -> NDArray[np.int64]:
    """Count the pixels of each class in squares of `side` pixels.

    Parameters
    ----------
    classes
        (rows, columns), multiples of `side`.

    Returns
    -------
    int64 (rows / side, columns / side, codes).
    """
    rows, columns = (length // side for length in classes.shape)
    # A view: no pixel is copied.
    cells = classes.reshape(rows, side, columns, side)
    return np.stack(
        [(cells == code).sum(axis=(1, 3), dtype=np.int64) for code in codes], axis=-1
    )


def crop_strata(share: Float, edges: tuple[float, ...]) -> NDArray[np.int64]:
    """Stratum of each segment by the share of it that is crop, 0 for the least.

    Parameters
    ----------
    share
        float64 (segments,), 0 to 1.
    edges
        Ascending, 0 to 1, exclusive below: a segment of exactly 0.15 is in the upper
        of (0.15,).
    """
    return np.searchsorted(np.array(edges), share, side="right")


def draw_segments(
    strata: NDArray[np.int64], allocation: Mapping[int, int], *, seed: int
) -> NDArray[np.int64]:
    """Draw segments of each stratum without replacement; int64, ascending.

    Raises
    ------
    DesignImpossible
        A stratum has fewer.
    """
    random = np.random.default_rng(seed)
    drawn = []
    # Sorted, as for points: the order of a dictionary must not change the sample.
    for stratum, number in sorted(allocation.items()):
        (own,) = np.nonzero(strata == stratum)
        if number > len(own):
            raise DesignImpossible(
                f"{number} segments of stratum {stratum}, which has {len(own)}"
                f" · 层 {stratum} 只有 {len(own)} 个样方，不足 {number} 个"
            )
        drawn.append(random.choice(own, size=number, replace=False))
    return np.sort(np.concatenate(drawn)) if drawn else np.zeros(0, np.int64)
