"""The model: its classes, its file, and what is too far from its samples."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from models.crop_map import load_model, model_id, save_model
from models.crop_map.applicability import Applicability
from models.crop_map.classes import CLASSES, NODATA
from models.crop_map.errors import FeatureMismatch, ModelUnreadable
from models.crop_map.features import Layer, Planes
from models.crop_map.stages import Learning, codes_of, fit_stages
from models.crop_map.training import Settings, train
from tests.models.crop_map.made_up import FOUR, PLAN, features, table
from tests.models.messages import refused

MODELS = {
    method: train(
        table(FOUR),
        PLAN,
        Settings(methods=(method,), least_samples=10),
        simulated=True,
    ).model
    for method in ("hist", "forest")
}
LAYERS = (Layer(1e-4, 0.0, -32768),) * len(PLAN.names)


def planes(count: int, seed: int, *, clear: float = 0.9) -> Planes:
    rng = np.random.default_rng(seed)
    labels = rng.choice(list(FOUR), count).tolist()
    values = features(labels, rng, gaps=0.2)
    stored = np.where(np.isnan(values), -32768, np.rint(values * 1e4)).T
    return Planes(
        np.ascontiguousarray(stored.astype(np.int16)), LAYERS, rng.random(count) < clear
    )


@pytest.mark.parametrize("method", MODELS)
def test_both_stages_say_what_scikit_learn_says(method: str) -> None:
    rows = table(FOUR).sort_values("sample")
    learning = Learning(
        rows[list(PLAN.names)].to_numpy(np.float32),
        codes_of(rows["label"].to_numpy()),
        np.ones(len(rows)),
        (1, 2, 3),
        balance=0.5,
        seed=0,
    )
    stages = fit_stages(learning, method)  # type: ignore[arg-type]
    values = features(["maize"] * 300, np.random.default_rng(9), gaps=0.2)
    found = MODELS[method].probabilities(values)
    known = ~np.isnan(found[:, 0])
    expected = stages.predict_proba(values)[known]
    np.testing.assert_allclose(found[known], expected, atol=1e-6)
    np.testing.assert_allclose(found[known].sum(axis=1), 1, atol=1e-12)


@how(max_examples=20)
@given(count=st.integers(1, 9000), seed=st.integers(0, 1000))
def test_the_map_is_the_likeliest_class_of_the_table(count: int, seed: int) -> None:
    model, block = MODELS["hist"], planes(count, seed)
    found = model.label(block)
    shares = model.probabilities(block.values(slice(None)))
    known = block.clear & ~np.isnan(shares[:, 0])
    assert (found.label[~known] == NODATA).all()
    assert (found.percent[~known] == NODATA).all()
    np.testing.assert_array_equal(found.label[known], shares[known].argmax(axis=1))
    percent = np.rint(100 * shares[known].max(axis=1))
    np.testing.assert_array_equal(found.percent[known], percent)


def test_a_block_that_was_never_clear_has_no_class() -> None:
    found = MODELS["forest"].label(planes(300, 1, clear=0))
    assert (found.label == NODATA).all()


def test_a_crop_that_was_never_trained_gets_no_pixel() -> None:
    found = MODELS["hist"].label(planes(3000, 2))
    assert 4 not in found.label
    assert set(found.label) <= {one.code for one in CLASSES} | {NODATA}


def test_features_of_another_plan_are_refused() -> None:
    with refused(FeatureMismatch, match="3 features for a model with 9"):
        MODELS["hist"].probabilities(np.zeros((1, 3), np.float32))


# The file.


@pytest.mark.parametrize("method", MODELS)
def test_a_model_is_read_as_it_was_written(method: str, tmp_path: Path) -> None:
    model = MODELS[method]
    saved = save_model(model, tmp_path / "one.npz")
    again = load_model(tmp_path / "one.npz")
    assert saved == model_id(model) == model_id(again)
    block = planes(500, 3)
    np.testing.assert_array_equal(again.label(block).label, model.label(block).label)
    values = block.values(slice(None))
    np.testing.assert_array_equal(
        again.applicability.index(values), model.applicability.index(values)
    )


def test_equal_models_have_equal_files(tmp_path: Path) -> None:
    save_model(MODELS["hist"], tmp_path / "one.npz")
    save_model(load_model(tmp_path / "one.npz"), tmp_path / "two.npz")
    one, two = ((tmp_path / name).read_bytes() for name in ("one.npz", "two.npz"))
    assert one == two


def test_a_flipped_bit_anywhere_in_the_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    save_model(MODELS["hist"], path)
    content = bytearray(path.read_bytes())
    arrays = {}
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["mask_values"][0] += 1
    with path.open("wb") as out:
        np.savez_compressed(out, **arrays)
    with refused(ModelUnreadable, match="checksum does not match"):
        load_model(path)
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with refused(ModelUnreadable, match="train it again"):
        load_model(path)


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    np.savez(path, described=np.array([{"a": 1}], dtype=object))
    with refused(ModelUnreadable, match="train it again"):
        load_model(path)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with refused(ModelUnreadable, match="No such file"):
        load_model(tmp_path / "none.npz")


# Extrapolation.


def test_dissimilarity_is_the_distance_to_the_nearest_sample_over_the_largest() -> None:
    # Two features of spread 1 and importance 3:1; samples 0 and 1 in two blocks.
    values = np.array([[-1, 1], [1, 1], [-1, -1], [1, -1]], np.float32)
    near = Applicability.of(
        values,
        importance=np.array([3.0, 1.0]),
        blocks=np.array([0, 0, 1, 1]),
        rng=np.random.default_rng(0),
    )
    # Across blocks only the second feature differs: 2 * 1 / 4.
    assert near.threshold == pytest.approx(0.5)
    asked = np.array([[1, 1], [2, 1], [1, 3], [np.nan, np.nan]], np.float32)
    expected = [0, 0.75 / 0.5, 0.5 / 0.5, np.hypot(0.75, 0.25) / 0.5]
    np.testing.assert_allclose(near.index(asked), expected, rtol=1e-6)


def test_what_no_sample_is_like_lies_outside_the_area_of_applicability() -> None:
    model = MODELS["hist"]
    rng = np.random.default_rng(4)
    alike = model.applicability.index(features(["maize"] * 100, rng, gaps=0))
    strange = np.full((1, len(PLAN.names)), -1, np.float32)
    assert np.mean(alike > 1) < 0.2
    assert model.applicability.index(strange)[0] > 1
