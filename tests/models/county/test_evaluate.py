"""The test of the model: fair, without leaks, and no number where there is none."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.county import (
    Cut,
    Evaluation,
    Forecast,
    Protocol,
    TooFewYears,
    default_leads,
    evaluate,
    score,
)
from models.county.evaluate import Estimate
from models.errors import ValueInvalid
from tests.models.county.tables import read, season_table

NUMBERS = ["value", "lower", "upper", "trend", "mean5"]


def last_year(
    frame: pd.DataFrame, *, protocol: Protocol = "walk-forward"
) -> Evaluation:
    """Test 2012 at one lead, whatever comes after it."""
    return evaluate(
        read(frame),
        first=2012,
        leads=(366,),
        protocol=protocol,
        run=lambda make, cuts: [make(cut) for cut in cuts if cut.year == 2012],
    )


def same(left: Evaluation, right: Evaluation) -> None:
    columns = ["region", *NUMBERS, "status"]
    pd.testing.assert_frame_equal(left.rows[columns], right.rows[columns], rtol=1e-9)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return season_table()


@pytest.fixture(scope="module")
def found(frame: pd.DataFrame) -> Evaluation:
    return last_year(frame)


def test_scores_are_those_worked_by_hand() -> None:
    rows = pd.DataFrame(
        {
            "observed": [0.0, 4.0, 8.0, 6.0, np.nan],
            "value": [1.0, 4.0, 6.0, np.nan, 3.0],
            "lower": [-1.0, 3.0, 5.0, np.nan, 1.0],
            "upper": [2.0, 5.0, 7.0, np.nan, 4.0],
            "trend": [2.0, 4.0, 6.0, 5.0, 3.0],
            "mean5": [4.0, 4.0, 4.0, 5.0, 3.0],
        }
    )
    found = score(rows)
    assert (found.n, found.missing, found.zeros, found.no_interval) == (3, 1, 1, 0)
    assert found.model.rmse == pytest.approx((5 / 3) ** 0.5)
    assert found.model.nrmse == pytest.approx(25 * (5 / 3) ** 0.5)
    assert found.model.mape == pytest.approx(12.5)
    assert found.model.r2 == pytest.approx(1 - 5 / 32)
    assert found.trend.rmse == pytest.approx((8 / 3) ** 0.5)
    assert found.mean5.r2 == pytest.approx(0)
    assert found.coverage == pytest.approx(2 / 3)
    assert found.width == pytest.approx(7 / 3)
    assert found.skill == pytest.approx(1 - (5 / 8) ** 0.5)


def test_a_season_that_tells_yields_beats_both_baselines(found: Evaluation) -> None:
    assert found.at(366).n == 12
    assert found.at(366).skill > 0.2
    assert set(found.rows["status"]) <= {"estimated", "extrapolated"}


@pytest.mark.parametrize("protocol", ["walk-forward", "leave-year-out"])
def test_targets_of_the_year_tested_have_no_part(
    frame: pd.DataFrame, found: Evaluation, protocol: Protocol
) -> None:
    other = frame.copy()
    other.loc[other["year"] == 2012, "yield"] *= 10
    before = (
        found if protocol == "walk-forward" else last_year(frame, protocol=protocol)
    )
    same(last_year(other, protocol=protocol), before)


def test_later_rows_have_no_part_in_a_walk_forward(
    frame: pd.DataFrame, found: Evaluation
) -> None:
    later = season_table(seed=5, years=2, first=2013)
    later["soil"] = later["county"].map(frame.groupby("county")["soil"].first())
    same(last_year(pd.concat([frame, later])), found)


def test_the_order_of_rows_changes_nothing(
    frame: pd.DataFrame, found: Evaluation
) -> None:
    same(last_year(frame.sample(frac=1, random_state=2)), found)


def test_another_unit_and_a_constant_move_estimates_with_the_target(
    frame: pd.DataFrame, found: Evaluation
) -> None:
    moved = last_year(frame.assign(**{"yield": 16 * frame["yield"] + 160}))
    names = ["value", "lower", "upper", "mean5"]
    expected = 16 * found.rows[names] + 160
    pd.testing.assert_frame_equal(moved.rows[names], expected, rtol=1e-6)


def test_any_mapper_may_do_the_work(frame: pd.DataFrame) -> None:
    seen: list[tuple[int, int]] = []

    def run(estimate: Estimate, cuts: Sequence[Cut]) -> Iterable[Forecast]:
        seen.extend((cut.year, cut.until) for cut in cuts)
        return map(estimate, cuts)

    table = read(frame.drop(columns=[c for c in frame if "rain" in str(c)]))
    evaluate(table, first=2010, run=run)
    assert seen == [(2010, 366), (2011, 366), (2012, 366)]


def test_leads_are_moments_of_the_series(frame: pd.DataFrame) -> None:
    # Of months 4 to 7: round(0.45 * 4) = 2, 3 (both of 0.65 and 0.85), 4.
    assert default_leads(read(frame)) == (151, 181, 212)


def test_a_lead_before_a_series_begins_is_of_the_level(frame: pd.DataFrame) -> None:
    early = evaluate(read(frame), first=2012, leads=(30,))
    assert set(early.rows["status"]) == {"level"}
    assert early.at(30).n == 12


def test_a_table_without_features_has_baselines_and_level(frame: pd.DataFrame) -> None:
    found = evaluate(read(frame[["county", "year", "yield"]]))
    assert found.leads == (366,)
    assert found.years == tuple(range(2007, 2013))
    assert set(found.rows["status"]) == {"level"}
    assert np.isfinite(found.at(366).mean5.rmse)


def test_a_region_of_two_years_has_a_reason_and_no_number(frame: pd.DataFrame) -> None:
    short = (frame["county"] == "00001") & (frame["year"] < 2010)
    found = last_year(frame[~short])
    row = found.rows.set_index("region").loc["00001"]
    assert row["status"] == "missing"
    assert "2 of the 5 years" in row["reason"]
    assert np.isnan(row["value"])
    assert (found.at(366).n, found.at(366).missing) == (11, 1)


def test_a_year_without_features_is_of_the_level(frame: pd.DataFrame) -> None:
    rain = [c for c in frame if str(c).startswith("rain")]
    other = frame.copy()
    other.loc[other["year"] == 2012, rain] = np.nan
    found = last_year(other)
    assert set(found.rows["status"]) == {"level"}
    assert found.rows["reason"].str.contains("features of this season").all()


def test_a_season_never_seen_is_said_to_be_extrapolated(frame: pd.DataFrame) -> None:
    rain = [c for c in frame if str(c).startswith("rain")]
    other = frame.copy()
    other.loc[other["year"] == 2012, rain] += 50
    assert set(last_year(other).rows["status"]) == {"extrapolated"}


def test_one_region_alone_is_last_year(frame: pd.DataFrame) -> None:
    found = last_year(frame[frame["county"] == "00001"])
    assert found.at(366).n == 1
    assert np.isfinite(found.rows["value"]).all()


@pytest.mark.parametrize(
    "frame",
    [season_table(years=3), season_table().assign(**{"yield": np.nan})],
    ids=["three years", "no target"],
)
def test_too_few_years_are_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(TooFewYears, match="6 are the fewest"):
        evaluate(read(frame))


@pytest.mark.parametrize("first", [2004, 2050])
def test_a_first_year_is_tested_or_refused(frame: pd.DataFrame, first: int) -> None:
    table = read(frame[["county", "year", "yield"]])
    if first == 2050:
        with pytest.raises(TooFewYears, match="2001 to 2012"):
            evaluate(table, first=first)
        return
    early = evaluate(table, first=first).of(2004, lead=366)
    assert (early.n, early.missing) == (0, 12)
    assert np.isnan(early.model.rmse)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"interval": 1.0}, "0.9"), ({"leads": (0,)}, "no day of the year")],
)
def test_wrong_wishes_are_refused(
    frame: pd.DataFrame, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(ValueInvalid, match=words):
        evaluate(read(frame), **changes)  # type: ignore[arg-type]


def test_a_lead_without_series_is_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(ValueInvalid, match="no series"):
        evaluate(read(frame[["county", "year", "yield"]]), leads=(200,))


def test_thousands_of_columns_are_taken() -> None:
    frame = season_table(years=8, regions=6)
    random = np.random.default_rng(2)
    names = [f"s{k}_w{w:02d}" for k in range(100) for w in range(20, 40)]
    more = pd.DataFrame(random.normal(size=(len(frame), 2000)), columns=names)
    found = evaluate(read(pd.concat([frame, more], axis=1)), first=2008, leads=(366,))
    assert found.at(366).n == 6


def test_real_wheat_is_estimated_and_its_five_year_mean_is_the_published_one(
    shared_data: Path,
) -> None:
    folder = shared_data / "wheat_county"
    panel = pd.read_csv(
        folder / "county_winter_wheat_weather_panel.csv", dtype={"county_fips": str}
    )[["county_fips", "year", "yield_bu_acre"]]
    panel.columns = pd.Index(["county", "year", "yield"])
    plain = evaluate(read(panel), first=2019)
    assert plain.at(366).n == 1152
    # The data's own notes: mean of the last five available years, 2019-2021.
    assert plain.at(366).mean5.rmse == pytest.approx(10.70, abs=0.005)
    thinned = panel["county"].isin(sorted(panel["county"].unique())[::10])
    months = _months(pd.read_parquet(folder / "county_dekad_weather_2000_2021.parquet"))
    whole = panel[thinned].merge(months, how="left", on=["county", "year"])
    found = evaluate(read(whole), first=2021, leads=(181,)).at(181)
    assert found.n > 30
    assert found.model.rmse < 1.1 * min(found.trend.rmse, found.mean5.rmse)


def _months(dekads: pd.DataFrame) -> pd.DataFrame:
    wide = dekads.pivot_table(
        index=["county_fips", "year"],
        columns="month",
        values=["t2m_max_mean_c", "precip_mm"],
    )
    pairs = wide.columns.to_flat_index()
    wide.columns = pd.Index([f"{pair[0]}_m{pair[1]:02d}" for pair in pairs])
    return wide.reset_index().rename(columns={"county_fips": "county"})
