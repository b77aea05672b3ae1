"""Training: which samples count, what is told of the others, and how it is chosen."""

import numpy as np
import pandas as pd
import pytest

from models import ColumnMissing
from models.crop_map import model_id
from models.crop_map.errors import SamplesInvalid, SamplesTooFew
from models.crop_map.samples import screened, spatial_blocks
from models.crop_map.stages import Method
from models.crop_map.training import Settings, Training, train
from tests.models.crop_map.made_up import FOUR, PLAN, features, table
from tests.models.messages import in_both_languages, refused

QUICK = Settings(methods=("hist",), least_samples=10)


@pytest.fixture(scope="module")
def trained() -> Training:
    return train(table(FOUR), PLAN, QUICK, simulated=True)


def test_classes_that_differ_are_told_apart(trained: Training) -> None:
    accuracy = trained.model.accuracy["blocks"]
    assert accuracy.n == 200
    assert accuracy.overall.value > 0.9
    assert accuracy.overall.lower < accuracy.overall.value < accuracy.overall.upper
    assert trained.model.kinds == (1, 2, 3)


def test_the_method_says_how_the_accuracy_was_found(trained: Training) -> None:
    method = trained.model.accuracy["blocks"].method
    assert "blocks of 50 km held out in turn" in method
    assert in_both_languages(method)


def test_a_crop_without_samples_is_left_out_with_a_reason(trained: Training) -> None:
    assert list(trained.model.left_out) == ["other"]
    assert in_both_languages(trained.model.left_out["other"])


def test_the_order_of_the_samples_changes_nothing(trained: Training) -> None:
    shuffled = table(FOUR).sample(frac=1, random_state=3)
    again = train(shuffled, PLAN, QUICK, simulated=True)
    assert model_id(again.model) == model_id(trained.model)


def test_the_better_method_is_chosen_unless_the_quicker_is_as_good() -> None:
    both = Settings(least_samples=10)
    found = train(table({"non-crop": 30, "maize": 30}), PLAN, both, simulated=True)
    assert set(found.candidates) == {"hist", "forest"}
    behind = found.macro_f1["forest"] - found.macro_f1["hist"]
    assert found.model.method == ("forest" if behind > 0.01 else "hist")


def test_a_forest_can_be_the_model() -> None:
    only = Settings(methods=("forest",), least_samples=10)
    found = train(table({"non-crop": 30, "maize": 30}), PLAN, only, simulated=True)
    assert found.model.method == "forest"
    assert found.model.kind is None


def test_wrong_labels_are_listed_first() -> None:
    rows = table(FOUR)
    rows.loc[rows["sample"] == "2025-0070", "label"] = "rice"
    found = train(rows, PLAN, QUICK, simulated=True)
    worst = found.remarks[0]
    assert (worst.sample, worst.kind) == ("2025-0070", "unlikely")
    assert worst.lon == rows.set_index("sample").loc["2025-0070", "lon"]
    assert in_both_languages(worst.reason)


def test_samples_of_unknown_crops_train_the_mask() -> None:
    rows = table({"non-crop": 40, "crop": 100, "maize": 20})
    found = train(rows, PLAN, QUICK, simulated=True).model
    maize_like = features(["crop"] * 20, np.random.default_rng(5), gaps=0)
    assert np.median(found.probabilities(maize_like)[:, 0]) < 0.1


def test_held_out_years_give_the_accuracy_of_a_year_without_samples() -> None:
    other = table({"non-crop": 30, "maize": 30}, seed=2, year=2024)
    rows = pd.concat([table({"non-crop": 30, "maize": 30}), other])
    found = train(rows, PLAN, QUICK, simulated=True).model
    assert found.years == (2024, 2025)
    assert found.accuracy["years"].n == 120
    assert "2 seasons held out in turn" in found.accuracy["years"].method


def test_pixels_of_one_field_weigh_as_one_point() -> None:
    rows = table({"non-crop": 30, "maize": 30})
    place = ["field"] * 10 + [f"p{k}" for k in range(50)]
    good, _ = screened(rows.assign(place=place), PLAN)
    blocks = spatial_blocks(good, km=1)
    assert len(set(blocks[good["place"] == "field"])) == 1


@pytest.mark.parametrize(
    ("counts", "match"),
    [
        ({"maize": 60}, "non-crop has 0 samples"),
        ({"non-crop": 60}, "no crop has 10 samples"),
        ({"non-crop": 60, "crop": 60}, "no crop has 10 samples"),
        ({"non-crop": 60, "maize": 9}, "no crop has 10 samples"),
    ],
)
def test_too_few_samples_of_a_class_are_no_map(
    counts: dict[str, int], match: str
) -> None:
    with refused(SamplesTooFew, match=match):
        train(table(counts), PLAN, QUICK, simulated=True)


