"""ERA5-Land: hourly weather at 0.1 degree, made into days of China Standard Time.

Munoz-Sabater and others (2021), doi:10.5194/essd-13-4349-2021, as the Copernicus
Climate Data Store gives it: NetCDF-3 with ``time`` until 2024, NetCDF-4 with
``valid_time`` since, all variables in one file or some in each.

A day is 00 to 24 h of China Standard Time, UTC+8 all year. Temperature, dew point and
wind are values of the moment: the 24 of 00:00 to 23:00 local time. Precipitation and
radiation are sums since 00 UTC, and the value at 00 UTC is the total of the day before.
An hour's amount is therefore the difference to the hour before, except at 01 UTC, whose
value stands for itself; the 24 amounts that end from 01:00 to 24:00 local time are the
day's. A day of which one hour is missing has no value: nothing is made up for it.

Hourly ERA5 has the same names, but amounts of single hours in place of sums. It is told
by its cells of 0.25 degree, and by amounts that fall within a UTC day.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ingest.weather.errors import NotAccumulated, WeatherError
from ingest.weather.fao56 import vapour_at_dew_point, wind_at_2m
from ingest.weather.holdings import Holdings, Layer, Wanted, look_into
from ingest.weather.netcdf import Bounds, Grid

__all__ = ["CHINA_STANDARD_TIME", "VARIABLES", "Era5Land", "daily_amount"]

Float = NDArray[np.float64]

CHINA_STANDARD_TIME: Final = timezone(timedelta(hours=8))

VARIABLES: Final = {
    "t2m": Wanted("temperature", "temperature"),
    "d2m": Wanted("dew_point", "temperature"),
    "tp": Wanted("precipitation", "depth"),
    "ssrd": Wanted("radiation", "energy"),
    "u10": Wanted("wind_east", "speed"),
    "v10": Wanted("wind_north", "speed"),
}

# By how much a sum may seem to fall, mm and MJ/m2, since each hour was packed into 16
# bits by itself before it became this file.
_SLACK: Final = {"precipitation": 0.01, "radiation": 0.02}

_CELL: Final = 0.1

# Hours of a file that are looked at in one go.
_MONTH: Final = 31 * 24

_HOUR = timedelta(hours=1)


class Era5Land:
    """Daily grids out of hourly files; those that cannot be used are in `faults`."""

    source = "ERA5-Land"

    def __init__(self, paths: Iterable[Path]) -> None:
        self.holdings: Holdings = look_into(paths, VARIABLES, cell=_CELL)
        self._proven: set[tuple[str, Path]] = set()

    @property
    def faults(self) -> list[WeatherError]:
        """One error a file that was left out."""
        return self.holdings.faults

    def files(self) -> int:
        """How many files something is read from."""
        return len(self.holdings.files())

    def variables(self) -> set[str]:
        """Our variables that the files have, "vapour" for humidity."""
        names = self.holdings.names()
        found = names & {"precipitation", "radiation"}
        if "temperature" in names:
            found |= {"tmin", "tmax"}
        if names >= {"wind_east", "wind_north"}:
            found.add("wind")
        return found | ({"vapour"} if "dew_point" in names else set())

    def days(self) -> list[date]:
        """Local days of which some variable has every hour, ascending."""
        names = self.holdings.names()
        touched = self._touched()
        return [day for day in touched if any(self._whole(n, day) for n in names)]

    def cut_days(self) -> list[date]:
        """Local days of which there are hours, but no variable has them all."""
        return sorted(set(self._touched()).difference(self.days()))

    def _touched(self) -> list[date]:
        names = self.holdings.names()
        return sorted({d for n in names for d in _local_days(self.holdings.times(n))})

    def grids(self, bounds: Bounds) -> list[Grid]:
        """Windows of the grids around a rectangle."""
        return list(self.holdings.grids(bounds))

    def layers(self, day: date, bounds: Bounds) -> dict[str, Layer]:
        """Read a local day, each variable (y, x); what is not there is left out.

        The variables are those of `agera5.Agera5.layers`; the extremes of temperature
        are those of the hourly values.
        """
        found: dict[str, Layer] = {}
        if air := self._hours("temperature", day, bounds):
            found["tmin"] = Layer(air.grid, air.values.min(axis=0))
            found["tmax"] = Layer(air.grid, air.values.max(axis=0))
        for name in _SLACK:
            self._prove(name, day, bounds)
            if sums := self._hours(name, day, bounds):
                amount = self._amount(name, day, sums)
                found |= {} if amount is None else {name: Layer(sums.grid, amount)}
        east = self._hours("wind_east", day, bounds)
        north = self._hours("wind_north", day, bounds)
        if east and north and east.grid == north.grid:
            speed = np.hypot(east.values, north.values).mean(axis=0)
            found["wind"] = Layer(east.grid, wind_at_2m(speed, height=10))
        if dew := self._hours("dew_point", day, bounds):
            vapour = vapour_at_dew_point(dew.values).mean(axis=0)
            found["vapour"] = Layer(dew.grid, vapour)
        return found

    def _hours(self, name: str, day: date, bounds: Bounds) -> Layer | None:
        if not self._whole(name, day):
            return None
        try:
            return self.holdings.layer(name, _moments(name, day), bounds)
        except WeatherError as exc:
            self.holdings.blame(exc)
            return None

    def _prove(self, name: str, day: date, bounds: Bounds) -> None:
        """Look at all hours of the day's files: one that falls once has no sums."""
        there = self.holdings.times(name)
        moments = [moment for moment in _moments(name, day) if moment in there]
        for path in {self.holdings.path(name, moment) for moment in moments}:
            if (name, path) not in self._proven:
                self._proven.add((name, path))
                try:
                    self._prove_file(name, path, bounds)
                except NotAccumulated as exc:
                    self.holdings.drop(name, path)
                    self.holdings.blame(exc)
                except WeatherError as exc:
                    self.holdings.blame(exc)

    def _prove_file(self, name: str, path: Path, bounds: Bounds) -> None:
        every = self.holdings.times_in(name, path)
        # Parts share an hour, so that no step is left out between them.
        for start in range(0, len(every), _MONTH):
            moments = every[start : start + _MONTH + 1]
            sums = self.holdings.layer(name, moments, bounds)
            hourly = [later - moment == _HOUR for moment, later in pairwise(moments)]
            amounts = _amounts(sums.values, [moment.hour for moment in moments])
            lowest = np.nanmin(amounts[hourly], initial=0.0)
            if lowest < -_slack(name, sums):
                what = f"{name} falls by {-lowest:.3g} within an hour"
                raise _not_accumulated(path, what, "该文件的此变量")

    def _amount(self, name: str, day: date, sums: Layer) -> Float | None:
        moments = _moments(name, day)
        hours = [moment.hour for moment in moments]
        try:
            return daily_amount(sums.values, hours, slack=_slack(name, sums))
        except ValueError as exc:
            # Each file grows by itself, but the next one does not go on from it.
            path = self.holdings.path(name, moments[-1])
            what = f"{name} of {day} {exc}"
            self.holdings.blame(_not_accumulated(path, what, f"{day} 的此变量"))
            return None

    def _whole(self, name: str, day: date) -> bool:
        return self.holdings.times(name) >= set(_moments(name, day))


