"""How much of each row's land had been cut before."""

import numpy as np
import shapely
from numpy.typing import NDArray

from models.yield_monitor.passes import Track

__all__ = ["fresh_share"]

Float = NDArray[np.float64]


def fresh_share(
    track: Track, *, distance: Float, swath: Float, usable: NDArray[np.bool_]
) -> Float:
    """Share of each row's rectangle that no earlier pass had cut.

    A row cuts `swath` metres across its heading along the `distance` that lies behind
    it. Rows of its own pass do not count: they overlap by GPS noise alone.

    Parameters
    ----------
    distance, swath
        Metres, above 0 where usable.
    usable
        Rows whose rectangle is known; the others have share 1 and cut nothing.

    Returns
    -------
    float64 (rows,), 0..1.
    """
    share = np.ones(len(distance))
    rows = np.flatnonzero(usable & np.isfinite(track.heading))
    cut = _rectangles(track, distance, swath, rows)
    if not len(rows):
        return share
    tree = shapely.STRtree(cut)
    mine, theirs = tree.query(cut, predicate="intersects")
    # Who came first cut the land; the log is in the order of the harvest.
    before = (theirs < mine) & (track.run[rows[theirs]] != track.run[rows[mine]])
    mine, theirs = mine[before], theirs[before]
    order = np.argsort(mine, kind="stable")
    mine, theirs = mine[order], theirs[order]
    begins = np.flatnonzero(np.diff(mine, prepend=-1))
    for group in np.split(np.arange(len(mine)), begins[1:]):
        if group.size:
            shape = cut[mine[group[0]]]
            # The union, since land cut twice before is gone only once.
            fresh = shape.difference(shapely.union_all(cut[theirs[group]]))
            share[rows[mine[group[0]]]] = fresh.area / shape.area
    # Overlay of rectangles rounds in the last digits.
    return np.clip(share, 0, 1)


def _rectangles(
    track: Track, distance: Float, swath: Float, rows: NDArray[np.intp]
) -> NDArray[np.object_]:
    east, north = np.sin(track.heading[rows]), np.cos(track.heading[rows])
    along = np.stack([east, north], axis=1) * distance[rows, None]
    across = np.stack([north, -east], axis=1) * swath[rows, None] / 2
    front = np.stack([track.x[rows], track.y[rows]], axis=1)
    corners = [front + across, front - across]
    corners += [corners[1] - along, corners[0] - along]
    made: NDArray[np.object_] = shapely.polygons(np.stack(corners, axis=1))
    return made
