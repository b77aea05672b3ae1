"""Stacks of crops with a long history, estimating several years in worker processes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from pandas import DataFrame

from api.evaluate_workers import cores, spread_out
from api.progress import Advance
from models.county.platform import CountyStack
from models.county_yield import INTERVAL

__all__ = ["stack_estimates"]


@dataclass(frozen=True, slots=True)
class _Estimate:
    """What a worker is given once: the tables, which are large."""

    stacks: Mapping[str, CountyStack]

    def __call__(self, asked: tuple[str, int]) -> DataFrame:
        crop, year = asked
        return self.stacks[crop].predict(year, interval=INTERVAL)


def stack_estimates(
    stacks: Mapping[str, CountyStack], *, years: Sequence[int], advance: Advance
) -> DataFrame:
    """Estimate years by the stack of each crop, each from the years before it.

    Returns
    -------
    DataFrame
        As `CountyStack.predict`, a row for each crop, year and county; `advance` is
        called once for each crop and year.

    Raises
    ------
    WorkerLost
    """
    asked = [(crop, year) for crop in sorted(stacks) for year in years]
    parts = []
    for part in spread_out(_Estimate(stacks), asked, workers=cores()):
        parts.append(part)
        advance()
    return pd.concat(parts, ignore_index=True)
