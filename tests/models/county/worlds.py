"""Tables of regions and years whose truth is known."""

import numpy as np
import pandas as pd

from models.county.table import Table, read_table


def world(
    *,
    regions: int = 30,
    years: int = 20,
    effect: float = 1.0,
    noise: float = 0.3,
    slope: float = 0.1,
    seed: int = 0,
) -> pd.DataFrame:
    """Return yields that follow rain in June by `effect` a standard deviation.

    Columns: region, year, yield, rain_m03 .. rain_m09, heat_m03 .. heat_m09, lat.
    """
    rng = np.random.default_rng(seed)
    rows = pd.MultiIndex.from_product(
        [[f"r{i:03d}" for i in range(regions)], range(2000, 2000 + years)],
        names=["region", "year"],
    ).to_frame(index=False)
    place = rows["region"].str[1:].astype(int)
    common = rng.normal(size=(years, 14))[rows["year"] - 2000]
    own = rng.normal(size=(len(rows), 14))
    weather = common + 0.7 * own + 0.02 * place.to_numpy()[:, None]
    for month in range(7):
        rows[f"rain_m{month + 3:02d}"] = weather[:, month]
        rows[f"heat_m{month + 3:02d}"] = weather[:, month + 7]
    rows["lat"] = 40 + 0.1 * place
    june = weather[:, 2:5].mean(axis=1) - weather[:, 2:5].mean()
    rows["yield"] = (
        10
        + 0.1 * place
        + slope * (rows["year"] - 2000)
        + effect * june
        + noise * rng.normal(size=len(rows))
    )
    return rows


def arrays(rows: pd.DataFrame) -> Table:
    """Read a table of `world`."""
    return read_table(rows, region="region", year="year", target="yield")
