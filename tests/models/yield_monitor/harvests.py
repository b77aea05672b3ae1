"""Made-up harvests of a rectangular field whose true yields are known."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

LON, LAT = 124.5, 43.5
METRES_PER_DEGREE = 111_195.0

Float = NDArray[np.floating]


def truth(x: Float, y: Float) -> Float:
    """Tell the true yield at a place, t/ha."""
    return 9.0 + 2.0 * np.sin(y / 25) + 0.5 * np.sin(x / 20)


def harvest(
    *,
    passes: int = 16,
    length: float = 200.0,
    swath: float = 6.0,
    speed: float = 2.0,
    interval: float = 2.0,
    delay: float = 0.0,
    noise: float = 0.03,
    spacing: float | None = None,
    moisture: float = 14.0,
    seed: int = 1,
) -> pd.DataFrame:
    """Cut a field in strips to and fro along y; grain is weighed `delay` s later."""
    rng = np.random.default_rng(seed)
    rows = int(length / speed / interval)
    tables = []
    for number in range(passes):
        seconds = interval * np.arange(rows)
        up = number % 2 == 0
        y = speed * seconds if up else length - speed * seconds
        # The combine stops logging while it turns, and goes on weighing nothing.
        behind = y - delay * speed if up else y + delay * speed
        x = np.full(rows, number * (spacing or swath))
        grown = truth(x, behind) * (1 + noise * rng.standard_normal(rows))
        grown = np.where((behind >= 0) & (behind <= length), grown, 0)
        start = number * (length / speed + 40)
        tables.append(
            pd.DataFrame(
                {
                    "lon": LON + x / METRES_PER_DEGREE / np.cos(np.radians(LAT)),
                    "lat": LAT + y / METRES_PER_DEGREE,
                    "time_s": start + seconds,
                    "interval_s": interval,
                    "distance_m": speed * interval,
                    "swath_m": swath,
                    "flow_kg_s": grown / 10 * speed * swath,
                    "moisture": moisture,
                }
            )
        )
    return pd.concat(tables, ignore_index=True)
