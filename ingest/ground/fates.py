"""What becomes of each row: stored, a duplicate, or a problem that is listed.

Every row of a file ends in exactly one of the three, and the counts add up.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

__all__ = ["Intake", "Known", "Listed", "Numbered", "Settled", "settle"]


class Known(Protocol):
    """A record that knows whether it is simulated."""

    @property
    def simulated(self) -> bool:
        """Whether it is made up."""


R = TypeVar("R", bound=Known)

# Of rows that contradict each other; a file can hold thousands of them.
NAMED = 5

Numbered = tuple[int, R]
"""Number of the row in its file, from 1, and the record made of it."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A row that is named to the person, and why.

    `kind` is a short word to count and filter by, e.g. ``"outside"``.
    """

    row: int
    kind: str
    english: str
    chinese: str

    def __str__(self) -> str:
        return f"{self.english} · {self.chinese}"


@dataclass(frozen=True, slots=True)
class Settled(Generic[R]):
    """Rows that are new, rows that are there already, rows that contradict."""

    stored: list[Numbered[R]]
    duplicates: list[Listed]
    problems: list[Listed]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake(Generic[R]):
    """What a file comes to.

    Raises ValueError when a row has no fate or two: that would be a fault of ours.
    """

    rows: int
    """Rows or features of the file; they are numbered from 1."""
    stored: tuple[Numbered[R], ...]
    """Records to store; a row can give several (the parts of a field)."""
    duplicates: tuple[Listed, ...]
    problems: tuple[Listed, ...]
    remarks: tuple[Listed, ...] = ()
    """What was done to rows that are stored, e.g. a repaired outline."""
    notes: tuple[str, ...] = ()
    """What holds for the whole file, in both languages."""

    def __post_init__(self) -> None:
        fates = sorted(
            [*self.stored_rows]
            + [listed.row for listed in (*self.duplicates, *self.problems)]
        )
        if fates != list(range(1, self.rows + 1)):
            raise ValueError(f"{self.rows} rows do not each have one fate: {fates}")

    @property
    def stored_rows(self) -> list[int]:
        """Numbers of the rows that are stored, in order."""
        return sorted({row for row, _ in self.stored})

    @property
    def records(self) -> list[R]:
        """The records to store, without the numbers of their rows."""
        return [record for _, record in self.stored]


def settle(
    candidates: Sequence[Numbered[R]],
    *,
    key: Callable[[R], Hashable],
    content: Callable[[R], Hashable],
    known: Iterable[R] = (),
) -> Settled[R]:
    """Tell new records from repeated and contradicting ones.

    Parameters
    ----------
    candidates : sequence of (row, record)
        In the order of the file.
    key : callable
        What must be unique among stored records.
    content : callable
        What two records of one key must share to be the same.
    known : iterable
        Records stored before.

    Returns
    -------
    Settled
        Of equal records the first is stored. When records of one key contradict
        each other, none is: nobody here knows which is right. A real record takes
        the place of a simulated one, never the other way.
    """
    before = {key(record): record for record in known}
    groups: dict[Hashable, list[Numbered[R]]] = defaultdict(list)
    for candidate in candidates:
        groups[key(candidate[1])].append(candidate)
    settled: Settled[R] = Settled([], [], [])
    for name, group in groups.items():
        if len({content(record) for _, record in group}) > 1:
            settled.problems.extend(_contradictions(group))
            continue
        first, *others = group
        _against_stored(first, before.get(name), content, settled)
        settled.duplicates.extend(_repeated(row, first[0]) for row, _ in others)
    return settled


def _against_stored(
    candidate: Numbered[R],
    before: R | None,
    content: Callable[[R], Hashable],
    settled: Settled[R],
) -> None:
    row, record = candidate
    if before is None or (before.simulated and not record.simulated):
        settled.stored.append(candidate)
    elif content(before) == content(record) and before.simulated == record.simulated:
        settled.duplicates.append(Listed(row, "stored", "stored before", "此前已入库"))
    elif record.simulated and not before.simulated:
        settled.problems.append(
            Listed(
                row,
                "simulated",
                "a real record is stored here; simulated data do not replace it",
                "此处已有真实记录，模拟数据不能替换",
            )
        )
    else:
        settled.problems.append(
            Listed(
                row,
                "conflict",
                f"stored before with other content: {content(before)} there, "
                f"{content(record)} here",
                "与已入库的记录内容不同，请核对",
            )
        )


def _contradictions(group: Iterable[Numbered[R]]) -> list[Listed]:
    rows = [row for row, _ in group]
    names = ", ".join(map(str, rows[:NAMED])) + (" …" if len(rows) > NAMED else "")
    return [
        Listed(
            row,
            "conflict",
            f"rows {names} contradict each other; none is taken",
            f"第 {names} 行互相矛盾，均未采用",
        )
        for row in rows
    ]


def _repeated(row: int, first: int) -> Listed:
    return Listed(row, "repeated", f"same as row {first}", f"与第 {first} 行相同")
