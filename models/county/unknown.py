"""Features of which too little is known to learn from them or to use them now."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.county.season import ENOUGH
from models.county.table import Floats, Table


def set_aside(
    table: Table, target: Floats, *, place: int, until: int
) -> tuple[Table, tuple[str, ...]]:
    """Leave out features known in less than half of the rows.

    Of the rows learnt from, those with a target; or of the rows of the year asked
    for. One column that begins late must not cost all the others their history.

    Parameters
    ----------
    table : Table
    target : float64 (year, region), NaN where nothing is learnt from
    place : of the year asked for
    until : day of the year after which nothing of a series counts

    Returns
    -------
    Table, names of the features left out
    """
    learnt, asked = np.isfinite(target), table.present[place]
    series, without = [], []
    for one in table.series:
        now = one.values[..., one.days <= until]
        known = np.isfinite(now).mean(axis=2) >= ENOUGH if now.size else learnt
        if _served(known, learnt) and _served(known[place], asked):
            series.append(one)
        else:
            without.append(one.name)
    there = np.isfinite(table.scalars)
    kept = np.array(
        [
            _served(there[..., k], learnt) and _served(there[place, :, k], asked)
            for k in range(there.shape[2])
        ],
        dtype=bool,
    )
    names = np.array(table.scalar_names, dtype=object)
    without += names[~kept].tolist()
    if not without:
        return table, ()
    left = replace(
        table,
        series=tuple(series),
        scalars=table.scalars[..., kept],
        scalar_names=tuple(names[kept].tolist()),
    )
    return left, tuple(without)


def _served(known: NDArray[np.bool_], rows: NDArray[np.bool_]) -> bool:
    """Tell whether at least half of the rows are known; of no rows, yes."""
    return bool(2 * (known & rows).sum() >= rows.sum())


__all__ = ["set_aside"]
