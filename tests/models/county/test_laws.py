"""Laws of a forecast that hold whatever the table; learners quick, the rest whole."""

import sys
from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.county import Forecast, Protocol, forecast
from models.county.learners import learn_ridge
from models.county.stack import stack
from tests.models.county.worlds import arrays, world

YEAR = 2011
ROWS = world(regions=6, years=15, seed=4).assign(
    sown=lambda rows: 120.0 + rows["year"] % 5,
    clay=lambda rows: 30.0 + rows["lat"] % 0.3,
    state=lambda rows: np.where(rows["lat"] > 40.25, "A", "B"),
)
FEATURES = ["rain_m05", "heat_m06", "sown", "clay", "state", "lat"]


@pytest.fixture(autouse=True, scope="module")
def _quick() -> Iterator[None]:
    """Learn by ridge alone: the laws are of what is around the learners."""
    with pytest.MonkeyPatch.context() as patch:
        quick = partial(stack, families=((learn_ridge,),))
        patch.setattr(sys.modules["models.county.forecast"], "stack", quick)
        yield


def made(rows: pd.DataFrame, *, protocol: Protocol = "walk-forward") -> pd.DataFrame:
    """Return the forecast of `YEAR` by region."""
    table = arrays(rows)
    found: Forecast = forecast(table, year=YEAR, protocol=protocol)
    return pd.DataFrame(
        {
            name: getattr(found, name)
            for name in ("value", "lower", "upper", "trend", "mean5", "beyond")
        },
        index=pd.Index(table.regions),
    )


def test_the_season_counts_here() -> None:
    table = arrays(ROWS)
    assert forecast(table, year=YEAR).trust.local > 0.5


LATER = st.fixed_dictionaries(
    {},
    optional={
        "yield": st.one_of(st.floats(-1e6, 1e6), st.none()),
        "rain_m05": st.one_of(st.floats(-1e9, 1e9), st.none(), st.just(np.inf)),
        "heat_m06": st.just("(D)"),
        "sown": st.one_of(st.floats(0, 366), st.none()),
        "clay": st.floats(0, 100),
        "lat": st.none(),
        "state": st.sampled_from(["A", "C", ""]),
    },
)


@settings(max_examples=15, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, 17), LATER), min_size=1, max_size=6),
    gone=st.sets(st.integers(0, 17), max_size=18),
    renamed=st.booleans(),
)
def test_no_later_row_changes_a_walk_forward(
    changes: list[tuple[int, dict[str, object]]], gone: set[int], renamed: bool
) -> None:
    before = ROWS[ROWS["year"] <= YEAR]
    later = ROWS[ROWS["year"] > YEAR].reset_index(drop=True).astype(object)
    for place, values in changes:
        for name, value in values.items():
            later.loc[place, name] = value  # type: ignore[call-overload]
    if renamed:
        later["region"] = later["region"].str.replace("r", "new")
    later = later.drop(index=list(gone)).assign(
        year=lambda rows: rows["year"].astype(int),
        **{"yield": lambda rows: rows["yield"].astype(float)},
    )
    found = made(pd.concat([before.astype(object), later]).infer_objects())
    np.testing.assert_array_equal(found.loc[before["region"].unique()], made(before))


@settings(max_examples=10, deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=6, max_size=6))
@pytest.mark.parametrize("protocol", ["walk-forward", "leave-year-out"])
def test_no_target_of_the_year_changes_its_forecast(
    protocol: Protocol, targets: list[float]
) -> None:
    rows = ROWS.copy()
    rows.loc[rows["year"] == YEAR, "yield"] = targets
    pd.testing.assert_frame_equal(
        made(rows, protocol=protocol), made(ROWS, protocol=protocol), check_exact=True
    )


@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_and_columns_changes_nothing(random: object) -> None:
    places = list(range(len(ROWS)))
    names = list(ROWS.columns)
    random.shuffle(places)  # type: ignore[attr-defined]
    random.shuffle(names)  # type: ignore[attr-defined]
    pd.testing.assert_frame_equal(
        made(ROWS.iloc[places][names]), made(ROWS), check_exact=True
    )


@settings(max_examples=10, deadline=None)
@given(st.floats(0, 1e4))
def test_a_constant_added_to_the_target_is_added_to_the_estimate(more: float) -> None:
    moved = made(ROWS.assign(**{"yield": ROWS["yield"] + more}))
    names = ["value", "lower", "upper", "mean5"]
    np.testing.assert_allclose(moved[names], made(ROWS)[names] + more, atol=1e-6)


@settings(max_examples=10, deadline=None)
@given(st.floats(1e-3, 1e3))
def test_the_unit_of_the_target_is_that_of_the_estimate(unit: float) -> None:
    names = ["value", "lower", "upper", "trend", "mean5"]
    scaled = made(ROWS.assign(**{"yield": unit * ROWS["yield"]}))
    np.testing.assert_allclose(scaled[names], unit * made(ROWS)[names], rtol=1e-6)


@settings(max_examples=10, deadline=None)
@given(st.dictionaries(st.sampled_from(FEATURES[2:4]), st.floats(1e-3, 1e3)))
def test_the_unit_of_a_feature_changes_nothing(units: dict[str, float]) -> None:
    rows = ROWS.copy()
    for name, unit in units.items():
        rows[name] *= unit
    rain = [str(name) for name in rows if str(name).startswith("rain")]
    rows[rain] *= 25.4
    np.testing.assert_allclose(made(rows), made(ROWS), rtol=1e-6, atol=1e-9)
