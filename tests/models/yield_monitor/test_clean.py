from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import ColumnMissing, ValueInvalid
from models.yield_monitor import (
    Cleaned,
    DelayStatus,
    MeanStatus,
    MeasureMissing,
    NoPoints,
    Reason,
    Settings,
    clean,
    field_mean,
    reason_table,
)
from tests.models.messages import refused
from tests.models.yield_monitor.harvests import METRES_PER_DEGREE, harvest

PLAIN = Settings(delay=0, start=0, end=0)

# Of the 800 points of `harvest()`, two lie by chance beyond three standard deviations.
GOOD = 798


def reasons(cleaned: Cleaned, row: int) -> str:
    return str(cleaned.points["reasons"].iloc[row])


@pytest.mark.parametrize("delay", [0.0, 6.0, 12.0, 16.0])
def test_flow_delay_is_found(delay: float) -> None:
    found = clean(harvest(delay=delay)).delay
    assert found.seconds == delay
    expected = DelayStatus.ESTIMATED if delay else DelayStatus.NONE_SEEN
    assert found.status is expected


def test_a_delay_corrected_too_far_is_found() -> None:
    assert clean(harvest(delay=-6.0)).delay.seconds == -6.0


def test_grain_goes_back_to_where_it_was_cut() -> None:
    lagging = clean(harvest(delay=12.0, noise=0.0))
    at_once = clean(harvest(delay=0.0, noise=0.0))
    both = lagging.marks.good & at_once.marks.good
    assert both.sum() > 500
    np.testing.assert_allclose(
        lagging.points["yield_t_ha"][both], at_once.points["yield_t_ha"][both]
    )


def test_grain_still_in_the_machine_at_the_end_of_a_pass_is_missing() -> None:
    cleaned = clean(harvest(passes=1), settings=replace(PLAIN, delay=6.0))
    assert cleaned.points["flag"].tolist()[-3:] == [9, 9, 9]
    assert [reasons(cleaned, row) for row in (-4, -3)] == ["", "no_flow_yet"]


def test_one_pass_alone_tells_no_delay_and_no_error() -> None:
    cleaned = clean(harvest(passes=1))
    assert cleaned.delay.status is DelayStatus.TOO_FEW_NEIGHBOURS
    assert cleaned.delay.seconds == 0
    mean = field_mean(cleaned)
    assert mean.status is MeanStatus.FEW_PASSES
    assert mean.mean == pytest.approx(9, abs=1)
    assert np.isnan([mean.standard_error, mean.lower, mean.upper]).all()


@pytest.mark.parametrize(
    ("column", "value", "reason", "flag"),
    [
        ("moisture", np.nan, "missing", 9),
        ("flow_kg_s", np.nan, "missing", 9),
        ("lat", np.nan, "missing", 9),
        ("time_s", np.nan, "missing", 9),
        ("flow_kg_s", -1.0, "impossible", 4),
        ("flow_kg_s", np.inf, "impossible", 4),
        ("moisture", 80.0, "impossible", 4),
        ("distance_m", 0.0, "impossible", 4),
        ("interval_s", -2.0, "impossible", 4),
        ("swath_m", 0.0, "impossible", 4),
        ("flow_kg_s", 0.0, "no_grain", 3),
        ("flow_kg_s", 100.0, "too_high", 3),
        ("flow_kg_s", 30.0, "local_outlier", 3),
    ],
)
def test_a_faulty_value_is_flagged_alone(
    column: str, value: float, reason: str, flag: int
) -> None:
    table = harvest()
    table.loc[520, column] = value
    cleaned = clean(table, settings=PLAIN)
    assert len(cleaned.points) == len(table)
    assert cleaned.points["flag"].iloc[520] == flag
    assert reasons(cleaned, 520).split(";")[0] == reason
    assert cleaned.marks.good.sum() == GOOD - 1


def test_a_row_refused_at_import_does_not_count() -> None:
    table = harvest().assign(flag=2)
    table.loc[[7, 8], "flag"] = [4, 9]
    cleaned = clean(table, settings=PLAIN)
    assert [reasons(cleaned, row) for row in (6, 7, 8)] == ["", "import", "missing"]


