"""What the arrays of a forest say, against scikit-learn's own predict_proba."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from models.crop_map.errors import ModelUnreadable
from models.crop_map.features import Layer
from models.crop_map.trees import Cuts, Forest
from tests.models.messages import refused

FEATURES = 12


def drawn(rows: int, seed: int, gaps: float = 0.1) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, FEATURES))
    values[:, 5] = values[:, 5].round(1)
    values[rng.random(values.shape) < gaps] = np.nan
    # One feature without gaps: its trees never learned where a missing value goes.
    values[:, 2] = rng.normal(size=rows)
    return values.astype(np.float32)


def answers(values: NDArray[np.float32], classes: int) -> NDArray[np.int64]:
    known = np.nan_to_num(values)
    return np.asarray(
        ((known[:, 0] > 0).astype(int) + (known[:, 1] + known[:, 2] > 0)) % classes
    )


MACHINES = {
    "hist": HistGradientBoostingClassifier(max_iter=12, max_depth=5, random_state=0),
    "forest": RandomForestClassifier(12, max_depth=9, random_state=0),
}


def fitted(machine: str, classes: int) -> tuple[Any, Forest, Cuts]:
    values = drawn(600, 0)
    model = MACHINES[machine].fit(values, answers(values, classes))
    cuts = Cuts.of([model], FEATURES)
    return model, Forest.of(model, cuts), cuts


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_are_those_of_scikit_learn(machine: str, classes: int) -> None:
    model, forest, cuts = fitted(machine, classes)
    # Missing where it never was in training, and all of a sample.
    values = drawn(700, 1, gaps=0.3)
    values[::3, 2] = np.nan
    values[0] = np.nan
    found = forest.predict_proba(cuts.codes(values))
    np.testing.assert_allclose(found, model.predict_proba(values), atol=1e-12)


def test_a_value_on_a_threshold_goes_where_scikit_learn_sends_it() -> None:
    model, forest, cuts = fitted("hist", 3)
    values = drawn(300, 2, gaps=0)
    for feature, places in enumerate(cuts.values):
        if places.size:
            values[: places.size, feature] = places[:300].astype(np.float32)
    found = forest.predict_proba(cuts.codes(values))
    np.testing.assert_allclose(found, model.predict_proba(values), atol=1e-12)


def test_codes_of_stored_integers_are_those_of_their_values() -> None:
    _, _, cuts = fitted("forest", 3)
    layers = [Layer(1e-4 * (k + 1), 0.5 * k, -32768) for k in range(FEATURES)]
    stored = np.arange(-32768, 32768, 37).astype(np.int16)
    tables = cuts.tables(layers)
    values = np.stack([layer.values(stored) for layer in layers], axis=1)
    looked_up = tables[:, stored.astype(int) + 32768]
    np.testing.assert_array_equal(looked_up, cuts.codes(values))


@how(max_examples=25)
@given(seed=st.integers(0, 10_000), rows=st.integers(1, 600))
def test_a_sample_does_not_depend_on_its_neighbours(seed: int, rows: int) -> None:
    _, forest, cuts = ONCE
    codes = cuts.codes(drawn(rows, seed, gaps=0.05))
    together = forest.predict_proba(codes)
    place = seed % rows
    alone = forest.predict_proba(np.ascontiguousarray(codes[:, place : place + 1]))
    np.testing.assert_array_equal(together[place], alone[0])


ONCE = fitted("hist", 3)


def test_trees_that_point_outside_themselves_are_refused() -> None:
    _, forest, cuts = ONCE
    words = forest.words.copy()
    words[0] += 1 << 50
    broken = Forest(
        True, words, forest.values, forest.roots, forest.depths, forest.base
    )
    with refused(ModelUnreadable, match="outside themselves"):
        broken.check(cuts)
