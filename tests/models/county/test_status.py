"""Each estimate says what it is worth."""

import dataclasses

import numpy as np
import pytest

from models.county import Forecast, judge
from models.county.stack import Trust


@pytest.fixture
def found() -> Forecast:
    """One region with nothing to complain of."""
    return Forecast(
        year=2020,
        until=212,
        value=np.array([5.0]),
        lower=np.array([4.0]),
        upper=np.array([6.0]),
        trend=np.array([5.0]),
        mean5=np.array([5.0]),
        years_known=np.array([12]),
        season_known=np.array([True]),
        beyond=np.array([0.0]),
        trust=Trust(common=0.3, local=0.8),
    )


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({}, "estimated", None),
        ({"years_known": np.array([2])}, "missing", "2 of the 5 years"),
        ({"value": np.array([np.nan])}, "missing", "no number"),
        ({"season_known": np.array([False])}, "level", "season are missing"),
        ({"trust": Trust(common=0.0, local=0.0)}, "level", "falls back to the level"),
        ({"beyond": np.array([0.8])}, "extrapolated", "80% of the range"),
        ({"beyond": np.array([0.4])}, "estimated", None),
        ({"upper": np.array([np.inf])}, "estimated", "too few years"),
        (
            {"trust": Trust(common=0.0, local=0.0), "upper": np.array([np.inf])},
            "level",
            "told|tell yields; too few years",
        ),
    ],
)
def test_status_and_reason(
    found: Forecast, change: dict[str, object], status: str, words: str | None
) -> None:
    (judged,) = judge(dataclasses.replace(found, **change))  # type: ignore[arg-type]
    assert judged.status == status
    if words is None:
        assert judged.reason is None
    else:
        assert any(word in str(judged.reason) for word in words.split("|"))


def test_a_table_without_features_says_so(found: Forecast) -> None:
    (judged,) = judge(found, features=False)
    assert str(judged.reason) == (
        "from the level alone: the table has no features of the season"
        " · 仅据常年水平估计：表中没有当季特征"
    )