def daily_amount(sums: Float, hours: Sequence[int], *, slack: float) -> Float:
    """Amount of a local day from sums since 00 UTC.

    Parameters
    ----------
    sums
        (25, y, x): at the first hour of the local day in UTC and each hour after.
    hours
        UTC hour of each.
    slack
        By how much a sum may seem to fall, since it was rounded.

    Returns
    -------
    (y, x), in the unit of `sums`; NaN where an hour is missing.

    Raises
    ------
    ValueError
        A sum falls within a UTC day.
    """
    amounts = _amounts(sums, hours)
    lowest = np.nanmin(amounts, initial=0.0)
    if lowest < -slack:
        raise ValueError(f"falls by {-lowest:.3g} within an hour")
    return np.asarray(np.maximum(amounts.sum(axis=0), 0.0))


def _amounts(sums: Float, hours: Sequence[int]) -> Float:
    """Amount of each hour but the first."""
    restarted = np.equal(hours[1:], 1)[:, None, None]
    return np.where(restarted, sums[1:], np.diff(sums, axis=0))


def _not_accumulated(path: Path, what: str, left_out: str) -> NotAccumulated:
    return NotAccumulated(
        f"{path}: {what}, these are no sums since 00 UTC. ERA5-Land has those, hourly "
        "ERA5 has not; the variable is left out, fetch reanalysis-era5-land"
        f" · {path} 不是自 00 UTC 起的累计值，{left_out}未采用，"
        "请下载 reanalysis-era5-land",
        path=path,
    )


def _slack(name: str, sums: Layer) -> float:
    # Two neighbours, each rounded by half a step at most, and the noise of float32.
    return max(_SLACK[name], 1.01 * sums.step)


def _moments(name: str, day: date) -> list[datetime]:
    """Hours in UTC that a local day of a variable needs."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=CHINA_STANDARD_TIME)
    count = 25 if name in _SLACK else 24
    return [midnight.astimezone(UTC) + i * _HOUR for i in range(count)]


def _local_days(moments: Iterable[datetime]) -> set[date]:
    return {moment.astimezone(CHINA_STANDARD_TIME).date() for moment in moments}
