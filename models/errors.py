"""What can be wrong with the input of a model.

ModelError
├── ColumnMissing
├── RowsDuplicated
├── ValueInvalid
├── ShapeMismatch
├── SeasonInvalid
└── YieldTooLarge
"""

from collections.abc import Sequence


class ModelError(Exception):
    """Base of everything this package raises on purpose."""


class ColumnMissing(ModelError):
    """A table lacks columns that the model reads."""

    def __init__(self, *, table: str, columns: Sequence[str]) -> None:
        super().__init__(
            f"the {table} table has no column {', '.join(columns)}: "
            "add it, or leave it out of the list of features"
            f" · {table} 表缺少列 {'、'.join(columns)}，请补上"
        )
        self.table = table
        self.columns = tuple(columns)


class RowsDuplicated(ModelError):
    """A table states the same thing twice."""

    def __init__(self, *, table: str, key: dict[str, object]) -> None:
        named = ", ".join(f"{name} {value}" for name, value in key.items())
        super().__init__(
            f"the {table} table has more than one row for {named}: keep one of them"
            f" · {table} 表中 {'、'.join(map(str, key.values()))} 有多行，请只留一行"
        )
        self.table = table
        self.key = key


class ValueInvalid(ModelError):
    """A table holds a value that cannot be true."""


class ShapeMismatch(ModelError):
    """Arrays of one grid differ in shape."""


class SeasonInvalid(ModelError):
    """A season lacks a variable or the description of its numbers."""


class YieldTooLarge(ModelError):
    """A yield does not fit the integers of a yield map."""
