"""Samples of a made-up country: what grows there shows in two of its features."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.crop_map.features import FeaturePlan

PLAN = FeaturePlan(series=("ndvi_smooth",), metrics=("peak", "integral"), step="month")

# Mean of (summer NDVI, peak) of each class.
MEANS = {
    "non-crop": (0.1, 0.2),
    "maize": (0.8, 0.9),
    "rice": (0.5, 0.7),
    "soybean": (0.6, 0.4),
}


def features(
    labels: list[str], rng: np.random.Generator, *, gaps: float = 0.05
) -> NDArray[np.float32]:
    """Return features (sample, feature) in the order of `PLAN`, some NaN."""
    count = len(PLAN.names)
    values = rng.normal(0.3, 0.1, (len(labels), count))
    for row, label in enumerate(labels):
        summer, peak = MEANS.get(label, (0.7, 0.8))
        values[row, 3] = rng.normal(summer, 0.08)
        values[row, 7] = rng.normal(peak, 0.08)
    values[rng.random(values.shape) < gaps] = np.nan
    return values.astype(np.float32)


def table(
    counts: dict[str, int], *, seed: int = 1, year: int = 2025, **columns: Any
) -> pd.DataFrame:
    """Return a table of samples, spread over 4 degrees."""
    rng = np.random.default_rng(seed)
    labels = [label for label, count in counts.items() for _ in range(count)]
    values = pd.DataFrame(features(labels, rng), columns=list(PLAN.names))
    return values.assign(
        sample=[f"{year}-{number:04d}" for number in range(len(labels))],
        lon=rng.uniform(123, 127, len(labels)),
        lat=rng.uniform(42, 46, len(labels)),
        year=year,
        label=labels,
        **columns,
    )


FOUR = {"non-crop": 60, "maize": 60, "rice": 40, "soybean": 40}