@pytest.mark.parametrize("method", ["hist", "forest"])
def test_a_step_that_no_sample_was_seen_in_is_no_hindrance(method: Method) -> None:
    rows = table({"non-crop": 30, "maize": 30}).assign(ndvi_smooth_0401=np.nan)
    only = Settings(methods=(method,), least_samples=10)
    found = train(rows, PLAN, only, simulated=True).model
    values = features(["maize"] * 20, np.random.default_rng(5), gaps=0)
    assert np.median(found.probabilities(values)[:, 1]) > 0.8


def test_samples_in_one_block_tell_no_accuracy() -> None:
    rows = table(FOUR).assign(lon=125.1, lat=np.linspace(43.01, 43.02, 200))
    with refused(SamplesTooFew, match="in one block of 50 km"):
        train(rows, PLAN, QUICK, simulated=True)


def test_a_class_that_is_left_out_still_counts_as_ground() -> None:
    rows = table({"non-crop": 40, "maize": 40, "rice": 5})
    found = train(rows, PLAN, QUICK, simulated=True)
    assert found.model.left_out.keys() == {"rice", "soybean", "other"}
    assert found.model.accuracy["blocks"].producers[2].n == 5
    assert found.model.accuracy["blocks"].producers[2].value == 0


# What is wrong with samples.


def test_a_place_with_two_labels_serves_neither() -> None:
    rows = table({"maize": 2, "rice": 1})
    rows[["lon", "lat"]] = [[125.0, 43.0], [125.0, 43.0], [125.0, 43.0]]
    good, remarks = screened(rows, PLAN)
    assert good.empty
    assert [one.kind for one in remarks] == ["contradiction"] * 3
    assert all(in_both_languages(one.reason) for one in remarks)


def test_a_repeated_sample_counts_once() -> None:
    rows = pd.concat([table({"maize": 3}), table({"maize": 3}).tail(1)])
    good, remarks = screened(rows, PLAN)
    assert len(good) == 3
    assert [(one.sample, one.kind) for one in remarks] == [("2025-0002", "repeated")]


def test_a_named_crop_stands_where_another_says_only_crop() -> None:
    rows = table({"crop": 1, "maize": 1}).assign(lon=125.0, lat=43.0)
    good, remarks = screened(rows, PLAN)
    assert good["label"].tolist() == ["maize"]
    assert [one.kind for one in remarks] == ["repeated"]


def test_one_place_in_two_years_is_two_samples() -> None:
    rows = table({"maize": 2}).assign(lon=125.0, lat=43.0, year=[2024, 2025])
    assert len(screened(rows, PLAN)[0]) == 2


def test_samples_seen_too_seldom_are_listed() -> None:
    rows = table({"maize": 3}, clear=[True, False, True])
    rows.loc[2, list(PLAN.names)] = np.nan
    good, remarks = screened(rows, PLAN)
    assert len(good) == 1
    assert [one.kind for one in remarks] == ["unclear"] * 2


def test_an_infinite_feature_is_refused() -> None:
    rows = table({"maize": 2})
    rows.loc[1, "peak"] = np.inf
    with refused(SamplesInvalid, match="2025-0001 has an infinite peak"):
        screened(rows, PLAN)


def test_a_label_that_is_no_class_is_refused() -> None:
    with refused(SamplesInvalid, match="'wheat'"):
        screened(table({"wheat": 1}), PLAN)


def test_a_place_off_the_globe_is_refused() -> None:
    with refused(SamplesInvalid, match="lat 433"):
        screened(table({"maize": 1}).assign(lat=433.0), PLAN)


def test_a_missing_feature_column_is_named() -> None:
    with refused(ColumnMissing, match="peak"):
        screened(table({"maize": 1}).drop(columns="peak"), PLAN)


def test_blocks_are_squares_of_the_asked_side() -> None:
    # At 111.32 km a degree they lie 4820.2, 4819.0 and 4875.8 km north.
    rows = pd.DataFrame(
        {
            "lon": [125.0] * 3,
            "lat": [43.3, 43.29, 43.8],
            "place": ["a", "b", "c"],
        }
    )
    first, near, far = spatial_blocks(rows, km=50)
    assert first == near != far


def test_blocks_without_a_side_are_refused() -> None:
    with refused(SamplesInvalid, match="side above 0"):
        spatial_blocks(table({"maize": 1}), km=0)
