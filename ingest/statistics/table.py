"""What came of a statistics table: rows to store, and everything else by name."""

from dataclasses import dataclass, field

from store.statistics import CountyStatistic

__all__ = ["Listed", "Place", "Row", "StatisticsTable", "Use"]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a row stands in the file: sheet (empty for CSV) and row, from 1."""

    sheet: str
    row: int

    def __str__(self) -> str:
        return f"{self.sheet}!{self.row}" if self.sheet else str(self.row)


@dataclass(frozen=True, slots=True)
class Row:
    """A statistic to store, and the rows of the file that it comes from."""

    statistic: CountyStatistic
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """Something that is not stored, for a person to look at.

    Attributes
    ----------
    place : Place
    name : str
        The place's name, or the row's text, as written.
    crop : str
        As far as it is known; empty where the whole row is meant.
    year : int or None
    reason : str
        "English · 中文".
    """

    place: Place
    name: str
    crop: str
    year: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Use:
    """How one column was understood: where it is, and as what it was taken."""

    sheet: str
    column: str
    meaning: str


@dataclass(frozen=True, slots=True)
class StatisticsTable:
    """A table as understood.

    A row of the file has one entry for each crop and year that it has columns for.
    Each entry, and each row that has none, is in exactly one of the five lists.

    Attributes
    ----------
    rows
        Statistics of present counties, in SI units.
    unmatched
        Entries whose place is no present county, or whose crop is no known one.
    totals
        Sums over several counties.
    problems
        Entries that cannot be believed or not be stored.
    asides
        Titles, headers, notes, entries without a number, crops that are not kept, and
        repetitions of an entry: nothing is missing because of them.
    uses
        The columns, as understood.
    """

    rows: tuple[Row, ...] = ()
    unmatched: tuple[Listed, ...] = ()
    totals: tuple[Listed, ...] = ()
    problems: tuple[Listed, ...] = ()
    asides: tuple[Listed, ...] = ()
    uses: tuple[Use, ...] = field(default=(), compare=False)

    @property
    def complete(self) -> bool:
        """Whether everything that is a county's was taken."""
        return not self.unmatched and not self.problems
