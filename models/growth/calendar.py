"""Stages of the crops of Jilin, and what harms them when.

Dates are typical ones of central Jilin as agronomists tell them; none was checked
against a yearbook or a standard, so every one is marked unverified, and a bulletin says
so. `CALENDARS` is data: give other stages for another place.
"""

from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Final

from models.reasons import Reason

__all__ = ["CALENDARS", "CropCalendar", "Stage", "calendar_of"]

MonthDay = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stage of a crop, and the temperatures that harm it.

    Attributes
    ----------
    name
    first, last
        (month, day), both included.
    heat
        Daily maximum, deg C, from which on heat harms; None: not counted.
    cold
        Daily mean, deg C, below which cold harms the setting of grain.
    frost
        Daily minimum in the air, deg C, at which frost harms.
    """

    name: Reason
    first: MonthDay
    last: MonthDay
    heat: float | None = None
    cold: float | None = None
    frost: float | None = None

    def window(self, year: int) -> tuple[date, date]:
        """First and last day in a year."""
        return date(year, *self.first), date(year, *self.last)


@dataclass(frozen=True, slots=True, kw_only=True)
class CropCalendar:
    """The stages of a crop from sowing to maturity, in order.

    Attributes
    ----------
    source
        Where the dates are from; said in every bulletin.
    verified
        Whether somebody compared them with that source.
    """

    crop: str
    stages: tuple[Stage, ...]
    source: Reason
    verified: bool = False

    def stage_at(self, day: date) -> Stage | None:
        """Return the stage a day is in, None between sowing seasons."""
        for stage in self.stages:
            first, last = stage.window(day.year)
            if first <= day <= last:
                return stage
        return None


_TYPICAL: Final = Reason(
    "typical dates of central Jilin, unverified", "吉林中部常年日期，未经核实"
)


def _stage(
    en: str,
    zh: str,
    first: MonthDay,
    last: MonthDay,
    *,
    heat: float | None = None,
    cold: float | None = None,
    frost: float | None = None,
) -> Stage:
    return Stage(
        name=Reason(en, zh), first=first, last=last, heat=heat, cold=cold, frost=frost
    )


# 0 deg C in the air at 2 m for frost; 35 deg C around silking and heading, and 20 deg C
# for the setting of rice, are the limits most often told. All unverified.
_MAIZE: Final = (
    _stage("sowing to emergence", "播种—出苗", (4, 20), (5, 24)),
    _stage("seedling", "苗期", (5, 25), (6, 20), frost=0.0),
    _stage("jointing", "拔节期", (6, 21), (7, 14), frost=0.0),
    _stage(
        "tasselling and silking", "抽雄吐丝期", (7, 15), (8, 5), heat=35.0, frost=0.0
    ),
    _stage("grain filling", "灌浆期", (8, 6), (9, 10), frost=0.0),
    _stage("maturity", "成熟期", (9, 11), (10, 5), frost=-2.0),
)
_RICE: Final = (
    _stage("nursery", "育秧期", (4, 10), (5, 14)),
    _stage("transplanting", "移栽返青期", (5, 15), (6, 5), frost=0.0),
    _stage("tillering", "分蘖期", (6, 6), (7, 5), frost=0.0),
    _stage("booting", "孕穗期", (7, 6), (7, 24), cold=18.0, frost=0.0),
    _stage(
        "heading and flowering",
        "抽穗扬花期",
        (7, 25),
        (8, 10),
        heat=35.0,
        cold=20.0,
        frost=0.0,
    ),
    _stage("grain filling", "灌浆期", (8, 11), (9, 10), frost=0.0),
    _stage("maturity", "成熟期", (9, 11), (10, 10), frost=-2.0),
)
_SOYBEAN: Final = (
    _stage("sowing to emergence", "播种—出苗", (4, 25), (5, 24)),
    _stage("seedling", "苗期", (5, 25), (6, 24), frost=0.0),
    _stage("flowering", "开花期", (6, 25), (7, 25), heat=35.0, frost=0.0),
    _stage("podding", "结荚期", (7, 26), (8, 20), heat=35.0, frost=0.0),
    _stage("seed filling", "鼓粒期", (8, 21), (9, 14), frost=0.0),
    _stage("maturity", "成熟期", (9, 15), (9, 30), frost=-2.0),
)

CALENDARS: Final = MappingProxyType(
    {
        crop: CropCalendar(crop=crop, stages=stages, source=_TYPICAL)
        for crop, stages in (
            ("maize", _MAIZE),
            ("rice", _RICE),
            ("soybean", _SOYBEAN),
        )
    }
)
"""Calendar of each crop by its name in `models.features.CROPS`."""


def calendar_of(crop: str) -> CropCalendar | None:
    """Return the calendar of a crop, None where there is none."""
    return CALENDARS.get(crop)
