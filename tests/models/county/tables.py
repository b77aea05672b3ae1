"""Small builders of county tables whose yields answer a known season."""

import numpy as np
import pandas as pd

from models.county import Table, read_table


def season_table(
    *, years: int = 12, regions: int = 12, seed: int = 1, first: int = 2001
) -> pd.DataFrame:
    """Yields of 50 + 4 rain + noise, rain of months 4..7 of mean 0, a soil, a state."""
    random = np.random.default_rng(seed)
    year, region = (a.ravel() for a in np.indices((years, regions)))
    common = random.normal(0, 1, years)[year]
    rain = common + random.normal(0, 0.7, year.size)
    months = rain[:, None] + random.normal(0, 0.3, (year.size, 4))
    soil = random.normal(0, 1, regions)[region]
    noise = random.normal(0, 0.5, year.size)
    columns = {f"rain_m{4 + k:02d}": months[:, k] for k in range(4)}
    return pd.DataFrame(
        {
            "county": [f"{i:05d}" for i in region + 1],
            "year": first + year,
            "yield": 50 + 2 * soil + 4 * rain + 0.2 * year + noise,
            "soil": soil,
            "state": np.where(region % 2, "A", "B"),
            **columns,
        }
    )


def read(frame: pd.DataFrame) -> Table:
    """Read a table with the column names of `season_table`."""
    return read_table(frame, region="county", year="year", target="yield")
