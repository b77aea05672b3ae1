"""AgERA5: daily weather at 0.1 degree from the Copernicus Climate Data Store.

"Agrometeorological indicators from 1979 to present derived from reanalysis" (Boogaard
and others, doi:10.24381/cds.6c68c9bb), versions 1.0 to 2.0: one file a variable and
day, or several merged into one. Its days are local days already: each cell's own time
zone, 00 to 24 h.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Final

from ingest.weather.errors import WeatherError
from ingest.weather.fao56 import vapour_at_dew_point, wind_at_2m
from ingest.weather.holdings import Holdings, Layer, Wanted, look_into
from ingest.weather.netcdf import Bounds, Grid

__all__ = ["VARIABLES", "Agera5"]

VARIABLES: Final = {
    "Temperature_Air_2m_Min_24h": Wanted("tmin", "temperature"),
    "Temperature_Air_2m_Max_24h": Wanted("tmax", "temperature"),
    "Precipitation_Flux": Wanted("precipitation", "depth"),
    "Solar_Radiation_Flux": Wanted("radiation", "energy"),
    "Wind_Speed_10m_Mean": Wanted("wind_10m", "speed"),
    "Wind_Speed_10m_Mean_24h": Wanted("wind_10m", "speed"),
    "Vapour_Pressure_Mean": Wanted("vapour", "pressure"),
    "Vapour_Pressure_Mean_24h": Wanted("vapour", "pressure"),
    "Dew_Point_Temperature_2m_Mean": Wanted("dew_point", "temperature"),
    "Dew_Point_Temperature_2m_Mean_24h": Wanted("dew_point", "temperature"),
}
"""Names in versions 1.0 and 1.1, and where they differ in 2.0."""

_PLAIN = ("tmin", "tmax", "precipitation", "radiation")


class Agera5:
    """Daily grids out of AgERA5 files; those that cannot be used are in `faults`."""

    source = "AgERA5"

    def __init__(self, paths: Iterable[Path]) -> None:
        self.holdings: Holdings = look_into(paths, VARIABLES)

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
        found = names.intersection(_PLAIN)
        if "wind_10m" in names:
            found.add("wind")
        return found | ({"vapour"} if names & {"vapour", "dew_point"} else set())

    def days(self) -> list[date]:
        """Days of which there is anything, ascending."""
        held = self.holdings
        return sorted({t.date() for name in held.names() for t in held.times(name)})

    def cut_days(self) -> list[date]:
        """None: a file holds whole days."""
        return []

    def grids(self, bounds: Bounds) -> list[Grid]:
        """Windows of the grids around a rectangle."""
        return list(self.holdings.grids(bounds))

    def layers(self, day: date, bounds: Bounds) -> dict[str, Layer]:
        """Read a day, each variable (y, x); what is not there is left out.

        tmin and tmax in degC, precipitation in mm, radiation in MJ/m2, wind in m/s at
        2 m, vapour (mean actual vapour pressure) in kPa.
        """
        found = {name: self._layer(name, day, bounds) for name in _PLAIN}
        if wind := self._layer("wind_10m", day, bounds):
            at_2m = wind_at_2m(wind.values, height=10)
            found["wind"] = Layer(wind.grid, at_2m)
        found["vapour"] = self._layer("vapour", day, bounds)
        dew = None if found["vapour"] else self._layer("dew_point", day, bounds)
        if dew:
            found["vapour"] = Layer(dew.grid, vapour_at_dew_point(dew.values))
        return {name: layer for name, layer in found.items() if layer}

    def _layer(self, name: str, day: date, bounds: Bounds) -> Layer | None:
        moments = self._moments(name, day)
        if not moments:
            return None
        try:
            stack = self.holdings.layer(name, moments, bounds)
        except WeatherError as exc:
            self.holdings.blame(exc)
            return None
        return Layer(stack.grid, stack.values[0])

    def _moments(self, name: str, day: date) -> list[datetime]:
        midnight = datetime.combine(day, time(), UTC)
        return [midnight] if midnight in self.holdings.times(name) else []
