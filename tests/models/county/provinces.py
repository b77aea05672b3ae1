"""A few counties whose yields gain by warm springs and suffer from warm summers."""

from typing import NamedTuple

import numpy as np
import pandas as pd

FIRST = 2005


class Province(NamedTuple):
    """Yields of past years, the rows to estimate, and daily weather of all years."""

    history: pd.DataFrame
    current: pd.DataFrame
    weather: pd.DataFrame

    def with_history(self, history: pd.DataFrame) -> "Province":
        return self._replace(history=history)

    def with_weather(self, weather: pd.DataFrame) -> "Province":
        return self._replace(weather=weather)


def province(*, counties: int, years: int, codes: tuple[str, ...] = ()) -> Province:
    """Return maize that gains by a warm April and loses only by too warm a summer.

    The history is of `years` years from `FIRST`; the year after it is to be estimated.
    """
    rng = np.random.default_rng(4)
    names = codes or tuple(f"22000{i}" for i in range(counties))
    year = FIRST + years
    # A month's departure, the province's and the county's own; a season's are alike.
    shape = (counties, years + 1, 13)
    warm = rng.normal(0, 1.5, shape[1:]) + rng.normal(0, 1.0, shape)
    warm[..., 3] = warm[..., 4]
    warm[..., 8] = warm[..., 7]
    days = pd.date_range(f"{FIRST}-01-01", f"{year}-10-31")
    season = 6 - 18 * np.cos(2 * np.pi * (days.day_of_year.to_numpy() - 20) / 365)
    mean = season + warm[:, days.year - FIRST, days.month]
    mean = mean + rng.normal(0, 2, mean.shape)
    weather = pd.DataFrame(
        {
            "county": np.repeat(names, days.size),
            "day": np.tile(days, counties),
            "tmin": mean.ravel() - 5,
            "tmax": mean.ravel() + 5,
            "precipitation": rng.gamma(0.5, 6, mean.size),
            "radiation": rng.normal(16, 2, mean.size).clip(1),
            "simulated": True,
            "source": "test",
        }
    )
    spring, summer = warm[:, :years, 4], warm[:, :years, 7]
    yields = 9 + 0.05 * np.arange(years) + 0.5 * spring - 0.6 * summer.clip(0)
    yields = (yields + rng.normal(0, 0.15, yields.shape)).clip(1)
    keys = [(name, "maize", FIRST + y) for name in names for y in range(years)]
    history = pd.DataFrame(keys, columns=["county", "crop", "year"])
    return Province(
        history.assign(yield_t_ha=yields.ravel().round(3)),
        pd.DataFrame({"county": names, "crop": "maize", "year": year}),
        weather,
    )
