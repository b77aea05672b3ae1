"""Area estimates over a known map: are they unbiased, and do their intervals hold?

    python bench/yields_areas.py [--surveys N] [--seed SEED]

A landscape of five classes and a map of it with errors are made up (`simulated`), and
surveyed again and again: by points drawn within the map's classes, and by segments of
an area frame, expanded directly and by regression on the map; and the counties of the
frame by the small-area model. The last line is one JSON object:

``bias`` the largest absolute bias of an area over its standard error (law: below 0.1);
``coverage_min``, ``coverage_max`` of the 95 % intervals (law: 0.93 to 0.97), both over
every class and estimator; ``efficiency`` how many times as many segments direct
expansion would need for maize; ``points``, ``direct``, ``regression`` the same by
class; ``small_area`` the coverage of the counties' intervals, pooled, with segments and
without any. ``surveys`` and ``seconds`` of the run.
"""

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from models.area import (
    AreaEstimate,
    allocate,
    assess,
    crop_area,
    small_county_areas,
)
from models.area.layout import cell_counts, crop_strata

SURVEYS = 1000
CLASSES = ("maize", "noncrop", "other", "rice", "soybean")
CROPS = ("maize", "rice", "soybean")
# Pixels of 10 m in parcels of 50 m; segments of 250 m, so that a small landscape holds
# many of them.
SIDE, PARCEL, SEGMENT = 1000, 5, 25
PIXEL_HA = 0.01
POINTS, SEGMENTS = 600, 90
EDGES = (0.35, 0.65)
COUNTIES = 5

Survey = dict[str, AreaEstimate]


@dataclass(frozen=True, slots=True)
class World:
    """What grows on each pixel and what the map says, and the frame over them."""

    truth: NDArray[np.int8]
    mapped: NDArray[np.int8]
    cells: pd.DataFrame
    """A row a segment: stratum, county, true and mapped ha of each crop."""
    by_class: NDArray[np.int64]
    """Pixels, flat, in the order of their class on the map."""


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--surveys", type=int, default=SURVEYS)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print(json.dumps(measure(surveys=arguments.surveys, seed=arguments.seed)))


