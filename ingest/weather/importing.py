"""Weather of places into the store, with an account of the days that lack something."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import pandas as pd

from ingest.weather.series import PlaceSeries
from ingest.weather.table import NUMBERS, Impossible, checked

__all__ = ["Account", "Gap", "Put", "bring_in", "days_between", "gap_lines"]

_DAY = timedelta(days=1)

# Rows are stored as they come, so that a stop loses little; a month at a time.
_BATCH = 31

Put = Callable[[pd.DataFrame], int]
"""Stores rows and says how many of them are new or changed."""


@dataclass(frozen=True, slots=True)
class Gap:
    """What a place lacks on a day; all variables where `lacking` is empty."""

    place: str
    day: date
    lacking: tuple[str, ...]


@dataclass(slots=True)
class Account:
    """What came of an import.

    Attributes
    ----------
    new
        Rows that are new in the store or changed there.
    known
        Rows that were there already.
    gaps
        Places and days without a row, or with one that lacks a variable.
    impossible
        Rows that were refused; they are gaps too.
    """

    new: int = 0
    known: int = 0
    gaps: list[Gap] = field(default_factory=list)
    impossible: list[Impossible] = field(default_factory=list)

    def add(self, other: "Account") -> None:
        """Take in what came of another part."""
        self.new += other.new
        self.known += other.known
        self.gaps += other.gaps
        self.impossible += other.impossible


def days_between(start: date, end: date) -> list[date]:
    """Every day from `start` to `end`, both included."""
    return [start + i * _DAY for i in range((end - start).days + 1)]


def bring_in(
    series: PlaceSeries,
    days: Sequence[date],
    put: Put,
    *,
    wanted: Sequence[str] | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Account:
    """Store the weather of days, and say what is missing.

    A row without a single number is not stored; a row that lacks one is, and is a gap.

    Parameters
    ----------
    series
        The weather.
    days
        Days that are wanted, whether the series has them or not.
    put
        Into the store.
    wanted
        Variables without which a day is a gap; if None those that the source has of
        any day.
    progress
        Called with the days done and all days.
    """
    account = Account()
    variables = series.variables() if wanted is None else tuple(wanted)
    waiting: list[pd.DataFrame] = []
    for done, day in enumerate(days, 1):
        rows = series.table(day)
        good, refused = checked(rows)
        account.impossible += refused
        account.gaps += _gaps(rows, good, variables)
        waiting.append(good.dropna(subset=list(NUMBERS), how="all"))
        if len(waiting) == _BATCH or done == len(days):
            _store(pd.concat(waiting), put, account)
            waiting.clear()
        progress(done, len(days))
    return account


def _store(rows: pd.DataFrame, put: Put, account: Account) -> None:
    if len(rows):
        new = put(rows)
        account.new += new
        account.known += len(rows) - new


def _gaps(
    rows: pd.DataFrame, good: pd.DataFrame, wanted: Sequence[str]
) -> Iterator[Gap]:
    there = good[list(wanted)].notna()
    for index, place, day in rows[["place", "day"]].itertuples():
        has = (
            there.loc[index]
            if index in there.index
            else pd.Series(False, there.columns)
        )
        if not has.all():
            lacking = tuple(name for name in wanted if not has[name])
            yield Gap(place, day.date(), lacking if has.any() else ())


def gap_lines(gaps: Sequence[Gap]) -> list[str]:
    """Gaps as lines to read, neighbouring days of a place in one.

    Returns
    -------
    list of str
        For example "220322 2026-05-03 to 2026-05-09: radiation".
    """
    runs: list[tuple[Gap, Gap]] = []
    for gap in sorted(gaps, key=lambda gap: (gap.place, gap.lacking, gap.day)):
        if runs and runs[-1][1] == replace(gap, day=gap.day - _DAY):
            runs[-1] = (runs[-1][0], gap)
        else:
            runs.append((gap, gap))
    lines = []
    for first, last in runs:
        span = f"{first.day}" if first == last else f"{first.day} to {last.day}"
        what = " ".join(first.lacking) or "nothing there · 无数据"
        lines.append(f"{first.place} {span}: {what}")
    return sorted(lines)