def test_a_clock_that_runs_ahead_once_costs_one_row() -> None:
    table = harvest()
    table["time_s"] += np.where(table.index == 300, 1e6, 0)
    cleaned = clean(table, settings=PLAIN)
    assert reasons(cleaned, 300) == "time_back"
    assert cleaned.marks.good.sum() == GOOD - 1


def test_a_position_that_stands_still_is_a_duplicate() -> None:
    table = harvest()
    table.loc[301, ["lon", "lat"]] = table.loc[300, ["lon", "lat"]]
    assert reasons(clean(table, settings=PLAIN), 301) == "same_place"


def test_a_position_far_off_is_a_jump() -> None:
    table = harvest()
    table["lon"] += np.where(table.index == 310, 60 / METRES_PER_DEGREE, 0)
    assert "jump" in reasons(clean(table, settings=PLAIN), 310)


def test_speeds_out_of_bounds_and_sudden_ones_are_flagged() -> None:
    table = harvest()
    # Flow goes with the speed: only the speed itself is strange.
    for row, factor in ((310, 0.2), (330, 1.5)):
        table.loc[row, ["distance_m", "flow_kg_s"]] *= factor
    cleaned = clean(table, settings=PLAIN)
    assert reasons(cleaned, 310) == "speed;speed_change"
    assert reasons(cleaned, 330) == "speed_change"


def test_a_filling_machine_is_left_out_at_the_start_of_passes() -> None:
    table = harvest()
    for row in range(3):
        table.loc[row::50, "flow_kg_s"] *= (row + 1) / 4
    cleaned = clean(table, settings=Settings(delay=0))
    assert (cleaned.start_s, cleaned.end_s) == (6.0, 0.0)
    starts = cleaned.points["reasons"].iloc[50:54].str.contains("pass_start")
    assert starts.tolist() == [True, True, True, False]


def test_a_logged_part_of_the_swath_counts_as_it_is() -> None:
    table = harvest(noise=0.0)
    table.loc[400, ["swath_m", "flow_kg_s"]] /= 3
    cleaned = clean(table, settings=PLAIN)
    row = cleaned.points.iloc[400]
    assert (row["treatments"], row["width_m"], row["flag"]) == ("partial_swath", 2.0, 1)
    before = clean(harvest(noise=0.0), settings=PLAIN).points.iloc[400]
    assert row["yield_t_ha"] == pytest.approx(before["yield_t_ha"])


def test_land_cut_twice_counts_once() -> None:
    # Passes 4.5 m apart with a header of 6 m: each but the first cuts 4.5 m of new
    # land, yet its grain was made for 6 m by the log.
    table = harvest(spacing=4.5, noise=0.0)
    table.loc[50:, "flow_kg_s"] *= 0.75
    cleaned = clean(table, settings=PLAIN)
    inner = cleaned.points.iloc[403:440]
    np.testing.assert_allclose(inner["width_m"], 4.5, atol=0.05)
    assert set(inner["treatments"]) == {"overlap_width"}
    np.testing.assert_allclose(inner["yield_t_ha"], inner["raw_t_ha"] / 0.75, rtol=0.01)
    # At each start a row or two lie behind the line where the others turned.
    hectares = 0.02 * (6 + 15 * 4.5)
    assert field_mean(cleaned).area_ha == pytest.approx(hectares, rel=0.02)


def test_a_pass_over_land_cut_before_is_no_measurement() -> None:
    table = harvest()
    again = table.iloc[100:150].assign(flow_kg_s=0.1)
    again["time_s"] += 10_000
    cleaned = clean(pd.concat([table, again], ignore_index=True), settings=PLAIN)
    assert cleaned.points["reasons"].iloc[-50:].str.contains("overlap").all()
    assert cleaned.points["area_m2"].iloc[-40:-10].max() < 0.5


def test_mean_and_standard_deviation_judge_by_their_own_rule() -> None:
    table = harvest()
    table.loc[520, "flow_kg_s"] = 30.0
    cleaned = clean(table, settings=replace(PLAIN, method="sd"))
    assert reasons(cleaned, 520) == "local_outlier"


