"""Tables that no statistician would sign, through the command."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from api import evaluate_workers
from api.cli import app
from models.errors import ValueInvalid
from tests.models.county.tables import season_table

BARE = ["county", "year", "yield"]
Told = tuple[dict[str, Any], pd.DataFrame]
Run = Callable[..., Told]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Evaluate 2012 of a table in this process; return the object and the rows."""
    monkeypatch.setattr(evaluate_workers, "cores", lambda: 1)

    def evaluated(frame: pd.DataFrame, *words: str) -> Told:
        frame.to_csv(tmp_path / "table.csv", index=False)
        asked = [str(tmp_path / "table.csv"), "--from", "2012", "--json"]
        out = tmp_path / "out"
        result = CliRunner().invoke(
            app, ["evaluate", *asked, "--out", str(out), *words]
        )
        if isinstance(result.exception, Exception):
            raise result.exception
        rows = pd.read_csv(out / "estimates.csv", dtype={"region": str})
        return json.loads(result.stdout.splitlines()[-1]), rows.set_index("region")

    return evaluated


def seasonal(frame: pd.DataFrame) -> list[str]:
    return [str(name) for name in frame if str(name).startswith("rain")]


def test_two_years_of_history_are_a_status_and_a_reason(run: Run) -> None:
    frame = season_table()[BARE]
    short = (frame["county"] == "00001") & (frame["year"] < 2010)
    found, rows = run(frame[~short])
    assert rows.loc["00001", "status"] == "missing"
    assert "2 of the 5 years" in rows["reason"]["00001"]
    assert found["statuses"] == {"level": 11, "missing": 1}


def test_a_renamed_region_is_told_its_former_name(run: Run) -> None:
    frame = season_table()[BARE]
    new = (frame["county"] == "00007") & (frame["year"] > 2009)
    frame.loc[new, "county"] = "90007"
    found, rows = run(frame)
    assert "00007 ends where this begins" in rows["reason"]["90007"]
    assert "00007 → 90007" in "".join(found["warnings"])


def test_two_units_get_no_number(run: Run) -> None:
    frame = season_table()[BARE]
    frame.loc[(frame["county"] == "00004") & (frame["year"] > 2006), "yield"] /= 14.87
    found, rows = run(frame)
    assert rows.loc["00004", "status"] == "missing"
    assert "one unit to another" in rows["reason"]["00004"]
    assert np.isnan(rows["value"]["00004"])
    assert "TWO UNITS" in "".join(found["warnings"])
    assert found["n"] == 11


def test_a_column_without_a_value_is_ignored_and_listed(run: Run) -> None:
    found, _ = run(season_table()[BARE].assign(ndvi=np.nan, soc_w01=np.nan))
    assert found["columns"]["ignored"] == ["ndvi", "soc_w01"]


def test_a_feature_that_begins_late_costs_the_others_nothing(run: Run) -> None:
    frame = season_table(regions=8)
    late = frame["yield"].where(frame["year"] > 2009) * 0 + frame["year"] % 2
    found, rows = run(frame.assign(gauge=late), "--lead", "212")
    assert set(rows["status"]) <= {"estimated", "extrapolated"}
    assert rows["reason"].str.contains("without gauge").all()
    assert found["rmse"] < found["rmse_trend"]


def test_weeks_lost_here_and_there_are_told(run: Run) -> None:
    frame = season_table(regions=8)
    days = pd.DataFrame(
        {f"sun_w{week:02d}": frame["rain_m05"] + 0.1 * week for week in range(14, 30)}
    )
    gaps = np.random.default_rng(1).random(days.shape) < 0.05
    frame = pd.concat([frame[BARE], days.mask(gaps)], axis=1)
    found, rows = run(frame, "--lead", "203")
    assert (rows["status"] == "estimated").sum() >= 6
    assert rows["reason"].str.contains("normal stands in").any()
    assert found["rmse"] < found["rmse_trend"]


def test_text_among_numbers_is_told(run: Run) -> None:
    frame = season_table()[BARE].assign(area=1.0).astype({"area": object})
    frame.loc[3, "area"] = "(D)"
    found, _ = run(frame)
    assert "area holds '(D)' where a number belongs, 1 such" in found["warnings"][0]


