import pandas as pd
import pytest

from models import skill
from models.evaluation import baselines, estimates_of_years, surpassed
from tests.models.histories import linear_history, response_history


def test_walk_forward_by_hand() -> None:
    # One county, yields 1..8 t/ha in 2012..2019: the trend is exact, the mean of
    # the last five is 3 too low; five years are needed first.
    history = linear_history(counties=("220322",)).assign(
        yield_t_ha=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    )
    (result,) = skill(history, features=(), years=[2017, 2018, 2019])
    assert (result.crop, result.scheme) == ("maize", "walk-forward")
    assert result.years == (2017, 2018, 2019)
    assert (result.rows, result.missing) == (3, 0)
    assert result.rmse == pytest.approx(0.0, abs=1e-12)
    assert result.rmse_trend == pytest.approx(0.0, abs=1e-12)
    assert result.rmse_mean5 == pytest.approx(3.0)


def test_years_without_enough_past_are_counted_as_missing() -> None:
    (result,) = skill(linear_history(counties=("220322",)), features=())
    # 2012 has no past at all; 2013..2016 have less than five years.
    assert (result.rows, result.missing) == (3, 5)


def test_a_county_not_seen_is_scored_by_its_trend() -> None:
    history = linear_history(counties=("220322",)).assign(f0=float("nan"))
    (result,) = skill(history, features=("f0",), years=[2017, 2018, 2019])
    assert (result.rows, result.missing) == (3, 0)
    assert result.rmse == pytest.approx(0.0, abs=1e-12)


def test_the_nearest_years_stand_for_the_mean_when_one_is_left_out() -> None:
    history = linear_history(counties=("220322",)).assign(
        yield_t_ha=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    )
    (result,) = skill(history, features=(), scheme="leave-one-year-out", years=[2015])
    # 2014 2016 2013 2017 and, of the two at three years, the earlier: 2012.
    assert result.rmse_mean5 == pytest.approx(4.0 - (3 + 5 + 2 + 6 + 1) / 5)


def test_no_year_sees_itself() -> None:
    history = response_history(11)
    spoilt = history.copy()
    last = spoilt["year"] == 2024
    spoilt.loc[last, "yield_t_ha"] *= 100.0
    features = ("f0", "f1", "f2")
    for scheme in ("walk-forward", "leave-one-year-out"):
        before, after = (
            skill(table, features=features, scheme=scheme, years=[2024])[0]
            for table in (history, spoilt)
        )
        # A hundredfold year of 5 t/ha or more must be missed by 99 times as much;
        # one that was seen would lift its own mean of five by a fifth.
        assert before.rmse < 1.0
        assert min(after.rmse, after.rmse_trend, after.rmse_mean5) > 700.0


def test_a_known_response_beats_both_baselines() -> None:
    (result,) = skill(
        response_history(12),
        features=("f0", "f1", "f2"),
        scheme="leave-one-year-out",
    )
    assert result.rows == 400
    assert result.rmse < 0.85 * min(result.rmse_trend, result.rmse_mean5)
    assert 0.7 <= result.coverage <= 0.95


def test_each_crop_has_its_own_skill() -> None:
    maize = linear_history()
    both = pd.concat([maize, maize.assign(crop="rice")])
    assert [result.crop for result in skill(both, features=())] == ["maize", "rice"]


def test_four_years_have_no_mean_of_five() -> None:
    history = linear_history(years=5)
    short = (history["county"] == "220322") & (history["year"] == 2012)
    rows = linear_history(years=1, first=2017)
    found = baselines(history.loc[~short], rows)
    assert found["county"].tolist() == rows["county"].tolist()
    assert found["mean5"].isna().tolist() == [True, False, False]
    # 8 and 10 t/ha in the middle year of five.
    assert found["mean5"].tolist()[1:] == pytest.approx([8.0, 10.0])


def test_years_without_a_yield_are_no_rows() -> None:
    found = estimates_of_years(linear_history(), features=(), years=[2030])
    assert found.empty
    assert "value" in found.columns
    assert skill(linear_history(), features=(), years=[2030]) == []


def rows_with_errors(*errors: float) -> pd.DataFrame:
    """Estimates of two counties that miss 8 t/ha by so much, a year each."""
    return pd.DataFrame(
        [
            (county, "maize", 2020 + place, 8.0 + error, 8.0)
            for place, error in enumerate(errors)
            for county in ("220101", "220102")
        ],
        columns=["county", "crop", "year", "value", "truth"],
    )


@pytest.mark.parametrize(
    ("errors", "better"),
    [
        ((0.1, -0.1, 0.1, 0.2, 0.1), True),
        # A single better year: the gain is as large as its standard error.
        ((0.0, 1.0, 1.0, 1.0, 1.0), False),
        ((1.0, 1.0, 1.0, 1.0, 1.0), False),
        ((2.0, 2.0, 2.0, 2.0, 2.0), False),
    ],
)
def test_model_is_surpassed_only_beyond_chance(
    errors: tuple[float, ...], better: bool
) -> None:
    ridge = rows_with_errors(1.0, -1.0, 1.0, -1.0, 1.0)
    assert surpassed(ridge, by=rows_with_errors(*errors)) is better


def test_one_year_surpasses_nothing() -> None:
    assert not surpassed(rows_with_errors(1.0), by=rows_with_errors(0.0))
