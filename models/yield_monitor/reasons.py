"""Why a point does not count, and what was done to one that does."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

__all__ = ["REASON_WORDING", "TREATMENT_WORDING", "Marks", "Reason", "Treatment"]

# QARTOD (IOOS): good, suspect, fail, missing.
GOOD, SUSPECT, FAIL, MISSING = 1, 3, 4, 9

SEPARATOR = ";"


class Reason(StrEnum):
    """What speaks against a point."""

    IMPORT = "import"
    MISSING = "missing"
    IMPOSSIBLE = "impossible"
    TIME_BACK = "time_back"
    SAME_PLACE = "same_place"
    JUMP = "jump"
    TURN = "turn"
    NO_FLOW_YET = "no_flow_yet"
    PASS_START = "pass_start"
    PASS_END = "pass_end"
    SPEED = "speed"
    SPEED_CHANGE = "speed_change"
    OVERLAP = "overlap"
    NO_GRAIN = "no_grain"
    TOO_HIGH = "too_high"
    LOCAL_OUTLIER = "local_outlier"


class Treatment(StrEnum):
    """What was changed about a point."""

    DELAY = "delay"
    PARTIAL_SWATH = "partial_swath"
    OVERLAP_WIDTH = "overlap_width"


REASON_WORDING: dict[Reason, tuple[str, str]] = {
    Reason.IMPORT: ("refused when it was imported", "导入时已判为无效"),
    Reason.MISSING: ("a value is missing", "缺少数值"),
    Reason.IMPOSSIBLE: ("a value cannot be true", "数值不可能为真"),
    Reason.TIME_BACK: ("the clock steps back", "时间倒退"),
    Reason.SAME_PLACE: ("same GPS position as a point before", "GPS 位置重复"),
    Reason.JUMP: ("further from the last point than driven", "位置跳变"),
    Reason.TURN: ("in a turn", "转弯"),
    Reason.NO_FLOW_YET: ("its grain was never weighed", "谷流未记录"),
    Reason.PASS_START: ("start of a pass, machine filling", "作业行起始段"),
    Reason.PASS_END: ("end of a pass, machine emptying", "作业行结束段"),
    Reason.SPEED: ("too slow or too fast", "速度超限"),
    Reason.SPEED_CHANGE: ("sudden change of speed", "速度突变"),
    Reason.OVERLAP: ("mostly cut before", "大部分已收割过"),
    Reason.NO_GRAIN: ("no grain", "无谷流"),
    Reason.TOO_HIGH: ("above what the crop can yield", "超过作物可能单产"),
    Reason.LOCAL_OUTLIER: ("unlike its neighbours", "与邻点差异过大"),
}

TREATMENT_WORDING: dict[Treatment, tuple[str, str]] = {
    Treatment.DELAY: ("grain moved back to where it was cut", "已改正谷流延迟"),
    Treatment.PARTIAL_SWATH: ("with the logged part of the swath", "按记录的部分割幅"),
    Treatment.OVERLAP_WIDTH: ("with the width not cut before", "按未割过的实际宽度"),
}

_FLAG = {
    Reason.IMPORT: FAIL,
    Reason.MISSING: MISSING,
    Reason.NO_FLOW_YET: MISSING,
    Reason.IMPOSSIBLE: FAIL,
    Reason.TIME_BACK: FAIL,
    Reason.SAME_PLACE: FAIL,
}

_ORDER = list(Reason)


@dataclass(frozen=True, slots=True)
class Marks:
    """Reasons against each of some points, bool (points,) a reason."""

    of: dict[Reason, NDArray[np.bool_]]

    @classmethod
    def none(cls, count: int) -> "Marks":
        """Start with nothing against any point."""
        return cls({reason: np.zeros(count, bool) for reason in Reason})

    def add(self, reason: Reason, where: NDArray[np.bool_]) -> None:
        """Mark points; earlier marks stay."""
        self.of[reason] |= where

    @property
    def good(self) -> NDArray[np.bool_]:
        """Points without a mark."""
        against: NDArray[np.bool_] = np.any(list(self.of.values()), axis=0)
        return ~against

    def flags(self) -> NDArray[np.int8]:
        """QARTOD flag of each point: 1 good, 3 suspect, 4 fail, 9 missing."""
        flags = np.full(len(self.good), GOOD, np.int8)
        for reason, where in self.of.items():
            flags[where] = np.maximum(flags[where], _FLAG.get(reason, SUSPECT))
        return flags

    def first(self) -> NDArray[np.intp]:
        """Position in `Reason` of the first reason of each point, -1 for none."""
        table = np.stack([self.of[reason] for reason in _ORDER])
        return np.where(table.any(axis=0), table.argmax(axis=0), -1)

    def texts(self) -> list[str]:
        """All reasons of each point, joined by ``;``; "" for none."""
        table = np.stack([self.of[reason] for reason in _ORDER], axis=1)
        return [SEPARATOR.join(_ORDER[i] for i in np.flatnonzero(row)) for row in table]
