"""Daily series of places out of grids or points."""

import math
from collections.abc import Iterable
from datetime import date
from typing import Final, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ingest.weather.errors import WeatherError
from ingest.weather.holdings import Layer
from ingest.weather.netcdf import Bounds, Grid
from ingest.weather.places import GridMeans, Places
from ingest.weather.power import Point, PowerFiles
from ingest.weather.table import NUMBERS, tidy

__all__ = [
    "NEAR_DEGREES",
    "DailyGrids",
    "GridSeries",
    "PlaceSeries",
    "PointSeries",
]

Float = NDArray[np.float64]

NEAR_DEGREES: Final = 0.5
"""How far a point may be, in longitude and in latitude, that stands for a place."""


class DailyGrids(Protocol):
    """What AgERA5 and ERA5-Land have in common."""

    @property
    def source(self) -> str:
        """Name of the data set."""

    @property
    def faults(self) -> list[WeatherError]:
        """One error a file that was left out."""

    def files(self) -> int:
        """How many files something is read from."""

    def variables(self) -> set[str]:
        """Our variables that the files have, "vapour" for humidity."""

    def days(self) -> list[date]:
        """Days of which there is anything."""

    def cut_days(self) -> list[date]:
        """Days of which the files hold a part, of no use alone."""

    def grids(self, bounds: Bounds) -> list[Grid]:
        """Windows of the grids around a rectangle."""

    def layers(self, day: date, bounds: Bounds) -> dict[str, Layer]:
        """Read a day."""


class PlaceSeries(Protocol):
    """Weather by place and day, wherever it is from."""

    @property
    def source(self) -> str:
        """Name of the data set."""

    @property
    def faults(self) -> list[WeatherError]:
        """One error a file that was left out."""

    def files(self) -> int:
        """How many files something is read from."""

    def variables(self) -> tuple[str, ...]:
        """Which of `NUMBERS` there are."""

    def days(self) -> list[date]:
        """Days of which there is anything."""

    def cut_days(self) -> list[date]:
        """Days of which the files hold a part, of no use alone."""

    def uncovered(self) -> dict[str, str]:
        """Places that get nothing, and why in English and Chinese."""

    def table(self, day: date) -> pd.DataFrame:
        """Rows of all places, see `COLUMNS`; NaN where nothing is known."""


class GridSeries:
    """Area-weighted means of places over daily grids.

    Parameters
    ----------
    grids
        The data set.
    places
        Who wants weather.
    complete
        Least share of a place's area that must have a value, else it has none.
    """

    def __init__(
        self, grids: DailyGrids, places: Places, *, complete: float = 0.99
    ) -> None:
        self._grids = grids
        self._places = places
        self._complete = complete
        self._bounds = places.bounds
        self._means: dict[Grid, GridMeans] = {}

    @property
    def source(self) -> str:
        """Name of the data set."""
        return self._grids.source

    @property
    def faults(self) -> list[WeatherError]:
        """One error a file that was left out."""
        return self._grids.faults

    def files(self) -> int:
        """How many files something is read from."""
        return self._grids.files()

    def variables(self) -> tuple[str, ...]:
        """Which of `NUMBERS` there are."""
        return _ours(self._grids.variables())

    def days(self) -> list[date]:
        """Days of which there is anything."""
        return self._grids.days()

    def cut_days(self) -> list[date]:
        """Days of which the files hold a part, of no use alone."""
        return self._grids.cut_days()

    def uncovered(self) -> dict[str, str]:
        """Places that no grid covers, by the share that the best one does."""
        best = np.zeros(len(self._places.ids))
        for grid in self._grids.grids(self._bounds):
            best = np.maximum(best, self._mean(grid).inside())
        return {
            place: f"{share:.1%} of its area is on the grid · 仅 {share:.1%} 在网格内"
            for place, share in zip(self._places.ids, best, strict=True)
            if share < self._complete - 1e-6
        }

    def table(self, day: date) -> pd.DataFrame:
        """Rows of all places, see `COLUMNS`; NaN where too little is known."""
        means = {
            name: self._mean(layer.grid).of(layer, complete=self._complete)
            for name, layer in self._grids.layers(day, self._bounds).items()
        }
        return tidy(means, places=self._places.ids, day=day, source=self.source)

    def _mean(self, grid: Grid) -> GridMeans:
        # A grid's shares cost more than all its days; there is rarely a second grid.
        if grid not in self._means:
            self._means[grid] = GridMeans(grid, self._places)
        return self._means[grid]


class PointSeries:
    """Series of the point nearest to each place, variable by variable.

    The place's own point is one inside it, near the middle (`point_on_surface`). A
    point further off than `NEAR_DEGREES` in longitude or in latitude does not count.
    """

    def __init__(self, answers: PowerFiles, places: Places) -> None:
        self._answers = answers
        self._places = places
        self._inner = places.inner_points()
        self._near: dict[str, list[Point | None]] = {}

    @property
    def source(self) -> str:
        """Name of the data set."""
        return self._answers.source

    @property
    def faults(self) -> list[WeatherError]:
        """One error an answer that was left out."""
        return self._answers.faults

    def files(self) -> int:
        """How many answers something is read from."""
        return self._answers.files()

    def variables(self) -> tuple[str, ...]:
        """Which of `NUMBERS` there are."""
        return _ours(self._answers.variables())

    def days(self) -> list[date]:
        """Days of which there is anything."""
        return self._answers.days()

    def cut_days(self) -> list[date]:
        """None: an answer holds whole days."""
        return []

    def uncovered(self) -> dict[str, str]:
        """Places without a point nearby."""
        why = f"no point within {NEAR_DEGREES:g} degree · {NEAR_DEGREES:g} 度内无数据点"
        chosen = zip(self._places.ids, self._inner, strict=True)
        points = self._answers.points
        return {place: why for place, own in chosen if _nearest(own, points) is None}

    def table(self, day: date) -> pd.DataFrame:
        """Rows of all places, see `COLUMNS`; NaN where no point is near."""
        values = {
            name: np.array([self._value(name, point, day) for point in self._of(name)])
            for name in self._answers.variables()
        }
        return tidy(values, places=self._places.ids, day=day, source=self.source)

    def _of(self, name: str) -> list[Point | None]:
        """Each place's nearest point that has the variable."""
        if name not in self._near:
            every = self._answers.points.items()
            having = [point for point, series in every if name in series]
            self._near[name] = [_nearest(own, having) for own in self._inner]
        return self._near[name]

    def _value(self, name: str, point: Point | None, day: date) -> float:
        if point is None:
            return math.nan
        return self._answers.points[point][name].get(day, math.nan)


def _nearest(own: Point, points: Iterable[Point]) -> Point | None:
    def away(point: Point) -> tuple[float, float]:
        return abs(point[0] - own[0]), abs(point[1] - own[1])

    near = [point for point in points if max(away(point)) <= NEAR_DEGREES]
    # On the ground a degree of longitude is shorter.
    shrink = math.cos(math.radians(own[1]))
    return min(
        near, key=lambda p: math.hypot(away(p)[0] * shrink, away(p)[1]), default=None
    )


def _ours(names: set[str]) -> tuple[str, ...]:
    humid = {"humidity"} if "vapour" in names and names >= {"tmin", "tmax"} else set()
    return tuple(name for name in NUMBERS if name in names | humid)