def test_a_feature_that_repeats_the_target_is_a_loud_warning(run: Run) -> None:
    frame = season_table(regions=6)
    frame = frame[BARE].assign(tonnes=67.25 * frame["yield"])
    found, _ = run(frame)
    assert "LEAK: tonnes" in found["warnings"][0]


def test_a_wild_season_is_flagged_and_held(run: Run) -> None:
    frame = season_table(regions=8)
    wild = frame["year"] == 2012
    frame.loc[wild, seasonal(frame)] += 1e4
    _, rows = run(frame, "--lead", "212")
    assert set(rows["status"]) == {"extrapolated"}
    # Yields were 35 to 65: no thousand bushels from an error of units.
    assert rows["value"].between(0, 130).all()


def test_a_gap_of_years_is_no_obstacle(run: Run) -> None:
    frame = season_table()[BARE]
    found, _ = run(frame[~frame["year"].isin([2005, 2006])])
    assert found["n"] == 12


@pytest.mark.parametrize("kind", [float, str])
def test_years_as_text_or_with_a_point_are_years(
    run: Run, tmp_path: Path, kind: type
) -> None:
    frame = season_table()[BARE].astype({"year": float}).astype({"year": kind})
    frame.to_parquet(tmp_path / "text.parquet")
    asked = ["evaluate", str(tmp_path / "text.parquet"), "--from", "2012", "--json"]
    result = CliRunner().invoke(app, asked)
    assert json.loads(result.stdout.splitlines()[-1])["years"] == [2012]


@pytest.mark.parametrize(
    "years", [pd.to_datetime(["2001-01-01"] * 144), np.arange(144) * 1000 + 17001]
)
def test_dates_and_codes_are_no_years(run: Run, tmp_path: Path, years: Any) -> None:
    path = tmp_path / "codes.parquet"
    season_table()[BARE].assign(year=years).to_parquet(path)
    result = CliRunner().invoke(app, ["evaluate", str(path)])
    assert isinstance(result.exception, ValueInvalid)
    assert "whole years" in str(result.exception)


@pytest.mark.parametrize(
    ("words", "code"),
    [(["--protocol", "crystal-ball"], 2), (["--interval", "90"], 1)],
)
def test_wishes_out_of_range_are_refused(
    tmp_path: Path, words: list[str], code: int
) -> None:
    path = tmp_path / "table.csv"
    season_table()[BARE].to_csv(path, index=False)
    result = CliRunner().invoke(app, ["evaluate", str(path), *words])
    assert result.exit_code == code


def test_all_regions_changing_their_unit_get_no_number(run: Run) -> None:
    frame = season_table()
    frame.loc[frame["year"] > 2008, "yield"] *= 15.93
    found, rows = run(frame)
    assert set(rows["status"]) == {"missing"}
    assert rows["reason"].str.contains("one unit to another").all()
    assert "TWO UNITS" in " ".join(found["warnings"])


def test_jin_after_kilograms_get_no_number(run: Run) -> None:
    frame = season_table()[BARE]
    new = (frame["county"] == "00003") & (frame["year"] > 2007)
    frame.loc[new, "yield"] *= 2
    found, rows = run(frame)
    assert found["statuses"] == {"level": 11, "missing": 1}
    assert "one unit to another" in rows["reason"]["00003"]


def test_a_value_tested_in_another_unit_is_not_compared(run: Run) -> None:
    frame = season_table()
    whole, _ = run(frame)
    frame.loc[(frame["county"] == "00003") & (frame["year"] == 2012), "yield"] *= 1000
    found, rows = run(frame)
    assert found["n"] == whole["n"] - 1
    assert found["rmse"] == pytest.approx(whole["rmse"], rel=0.2)
    assert rows.loc[rows.index == "00003", "observed"].isna().all()
    assert "TWO UNITS" in " ".join(found["warnings"])


def test_a_target_below_zero_is_compared_like_any(run: Run) -> None:
    frame = season_table()
    plain, _ = run(frame)
    frame["yield"] -= 50
    found, _ = run(frame)
    assert found["n"] == plain["n"] == 12
    assert found["rmse_trend"] == pytest.approx(plain["rmse_trend"])


def test_a_saved_row_number_is_no_feature(run: Run) -> None:
    frame = season_table()
    frame.insert(0, "Unnamed: 0", np.arange(len(frame)))
    found, _ = run(frame)
    assert found["columns"]["scalars"] == []
