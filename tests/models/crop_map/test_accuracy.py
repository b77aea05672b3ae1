"""Accuracy: literal counts, and intervals from outside."""

import json
import math

import numpy as np
import pytest

from models.crop_map.accuracy import Accuracy, required_accuracy, share
from models.crop_map.errors import AccuracyInvalid, AccuracyMissing
from tests.models.messages import refused

# Maps and ground of ten samples: 0 non-crop, 1 maize, 2 rice.
MAPPED = np.array([0, 0, 0, 1, 1, 1, 1, 2, 2, 2])
GROUND = np.array([0, 0, 1, 1, 1, 1, 2, 2, 2, 0])


def found() -> Accuracy:
    return Accuracy.of(MAPPED, GROUND, method="counted", years=[2025])


def test_rows_are_the_map_and_columns_the_ground() -> None:
    expected = [[2, 1, 0], [0, 3, 1], [1, 0, 2]]
    assert found().confusion[:3, :3].tolist() == expected


def test_users_and_producers_accuracy() -> None:
    assert [one.value for one in found().users[:3]] == [2 / 3, 3 / 4, 2 / 3]
    assert [one.value for one in found().producers[:3]] == [2 / 3, 3 / 4, 2 / 3]
    assert found().overall.value == 0.7


def test_macro_f1_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import f1_score

    expected = f1_score(GROUND, MAPPED, average="macro")
    assert found().macro_f1([0, 1, 2]) == pytest.approx(expected)


def test_a_class_without_a_sample_has_no_accuracy() -> None:
    assert found().users[4].n == 0
    assert math.isnan(found().users[4].value)


def test_independent_samples_have_wilsons_interval() -> None:
    # Newcombe 1998 (Stat. Med. 17:857), table I: 81 of 263, method 3.
    right = np.arange(263) < 81
    one = share(right, np.ones(263, bool), np.arange(263))
    assert (round(one.lower, 4), round(one.upper, 4)) == (0.2553, 0.3662)


def test_samples_of_one_block_that_fail_together_widen_the_interval() -> None:
    right = np.repeat([True, True, True, False, True], 20)
    alone = share(right, np.ones(100, bool), np.arange(100))
    blocked = share(right, np.ones(100, bool), np.repeat(np.arange(5), 20))
    assert blocked.value == alone.value == 0.8
    # Five blocks are worth no more than five samples: 4 of 5 by Wilson.
    assert blocked.lower == pytest.approx(0.32, abs=0.02)
    assert alone.lower == pytest.approx(0.711, abs=0.001)


def test_an_accuracy_is_read_as_it_was_written() -> None:
    text = json.dumps(found().described())
    again = Accuracy.from_dict(json.loads(text))
    assert again.described() == found().described()


def test_an_estimate_of_a_stratified_sample_stands_as_it_was_given() -> None:
    said = {
        "method": "stratified sample, Olofsson 2014",
        "n": 10,
        "classes": ["non-crop", "maize"],
        "confusion": [[5, 1], [1, 3]],
        "overall": {"value": 0.9, "lower": 0.8, "upper": 0.95},
    }
    read = Accuracy.from_dict(said)
    assert (read.overall.value, read.users[0].value) == (0.9, 5 / 6)
    assert read.independent


@pytest.mark.parametrize("missing", ["method", "n", "classes", "confusion"])
def test_a_map_is_not_published_without_a_part_of_its_accuracy(missing: str) -> None:
    said = {**found().described(), missing: None}
    with refused(AccuracyMissing, match=missing):
        required_accuracy(said)


def test_a_map_is_not_published_without_accuracy() -> None:
    with refused(AccuracyMissing, match="no accuracy"):
        required_accuracy(None)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"n": 11}, "holds 10 samples and n is 11"),
        ({"classes": ["maize", "wheat"]}, "confusion matrix of shape"),
        ({"overall": {"value": 0.9, "lower": 0.95, "upper": 1}}, "in this order"),
        ({"users": [{"value": 0.5, "lower": 0.4, "upper": 0.6}]}, "1 values of users"),
    ],
)
def test_contradictions_are_refused(change: dict[str, object], match: str) -> None:
    with refused(AccuracyInvalid, match=match):
        required_accuracy({**found().described(), **change})


def test_a_code_of_no_class_is_refused() -> None:
    with refused(AccuracyInvalid, match="class code 255"):
        Accuracy.of(np.array([255]), np.array([1]), method="counted", years=[])