def measure(*, surveys: int = SURVEYS, seed: int = 1) -> dict[str, object]:
    """Survey a known landscape many times; see the head of this file."""
    began = time.monotonic()
    world = make_world(seed)
    random = np.random.default_rng(seed + 1)
    found: dict[str, list[Survey]] = {"points": [], "direct": [], "regression": []}
    frame = frame_of(world.cells, "stratum")
    for _ in range(surveys):
        found["points"].append(point_survey(world, random))
        sample = drawn_segments(world.cells, random)
        for method in ("direct", "regression"):
            found[method].append(segment_survey(sample, frame, method))
    true = true_areas(world)
    laws = {kind: law(estimates, true) for kind, estimates in found.items()}
    every = [one for kind in laws.values() for one in kind.values()]
    maize = [one["maize"].efficiency for one in found["regression"]]
    return {
        "bias": max(abs(one["bias"]) for one in every),
        "coverage_min": min(one["coverage"] for one in every),
        "coverage_max": max(one["coverage"] for one in every),
        "efficiency": round(float(np.median(np.array(maize, float))), 2),
        **laws,
        "small_area": _small_area(world, random, surveys=surveys // 5),
        "simulated": True,
        "surveys": surveys,
        "seconds": round(time.monotonic() - began, 1),
    }


def make_world(seed: int, *, side: int = SIDE) -> World:
    """Make up parcels in patches of a crop, a map that errs, a frame of segments."""
    random = np.random.default_rng(seed)
    parcels = side // PARCEL
    lean = np.array([1.15, 1.0, 0.15, 0.35, 0.25])
    patches = np.stack(
        [gaussian_filter(random.normal(size=(parcels, parcels)), 6) for _ in CLASSES]
    )
    drawn = patches / patches.std() + lean[:, None, None]
    drawn += random.normal(0, 0.9, drawn.shape)
    seen = drawn + random.normal(0, 0.4, drawn.shape)
    whole = np.ones((PARCEL, PARCEL), np.int8)
    truth, mapped = (
        np.kron(scores.argmax(axis=0).astype(np.int8), whole)
        for scores in (drawn, seen)
    )
    order = np.argsort(mapped, axis=None, kind="stable")
    return World(truth, mapped, _cells(truth, mapped), order)


def _cells(truth: NDArray[np.int8], mapped: NDArray[np.int8]) -> pd.DataFrame:
    codes = np.arange(len(CLASSES))
    there = cell_counts(truth, side=SEGMENT, codes=codes)
    said = cell_counts(mapped, side=SEGMENT, codes=codes)
    rows, columns = np.indices(there.shape[:2])
    crop = said[..., [CLASSES.index(name) for name in CROPS]].sum(axis=-1)
    table = pd.DataFrame(
        {
            "segment_id": np.arange(rows.size).astype(str),
            "stratum": crop_strata(crop.ravel() / SEGMENT**2, EDGES).astype(str),
            "county": (
                rows.ravel() * COUNTIES // len(there) * COUNTIES
                + columns.ravel() * COUNTIES // len(there)
            ).astype(str),
        }
    )
    for code, name in enumerate(CLASSES):
        table[f"{name}_ha"] = there[..., code].ravel() * PIXEL_HA
        table[f"{name}_map_ha"] = said[..., code].ravel() * PIXEL_HA
    return table


def true_areas(world: World) -> dict[str, float]:
    """Return the area of each class, ha."""
    counts = np.bincount(world.truth.ravel(), minlength=len(CLASSES))
    return dict(zip(CLASSES, (counts * PIXEL_HA).tolist(), strict=True))


def point_survey(world: World, random: np.random.Generator) -> Survey:
    """Draw points within the map's classes, look at the ground, and estimate."""
    flat, names = world.mapped.ravel(), np.array(CLASSES)
    counts = np.bincount(flat, minlength=len(CLASSES))
    wanted = allocate(POINTS, counts / flat.size, minimum=50)
    ends = np.cumsum(counts)
    drawn = np.concatenate(
        [
            world.by_class[end - count + random.choice(count, number, replace=False)]
            for end, count, number in zip(ends, counts, wanted, strict=True)
        ]
    )
    sample = pd.DataFrame(
        {
            "stratum": names[flat[drawn]],
            "mapped": names[flat[drawn]],
            "reference": names[world.truth.ravel()[drawn]],
        }
    )
    strata = pd.DataFrame({"stratum": names, "area_ha": counts * PIXEL_HA})
    return {one.name: one for one in assess(sample, strata).areas}


def segment_survey(sample: pd.DataFrame, frame: pd.DataFrame, method: str) -> Survey:
    """Estimate each crop from the segments that were drawn."""
    return {
        crop: crop_area(sample, frame, crop=crop, method=method)  # type: ignore[arg-type]
        for crop in CROPS
    }


def drawn_segments(cells: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Draw the segments of one survey, in proportion, 12 a stratum at least."""
    strata = cells["stratum"].to_numpy(str)
    names, sizes = np.unique(strata, return_counts=True)
    shares = allocate(SEGMENTS, sizes / len(cells), method="proportional", minimum=12)
    chosen = [
        random.choice(np.flatnonzero(strata == name), size=number, replace=False)
        for name, number in zip(names, shares.tolist(), strict=True)
    ]
    return cells.iloc[np.concatenate(chosen)]


def frame_of(cells: pd.DataFrame, key: str) -> pd.DataFrame:
    """Count the segments and add up the map by stratum or county."""
    mapped = [f"{crop}_map_ha" for crop in CROPS]
    groups = cells.groupby(key)
    return groups[mapped].sum().assign(segments=groups.size()).reset_index()


def _small_area(
    world: World, random: np.random.Generator, *, surveys: int
) -> dict[str, float]:
    """Coverage of the counties' intervals for maize, over counties and surveys."""
    truth = world.cells.groupby("county")["maize_ha"].sum()
    frame, counties = frame_of(world.cells, "stratum"), frame_of(world.cells, "county")
    held: dict[bool, list[bool]] = {True: [], False: []}
    for _ in range(surveys):
        sample = drawn_segments(world.cells, random)
        # One county in five is not visited at all.
        visited = sample.loc[sample["county"].astype(int) % 5 > 0]
        for one in small_county_areas(visited, frame, counties, crop="maize"):
            held[one.samples > 0].append(_holds(one, truth[one.domain]))
    return {
        "with_segments": round(float(np.mean(held[True])), 4),
        "without": round(float(np.mean(held[False])), 4),
    }


def _holds(estimate: AreaEstimate, truth: float) -> bool:
    assert estimate.lower is not None
    assert estimate.upper is not None
    return estimate.lower <= truth <= estimate.upper


def law(
    surveys: list[Survey], true: Mapping[str, float]
) -> dict[str, dict[str, float]]:
    """Bias over the standard error between surveys, and coverage, of each class.

    ``stated`` is the mean standard error that the surveys state over the one that
    they have.
    """
    laws = {}
    for name in surveys[0]:
        estimates = [survey[name] for survey in surveys]
        values = np.array([one.value for one in estimates], dtype=np.float64)
        stated = np.array([one.se for one in estimates], dtype=np.float64)
        spread = float(values.std(ddof=1))
        laws[name] = {
            "bias": round(float((values.mean() - true[name]) / spread), 4),
            "coverage": float(np.mean([_holds(one, true[name]) for one in estimates])),
            "stated": round(float(np.sqrt((stated**2).mean()) / spread), 3),
        }
    return laws


if __name__ == "__main__":
    main()
