"""WOFOST with a county's stored weather and observed leaf area."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pandas as pd

from api.errors import ApiError
from api.place import place_of_county
from models.tables import require_columns
from models.wofost import (
    Ensemble,
    Growing,
    LeafArea,
    SimulationFailed,
    assimilate,
    county_weather,
    reference_maize,
)

if TYPE_CHECKING:
    from api.settings import Settings
    from models.wofost.run import Mode

__all__ = [
    "LeafAreaInvalid",
    "WofostMade",
    "WofostRequest",
    "leaf_area_of",
    "run_wofost",
]

# Of leaf area by an optical index, where the file does not say: a quarter of the value.
_RELATIVE_ERROR = 0.25
_LEAST_ERROR = 0.1


class LeafAreaInvalid(ApiError):
    """A file holds no leaf area that can be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WofostRequest:
    """What run is wanted.

    Attributes
    ----------
    county
        GB/T 2260 code or Chinese name.
    start, end
        Emergence, and maturity at the latest.
    observed
        Leaf area, by day.
    elevation
        m above the sea.
    changes
        Parameters in place of the reference variety's.
    """

    county: str
    start: date
    end: date
    observed: tuple[LeafArea, ...]
    elevation: float
    mode: str
    changes: Mapping[str, float]
    members: int
    seed: int


@dataclass(frozen=True, slots=True)
class WofostMade:
    """An ensemble, what its weather lacked, and whether that is simulated."""

    ensemble: Ensemble
    assumed: tuple[str, ...]
    simulated: bool


def leaf_area_of(path: Path) -> tuple[LeafArea, ...]:
    """Read a table of ``day``, ``lai`` and perhaps ``sd``, by day; NaN is left out.

    Raises
    ------
    LeafAreaInvalid
        It cannot be read, or a day or a number is none.
    models.errors.ColumnMissing
    """
    try:
        table = pd.read_csv(path, encoding="utf-8-sig")
        require_columns(table, ["day", "lai"], table=path.name)
        known = table.dropna(subset=["day", "lai"])
        days = pd.to_datetime(known["day"], format="%Y-%m-%d").dt.date
        values = known["lai"].astype(float)
        errors = (values * _RELATIVE_ERROR).clip(lower=_LEAST_ERROR)
        if "sd" in known:
            errors = known["sd"].astype(float).fillna(errors)
    except (OSError, ValueError) as exc:
        raise LeafAreaInvalid(
            f"{path}: {exc}; give a CSV of day (YYYY-MM-DD), lai and perhaps sd"
            f" · 无法读取 {path}，请提供含 day、lai（及 sd）列的 CSV 文件"
        ) from exc
    rows = zip(days, values, errors, strict=True)
    found = [LeafArea(day=day, value=value, sd=sd) for day, value, sd in rows]
    return tuple(sorted(found, key=lambda one: one.day))


def run_wofost(settings: "Settings", request: WofostRequest) -> WofostMade:
    """Run the ensemble with the county's stored weather.

    Raises
    ------
    models.wofost.WofostMissing
        The extra is not installed; said first, before any work.
    PlaceInvalid
        No such county.
    models.wofost.WofostError
        Among others where no member grew any grain.
    """
    # First: without a season no weather is asked for, and it would be missed instead.
    growing = Growing(start=request.start, end=request.end)
    parameters = reference_maize(**request.changes)
    place = place_of_county(request.county)
    table = _weather(settings, place.key, request)
    centre = place.geometry.centroid
    weather = county_weather(
        table, lat=centre.y, lon=centre.x, elevation=request.elevation
    )
    ensemble = assimilate(
        parameters,
        weather.provider,
        growing,
        request.observed,
        mode=cast("Mode", request.mode),
        members=request.members,
        seed=request.seed,
    )
    if not ensemble.yields.any():
        raise SimulationFailed(
            "no member of the ensemble grew grain, so no yield is stated: the season "
            "ends before the grain fills, a changed parameter cannot be, or the water "
            "ran out · 所有成员均未形成籽粒，不给出单产："
            "生长季过早结束、参数不合理或缺水"
        )
    return WofostMade(ensemble, weather.assumed, bool(table["simulated"].any()))


def _weather(settings: "Settings", code: str, request: WofostRequest) -> pd.DataFrame:
    from store import open_store, weather

    with (
        open_store(data=settings.data, url=settings.url) as store,
        store.connection() as conn,
    ):
        return weather.find(
            conn,
            start=request.start,
            end=request.end,
            counties=[code],
            columns=weather.ALL_COLUMNS,
        )
