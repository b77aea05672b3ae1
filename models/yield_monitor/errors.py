"""What can be wrong with the points of a combine.

models.errors.ModelError
└── MonitorError
    ├── NoPoints
    ├── MeasureMissing
    ├── UnitUnknown
    └── UnitsMixed
"""

from collections.abc import Iterable

from models.errors import ModelError

__all__ = [
    "MeasureMissing",
    "MonitorError",
    "NoPoints",
    "UnitUnknown",
    "UnitsMixed",
]


class MonitorError(ModelError):
    """Base of what is refused about yield-monitor points and their units."""


class NoPoints(MonitorError):
    """The table has no rows."""

    def __init__(self) -> None:
        super().__init__(
            "the table has no points: export the harvest again, with its rows"
            " · 表中没有任何测产点，请重新导出"
        )


class MeasureMissing(MonitorError):
    """A column lacks, or holds no number at all."""

    def __init__(self, columns: Iterable[str]) -> None:
        self.columns = tuple(columns)
        names = ", ".join(self.columns)
        super().__init__(
            f"no value at all for {names}: without it there is no yield. Give the "
            "column, or export with it"
            f" · 缺少 {'、'.join(self.columns)} 的数值，无法计算单产，请补上该列"
        )


class UnitUnknown(MonitorError):
    """A unit is not one of those that are known."""

    def __init__(self, unit: str, *, known: Iterable[str]) -> None:
        self.unit = unit
        names = ", ".join(known)
        super().__init__(
            f"unit {unit!r}: give one of {names} · 单位 {unit} 无法识别，可用：{names}"
        )


class UnitsMixed(MonitorError):
    """One column holds values in two units."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what}: bring all values to one unit first · 数值单位不一致，请先统一单位"
        )
