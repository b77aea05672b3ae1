"""Real labels and real imagery: shared/data/worldcereal and northeast_points."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.typing import NDArray

from models.crop_map.classes import NODATA, NON_CROP
from models.crop_map.features import FeaturePlan, Layer, Planes
from models.crop_map.samples import screened, spatial_blocks
from models.crop_map.training import Settings, Training, train

# December to November, as the labelled series are.
PLAN = FeaturePlan(
    series=("ndvi", "lswi"), metrics=(), step="month", first=(12, 1), last=(11, 30)
)
NON_CROPS = ("trees_mixed", "non_cropland_herbaceous", "managed_grasslands", "built_up")
MISSING = 65535


@pytest.fixture(scope="module")
def labelled(shared_data: Path) -> pd.DataFrame:
    rows = pd.read_parquet(
        shared_data / "worldcereal" / "test_public_extractions.parquet"
    )
    kinds = {"maize": "maize", **dict.fromkeys(NON_CROPS, "non-crop")}
    features = {}
    for step, name in enumerate(PLAN.steps()):
        near, red, short = (
            rows[f"OPTICAL-{band}-ts{step}-{metres}m"]
            .astype(float)
            .where(lambda values: values != MISSING)
            for band, metres in (("B08", 10), ("B04", 10), ("B11", 20))
        )
        features[f"ndvi_{name.start:%m%d}"] = (near - red) / (near + red)
        features[f"lswi_{name.start:%m%d}"] = (near - short) / (near + short)
    return pd.DataFrame(features).assign(
        sample=rows["sample_id"],
        lon=rows["lon"],
        lat=rows["lat"],
        year=rows["year"],
        label=[kinds.get(label, "other") for label in rows["label_full"]],
        cell=rows["h3_l3_cell"],
    )


@pytest.fixture(scope="module")
def trained(labelled: pd.DataFrame) -> Training:
    return train(labelled, PLAN, Settings(methods=("hist",)), simulated=False)


def test_african_labels_are_unbalanced_and_the_rare_ones_left_out(
    labelled: pd.DataFrame, trained: Training
) -> None:
    counts = labelled["label"].value_counts().to_dict()
    assert counts == {"other": 374, "maize": 97, "non-crop": 29}
    assert trained.model.left_out.keys() == {"rice", "soybean"}


def test_held_out_blocks_of_african_labels_are_far_from_perfect(
    labelled: pd.DataFrame, trained: Training
) -> None:
    accuracy = trained.model.accuracy["blocks"]
    # Four in five samples are of one class, and a random split would flatter.
    assert 0.35 < trained.macro_f1["hist"] < 0.75
    assert 0.55 < accuracy.overall.value < 0.85
    # 40 clusters or so: no interval of hundreds of independent samples.
    assert accuracy.overall.upper - accuracy.overall.lower > 0.1


def test_every_sample_is_used_or_listed_with_a_reason(
    labelled: pd.DataFrame, trained: Training
) -> None:
    held_out = trained.held_out
    assert held_out["block"].nunique() > 10
    assert len(held_out) + sum(
        one.kind != "unlikely" for one in trained.remarks
    ) == len(labelled)


def test_repeated_series_are_listed(trained: Training) -> None:
    # Pixels of one field polygon with the same values in all months.
    assert sum(one.kind == "repeated" for one in trained.remarks) == 50


@pytest.fixture(scope="module")
def belgium(shared_data: Path) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    """NDVI and LSWI of a square kilometre (24, pixel), and where it was clear.

    December to November, as the plan has it, though that November is of 2020.
    """
    path = shared_data / "worldcereal" / "worldcereal_preprocessed_inputs.nc"
    with xr.open_dataset(path) as cube:
        months = np.r_[1:12, 0]
        near, red, short = (
            cube[f"S2-L2A-{name}"].values[months].astype(float).reshape(12, -1)
            for name in ("B08", "B04", "B11")
        )
    clear = near != MISSING
    with np.errstate(invalid="ignore", divide="ignore"):
        both = np.concatenate(
            [(near - red) / (near + red), (near - short) / (near + short)]
        )
    known = np.tile(clear, (2, 1))
    return np.where(known, np.rint(both * 1e4), -32768).astype(np.int16), clear


def planes(
    belgium: tuple[NDArray[np.int16], NDArray[np.bool_]], plan: FeaturePlan
) -> Planes:
    stored, clear = belgium
    layers = (Layer(1e-4, 0.0, -32768),) * len(stored)
    return Planes(stored, layers, plan.often_seen(clear.astype(np.uint8)))


@pytest.mark.parametrize(("least_clear", "expected"), [(0.8, 0.0), (0.9, 1.0)])
def test_two_months_without_imagery_are_nodata_only_where_they_are_too_many(
    trained: Training,
    belgium: tuple[NDArray[np.int16], NDArray[np.bool_]],
    least_clear: float,
    expected: float,
) -> None:
    # December and January have no data: ten of twelve months are clear.
    plan = replace(PLAN, least_clear=least_clear)
    found = trained.model.label(planes(belgium, plan)).label
    assert (found == NODATA).mean() == expected


def test_belgian_fields_are_unlike_african_ones(
    trained: Training, belgium: tuple[NDArray[np.int16], NDArray[np.bool_]]
) -> None:
    values = planes(belgium, PLAN).values(slice(None, None, 10))
    far = trained.model.applicability.index(values) > 1
    own = trained.model.applicability.training.shape[1]
    assert own == len(trained.held_out)
    assert far.mean() > 0.5


def test_a_mask_learned_from_a_part_agrees_with_the_cropland_of_the_rest(
    shared_data: Path, belgium: tuple[NDArray[np.int16], NDArray[np.bool_]]
) -> None:
    # The cropland is another model's: agreement is plausible, not proof.
    path = shared_data / "worldcereal" / "worldcereal_cropland_classification.nc"
    with xr.open_dataarray(path) as layer:
        grown = layer.sel(bands="classification").values.ravel() == 0
    assert grown.sum() == 3937
    block = planes(belgium, PLAN)
    row, column = np.divmod(np.arange(10_000), 100)
    taught = np.flatnonzero((row < 50) & (row % 4 == 0) & (column % 4 == 0))
    table = pd.DataFrame(block.values(taught), columns=list(PLAN.names)).assign(
        sample=taught.astype(str),
        lon=5.319 + column[taught] * 1.4e-4,
        lat=50.638 - row[taught] * 9e-5,
        year=2021,
        label=np.where(grown[taught], "other", "non-crop"),
    )
    settings = Settings(methods=("hist",), block_km=0.2)
    model = train(table, PLAN, settings, simulated=False).model
    found = model.label(block).label == 4
    assert (found == grown)[row >= 50].mean() > 0.85


def test_labels_of_northeast_china_fall_into_blocks(shared_data: Path) -> None:
    path = shared_data / "northeast_points" / "combined_and_anonymised_points.csv"
    rows = pd.read_csv(path, index_col=0)
    plan = FeaturePlan(series=(), metrics=("peak",))
    good, remarks = screened(
        pd.DataFrame(
            {
                "sample": [str(number) for number in range(len(rows))],
                "lon": rows["lon"].to_numpy(),
                "lat": rows["lat"].to_numpy(),
                "year": rows["year"].to_numpy(),
                "label": np.where(rows["crop"] == "Crop", "crop", NON_CROP.name),
                "peak": 0.5,
            }
        ),
        plan,
    )
    # 5,624 rows, of which 868 repeat others; see the NOTES.md of the folder.
    assert (len(good), len(remarks)) == (4756, 868)
    assert {one.kind for one in remarks} == {"repeated"}
    assert (good["label"] == "crop").sum() == 2674
    # Three provinces, 787,000 km2 of squares of 2,500 km2.
    assert 250 < len(np.unique(spatial_blocks(good, km=50))) < 500
