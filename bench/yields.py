"""Yields and areas: is the county model better than its baselines, do sums agree?

    python bench/yields.py

Runs `bench/yields_areas.py`, `yields_pixels.py` and `yields_crop_map.py`, and tests the
county model on the wheat counties of the United States, 2012 to 2021, walking forward,
where their table lies beside the checkout; else those figures are null.

The last line is one JSON object: ``wheat`` (RMSE in bu/ac of the model, the trend and
the five-year mean; ``ratio`` to the better of the two; ``worst_year``, the largest
ratio of one year; coverage of the 90 % interval; seconds a year), ``areas``, ``pixels``
and ``crop_map`` as those scripts print them.
"""

import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yields_areas
import yields_crop_map
import yields_pixels

from api.evaluate_workers import cores, spread_out
from models.county import Table, evaluate, read_table
from models.county.evaluate import WHOLE_YEAR, Evaluation

WHEAT = Path(__file__).resolve().parents[2] / "shared" / "data" / "wheat_county"
FIRST = 2012
SERIES = (
    *("t2m_mean_c", "t2m_max_mean_c", "t2m_min_mean_c"),
    *("t2m_max_abs_c", "t2m_min_abs_c", "precip_mm"),
)


def wheat_table(folder: Path) -> Table:
    """Return yields of winter wheat with the weather of each dekad of the year."""
    text = {"county_fips": str}
    panel = pd.read_csv(folder / "county_winter_wheat_weather_panel.csv", dtype=text)
    weather = pd.read_parquet(folder / "county_dekad_weather_2000_2021.parquet")
    last = weather["dekad"].map({1: 10, 2: 20, 3: 28})
    dates = pd.DataFrame({"year": 2001, "month": weather["month"], "day": last})
    weather["day"] = pd.to_datetime(dates).dt.day_of_year
    wide = weather.pivot(
        index=["county_fips", "year"], columns="day", values=list(SERIES)
    )
    pairs = wide.columns.to_flat_index()
    wide.columns = pd.Index([f"{pair[0]}_d{pair[1]:03d}" for pair in pairs])
    kept = ["county_fips", "year", "yield_bu_acre", "state_name"]
    rows = panel[[*kept, "county_lat", "county_lon"]].merge(
        wide.reset_index(), how="outer", on=["county_fips", "year"]
    )
    return read_table(rows, region="county_fips", year="year", target="yield_bu_acre")


def wheat() -> dict[str, Any] | None:
    """Return how the county model does on the wheat counties, None without them."""
    if not WHEAT.is_dir():
        return None
    start = time.perf_counter()
    found = evaluate(
        wheat_table(WHEAT),
        first=FIRST,
        leads=[WHOLE_YEAR],
        run=partial(spread_out, workers=cores()),
    )
    seconds = time.perf_counter() - start
    pooled = found.at(WHOLE_YEAR)
    return {
        "rmse": round(pooled.model.rmse, 3),
        "rmse_trend": round(pooled.trend.rmse, 3),
        "rmse_mean5": round(pooled.mean5.rmse, 3),
        "ratio": round(
            pooled.model.rmse / min(pooled.trend.rmse, pooled.mean5.rmse), 4
        ),
        "worst_year": round(worst_year(found), 4),
        "coverage": round(pooled.coverage, 4),
        "seconds_a_year": round(seconds / len(found.years), 1),
    }


def worst_year(found: Evaluation) -> float:
    """Return the largest RMSE of a year over that of its better baseline."""
    scores = [found.of(year, lead=WHOLE_YEAR) for year in found.years]
    return float(
        np.max([s.model.rmse / min(s.trend.rmse, s.mean5.rmse) for s in scores])
    )


def main() -> None:
    """Measure everything, and print one JSON object."""
    print(
        json.dumps(
            {
                "wheat": wheat(),
                "areas": yields_areas.measure(),
                "pixels": yields_pixels.measure(),
                "crop_map": yields_crop_map.measure(),
            }
        )
    )


if __name__ == "__main__":
    main()
