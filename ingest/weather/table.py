"""Daily weather of places in one tidy form, checked for what cannot be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ingest.weather.fao56 import relative_humidity

__all__ = ["COLUMNS", "NUMBERS", "Impossible", "checked", "tidy"]

Float = NDArray[np.float64]

NUMBERS: Final = ("tmin", "tmax", "precipitation", "radiation", "wind", "humidity")

COLUMNS: Final = ("place", "day", *NUMBERS, "source", "simulated")
"""A row a place (county code or field id) and day: tmin and tmax in degC, precipitation
in mm, radiation in MJ/m2, wind in m/s at 2 m, humidity (mean relative) in %."""

# What the air of the earth has been seen to do, with room; the radiation is that above
# the air at the pole in midsummer.
_POSSIBLE: Final = {
    "tmin": (-90.0, 60.0),
    "tmax": (-90.0, 60.0),
    "precipitation": (0.0, 2000.0),
    "radiation": (0.0, 50.0),
    "wind": (0.0, 75.0),
    "humidity": (0.0, 100.0),
}

# A wet day that is warm but for some hours holds more vapour than saturates the mean of
# its extremes: it counts as saturated. Beyond this the numbers are wrong.
_SATURATED = 150.0

# kPa; the most that was measured is 4.6 (a dew point of 35 degC at Dhahran, 2003).
_MOST_VAPOUR = 8.0


def tidy(
    values: Mapping[str, Float], *, places: Sequence[str], day: date, source: str
) -> pd.DataFrame:
    """Make the rows of a day, in the form of `COLUMNS`.

    Parameters
    ----------
    values
        (places,) each: some of `NUMBERS`, and "vapour" (kPa), of which the relative
        humidity is computed (FAO-56, equation 19) in place of one that is given.
    """
    nothing = np.full(len(places), np.nan)
    columns = {name: values.get(name, nothing) for name in NUMBERS}
    if "vapour" in values:
        humidity = relative_humidity(
            values["vapour"], tmin=columns["tmin"], tmax=columns["tmax"]
        )
        humidity[values["vapour"] > _MOST_VAPOUR] = np.inf
        above = (humidity > 100) & (humidity <= _SATURATED)
        computed = np.where(above, 100.0, humidity)
        columns["humidity"] = np.where(
            np.isnan(computed), columns["humidity"], computed
        )
    frame = pd.DataFrame({"place": list(places), "day": pd.Timestamp(day), **columns})
    return frame.assign(source=source, simulated=False)[list(COLUMNS)]


@dataclass(frozen=True, slots=True)
class Impossible:
    """A row that was refused."""

    place: str
    day: date
    why: str


def checked(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[Impossible]]:
    """Part the rows with impossible values from the others.

    Parameters
    ----------
    frame
        Rows of `COLUMNS`; what is NaN is missing, not impossible.

    Returns
    -------
    frame, refused
        The rows that can be true, and the others with the values that cannot.
    """
    bad = frame["tmin"] > frame["tmax"]
    for name, (low, high) in _POSSIBLE.items():
        bad |= (frame[name] < low) | (frame[name] > high)
    refused = [
        Impossible(row["place"], row["day"].date(), _why(row))
        for row in frame[bad].to_dict("records")
    ]
    return frame[~bad], refused


def _why(row: Mapping[Any, Any]) -> str:
    moist = "dew point not within -80 to 40 degC, or vapour not 0 to 80 hPa"
    wrong = [
        moist if name == "humidity" and np.isinf(row[name]) else f"{name} {row[name]:g}"
        for name, (low, high) in _POSSIBLE.items()
        if row[name] < low or row[name] > high
    ]
    if row["tmin"] > row["tmax"]:
        wrong.append(f"tmin {row['tmin']:g} > tmax {row['tmax']:g}")
    return ", ".join(wrong)
