"""Why a zone has a number, or none."""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class ZoneStatus(StrEnum):
    """State of a zone on a date. Only OK and PARTIAL come with numbers."""

    OK = "ok"
    PARTIAL = "partial"
    NO_DATA = "no_data"
    OUTSIDE = "outside"
    TOO_SMALL = "too_small"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Wording:
    """One meaning in both languages."""

    en: str
    zh: str


STATUS_WORDING = MappingProxyType(
    {
        ZoneStatus.OK: Wording("complete", "完整"),
        ZoneStatus.PARTIAL: Wording(
            "part of the area is off the grid or not seen: see the share",
            "部分面积在栅格之外或无有效观测，见有效比例",
        ),
        ZoneStatus.NO_DATA: Wording("no valid pixel on this date", "当日无有效像元"),
        ZoneStatus.OUTSIDE: Wording("not on the grid", "不在栅格范围内"),
        ZoneStatus.TOO_SMALL: Wording(
            "less than one pixel on the grid", "在栅格上的面积不足一个像元"
        ),
        ZoneStatus.EMPTY: Wording(
            "holds no pixel of this class, or none with a weight",
            "区内无该类别像元或权重全为零",
        ),
    }
)
"""What a status means, for reports and pages."""