def test_yields_at_the_american_basis() -> None:
    table = harvest(moisture=20.0, noise=0.0)
    at_14 = clean(table, settings=PLAIN).points["yield_t_ha"]
    at_15 = clean(table, settings=replace(PLAIN, basis=15.5)).points["yield_t_ha"]
    np.testing.assert_allclose(at_15 / at_14, 86 / 84.5)


def test_the_reasons_add_up_to_all_points() -> None:
    table = harvest()
    table.loc[5, "moisture"] = np.nan
    table.loc[[60, 70], "flow_kg_s"] = -1
    told = reason_table(clean(table, settings=PLAIN)).set_index("code")
    assert told["first"].sum() == len(table)
    struck = told.loc[["good", "missing", "impossible"], "points"]
    assert struck.tolist() == [GOOD - 3, 1, 2]


def test_no_row_that_can_be_true_gives_no_mean() -> None:
    cleaned = clean(harvest().assign(flow_kg_s=-1.0))
    assert (cleaned.points["flag"] == 4).all()
    mean = field_mean(cleaned)
    assert (mean.status, mean.points) == (MeanStatus.NO_POINTS, 0)
    assert np.isnan([mean.mean, mean.grain_t]).all()


def test_bad_tables_are_refused() -> None:
    table = harvest(passes=1)
    with refused(NoPoints, match="no points"):
        clean(table.iloc[:0])
    with refused(MeasureMissing, match="no value at all for moisture"):
        clean(table.assign(moisture=np.nan))
    with refused(ColumnMissing, match="no column swath_m"):
        clean(table.drop(columns="swath_m"))
    with refused(ValueInvalid, match="limits go from low to high"):
        clean(table, settings=Settings(speed=(4.0, 1.0)))
    with refused(ValueInvalid, match="level 1.0"):
        field_mean(clean(table), level=1.0)


def test_passes_of_equal_area_have_the_error_of_a_mean_of_three() -> None:
    # 8, 9 and 10 t/ha: a deviation of 1 over the root of 3, Student's t with 2 degrees
    # of freedom 2.91999 at 95 %.
    table = harvest(passes=3)
    grown = 8.0 + np.arange(len(table)) // 50
    cleaned = clean(
        table.assign(flow_kg_s=grown * 2.0 * 6.0 / 10),
        settings=replace(PLAIN, radius=1),
    )
    mean = field_mean(cleaned, calibration_error=0.0)
    assert mean.mean == pytest.approx(9.0)
    assert mean.standard_error == pytest.approx(1 / np.sqrt(3))
    assert mean.upper == pytest.approx(9 + 2.91999 / np.sqrt(3), abs=1e-5)


def test_the_interval_is_of_passes_and_calibration() -> None:
    mean = field_mean(clean(harvest(), settings=PLAIN), calibration_error=0.0)
    grain = field_mean(clean(harvest(), settings=PLAIN), calibration_error=0.03)
    assert grain.standard_error == pytest.approx(
        np.hypot(mean.standard_error, 0.03 * mean.mean)
    )
    assert mean.lower < mean.mean < mean.upper


@given(seed=st.integers(0, 99), factor=st.sampled_from([0.5, 2.0, 0.25]))
@settings(max_examples=5)
def test_twice_the_flow_is_twice_the_yield(seed: int, factor: float) -> None:
    table = harvest(passes=8, length=100, seed=seed)
    more = table.assign(flow_kg_s=table["flow_kg_s"] * factor)
    one = clean(table, settings=replace(PLAIN, most=1000.0))
    other = clean(more, settings=replace(PLAIN, most=1000.0))
    assert one.points["reasons"].tolist() == other.points["reasons"].tolist()
    ratio = field_mean(other).mean / field_mean(one).mean
    assert ratio == pytest.approx(factor)


def test_every_reason_has_wording_in_both_languages() -> None:
    told = reason_table(clean(harvest(passes=1)))
    assert (told[told["kind"] == "reason"]["code"] == list(Reason)).all()
    assert told["chinese"].str.contains(r"[\u4e00-\u9fff]").all()
