"""Small builders of county histories."""

import numpy as np
import pandas as pd

COUNTIES = ("220322", "220323", "220382")


def linear_history(
    *, years: int = 8, first: int = 2012, counties: tuple[str, ...] = COUNTIES
) -> pd.DataFrame:
    """Counties at 6, 8, 10 .. t/ha in the middle year, gaining 1 % of it a year."""
    rows = [
        (code, "maize", first + t, (6.0 + 2 * i) * (1 + 0.01 * (t - (years - 1) / 2)))
        for i, code in enumerate(counties)
        for t in range(years)
    ]
    return pd.DataFrame(rows, columns=["county", "crop", "year", "yield_t_ha"])


def response_history(
    seed: int,
    *,
    years: int = 10,
    counties: int = 40,
    response: tuple[float, ...] = (0.06, -0.04, 0.0),
    noise: float = 0.03,
) -> pd.DataFrame:
    """Yields that answer features f0, f1, .. in a known way, with noise by year.

    Relative yield = 1 + 0.01 (year - 2015) + response . feature + year + row noise.
    """
    random = np.random.default_rng(seed)
    shape = (years, counties)
    features = random.normal(0, 0.8, (years, 1, len(response)))
    features = features + random.normal(0, 0.6, (*shape, len(response)))
    relative = 1 + 0.01 * np.arange(years)[:, None] + features @ np.array(response)
    relative += random.normal(0, noise, (years, 1)) + random.normal(0, noise, shape)
    year, county = np.indices(shape)
    columns = {
        "county": [f"22{code:04d}" for code in county.ravel()],
        "crop": "maize",
        "year": 2015 + year.ravel(),
        "yield_t_ha": (relative * random.uniform(5, 10, counties)).ravel(),
    }
    named = {f"f{i}": features[..., i].ravel() for i in range(len(response))}
    return pd.DataFrame(columns | named)
