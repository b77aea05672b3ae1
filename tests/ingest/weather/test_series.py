from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from shapely.geometry import Point, box

from ingest.weather.agera5 import Agera5
from ingest.weather.errors import WeatherUnknown
from ingest.weather.fao56 import vapour_at_dew_point
from ingest.weather.importing import Gap, bring_in, days_between, gap_lines
from ingest.weather.places import Places
from ingest.weather.power import PowerFiles
from ingest.weather.series import GridSeries, PointSeries
from ingest.weather.sources import series_of, sort_files
from ingest.weather.table import COLUMNS, Impossible, checked, tidy
from tests.ingest.weather.builders import (
    MAY_DAY,
    agera5_day,
    agera5_file,
    hours,
    new_store_file,
    power_answer,
    write_json,
)
from tests.ingest.wording import english

MAY_1, MAY_2, MAY_3 = (date(2026, 5, day) for day in (1, 2, 3))
INSIDE = box(124.0, 43.2, 124.3, 43.4)
ACROSS = box(124.0, 43.2, 125.0, 43.4)
PLACES = Places(("220322", "220184"), (INSIDE, ACROSS))


def row_of(frame: pd.DataFrame, place: str) -> dict[str, Any]:
    (row,) = frame[frame["place"] == place].to_dict("records")
    return {str(name): value for name, value in row.items()}


def test_a_tidy_row_of_a_county(tmp_path: Path) -> None:
    series = GridSeries(Agera5(agera5_day(tmp_path, MAY_1)), PLACES)
    frame = series.table(MAY_1)
    assert tuple(frame.columns) == COLUMNS
    row = row_of(frame, "220322")
    assert (row["day"], row["source"], row["simulated"]) == (
        pd.Timestamp("2026-05-01"),
        "AgERA5",
        False,
    )
    # FAO-56 table 2.3 (annex 2): 0.872 kPa at 5 degC, 2.338 at 20; equation 19.
    assert row["humidity"] == pytest.approx(100 * 0.8 / ((0.872 + 2.338) / 2), abs=0.05)
    assert (row["tmin"], row["precipitation"]) == pytest.approx((5.0, 1.5), abs=1e-3)


def test_a_county_not_covered_has_no_mean(tmp_path: Path) -> None:
    series = GridSeries(Agera5(agera5_day(tmp_path, MAY_1)), PLACES)
    # The grid ends at 124.35: 35 % of the county.
    assert list(series.uncovered()) == ["220184"]
    assert "35.0% of its area" in english(series.uncovered()["220184"])
    assert pd.isna(row_of(series.table(MAY_1), "220184")["tmin"])


def points(tmp_path: Path, *answers: dict[str, Any]) -> PowerFiles:
    files = [write_json(tmp_path / f"{i}.json", a) for i, a in enumerate(answers)]
    return PowerFiles(files)


def test_the_nearest_point_stands_for_a_place(tmp_path: Path) -> None:
    answers = points(
        tmp_path,
        power_answer((124.5, 43.5), T2M_MIN=1.0),
        power_answer((124.0, 43.0), T2M_MIN=2.0),
    )
    places = Places(("a", "b", "far"), (Point(124.4, 43.4), INSIDE, Point(126, 43)))
    series = PointSeries(answers, places)
    frame = series.table(MAY_1)
    # The middle of the county is 124.15 E 43.3 N.
    assert frame["tmin"].tolist()[:2] == [1.0, 2.0]
    assert list(series.uncovered()) == ["far"]
    assert frame.isna()["tmin"].tolist() == [False, False, True]
    english(series.uncovered()["far"])


def test_each_variable_has_its_own_nearest_point(tmp_path: Path) -> None:
    near = power_answer((124.1, 43.1), ALLSKY_SFC_SW_DWN=None)
    answers = points(tmp_path, near, power_answer((124.5, 43.5), T2M_MIN=1.0))
    row = row_of(
        PointSeries(answers, Places(("a",), (Point(124, 43),))).table(MAY_1), "a"
    )
    assert (row["tmin"], row["radiation"]) == (5.0, 20.0)


def frame_of(**changes: Any) -> pd.DataFrame:
    values = {
        "tmin": 5.0,
        "tmax": 20.0,
        "precipitation": 0.0,
        "radiation": 20.0,
        "wind": 3.0,
        "humidity": 50.0,
        **changes,
    }
    arrays = {name: np.array([value, 1.0])[:1] for name, value in values.items()}
    return tidy(arrays, places=["220322"], day=MAY_1, source="AgERA5")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"tmin": 21.0}, "tmin 21 > tmax 20"),
        ({"tmax": 60.5}, "tmax 60.5"),
        ({"tmin": -95.0}, "tmin -95"),
        ({"precipitation": -0.1}, "precipitation -0.1"),
        ({"radiation": 51.0}, "radiation 51"),
        ({"wind": -1.0}, "wind -1"),
        ({"humidity": 100.1}, "humidity 100.1"),
    ],
)
def test_impossible_rows_are_named(changes: dict[str, float], why: str) -> None:
    good, refused = checked(
        pd.concat([frame_of(**changes), frame_of()], ignore_index=True)
    )
    assert refused == [Impossible("220322", MAY_1, why)]
    assert good.index.tolist() == [1]


def test_missing_is_not_impossible() -> None:
    good, refused = checked(frame_of(tmin=np.nan, wind=np.nan))
    assert refused == []
    assert pd.isna(good["tmin"].item())


def test_a_wet_day_with_a_few_cold_hours_is_saturated() -> None:
    # Saturated air, 20 hours at 10 degC and 4 at 0: (20 x 1.228 + 4 x 0.611) / 24 kPa,
    # and (1.228 + 0.611) / 2 at the extremes, 122 %. 2 kPa cannot be.
    values = {
        "tmin": np.array([0.0, 0.0]),
        "tmax": np.array([10.0, 10.0]),
        "vapour": np.array([1.125, 2.0]),
    }
    frame = tidy(values, places=["a", "b"], day=MAY_1, source="s")
    assert frame["humidity"][0] == 100.0
    assert [row.place for row in checked(frame)[1]] == ["b"]


@pytest.mark.parametrize("dew", [-99.0, -237.3, -400.0, 41.0])
def test_an_impossible_dew_point_refuses_the_row(dew: float) -> None:
    values = {
        "tmin": np.array([5.0]),
        "tmax": np.array([15.0]),
        "vapour": vapour_at_dew_point([dew]),
    }
    frame = tidy(values, places=["a"], day=MAY_1, source="s")
    good, (refused,) = checked(frame)
    assert (refused.place, refused.day) == ("a", MAY_1)
    assert refused.why.startswith("dew point not within -80 to 40 degC")
    assert good.empty


@pytest.mark.parametrize(("vapour", "ok"), [(-0.01, False), (0.1, True), (8.1, False)])
def test_vapour_pressure_that_cannot_be(vapour: float, ok: bool) -> None:
    values = {
        "tmin": np.array([40.0]),
        "tmax": np.array([50.0]),
        "vapour": np.array([vapour]),
    }
    frame = tidy(values, places=["a"], day=MAY_1, source="s")
    assert (len(checked(frame)[0]) == 1) is ok


def test_an_impossible_cell_makes_the_mean_impossible(tmp_path: Path) -> None:
    name = "Dew_Point_Temperature_2m_Mean"
    cells = np.full((1, 3, 4), 280.0)
    cells[0, 1, 2] = 173.15
    given = {**MAY_DAY, name: cells}
    del given["Vapour_Pressure_Mean"]
    path = agera5_file(tmp_path / "a.nc", given, days=[MAY_1], units={name: "K"})
    shape = box(124.1, 43.25, 124.3, 43.35)
    series = GridSeries(Agera5([path]), Places(("a",), (shape,)))
    (refused,) = checked(series.table(MAY_1))[1]
    assert "dew point" in refused.why


def test_a_file_of_other_variables_is_unknown(tmp_path: Path) -> None:
    name = "Cloud_Cover_Mean"
    path = agera5_file(tmp_path / "d.nc", {name: 1.0}, days=[MAY_1], units={name: "1"})
    (fault,) = sort_files([path]).unknown
    assert isinstance(fault, WeatherUnknown)
    assert name in english(str(fault))


class Shelf:
    """A store of which only the count is of interest."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, date]] = []

    def put(self, rows: pd.DataFrame) -> int:
        keys = [
            (place, day.date())
            for place, day in zip(rows["place"], rows["day"], strict=True)
        ]
        new = [key for key in keys if key not in self.rows]
        self.rows += new
        return len(new)


def test_what_an_import_tells(tmp_path: Path) -> None:
    agera5_day(tmp_path / "1", MAY_1)
    agera5_day(tmp_path / "3", MAY_3, Solar_Radiation_Flux=np.nan)
    found = sort_files([tmp_path]).files
    series = series_of(
        "agera5", found["agera5"], Places(("a",), (INSIDE,)), complete=0.99
    )
    shelf, seen = Shelf(), []
    days = days_between(MAY_1, MAY_3)
    account = bring_in(
        series, days, shelf.put, progress=lambda *step: seen.append(step)
    )
    assert (account.new, account.known) == (2, 0)
    assert account.gaps == [Gap("a", MAY_2, ()), Gap("a", MAY_3, ("radiation",))]
    assert shelf.rows == [("a", MAY_1), ("a", MAY_3)]
    assert seen == [(1, 3), (2, 3), (3, 3)]
    again = bring_in(series, days, shelf.put)
    assert (again.new, again.known) == (0, 2)


def test_an_impossible_row_is_a_gap(tmp_path: Path) -> None:
    files = agera5_day(tmp_path, MAY_1, Precipitation_Flux=-3.0)
    series = GridSeries(Agera5(files), Places(("a",), (INSIDE,)))
    account = bring_in(series, [MAY_1], Shelf().put)
    assert [row.why for row in account.impossible] == ["precipitation -3"]
    assert account.gaps == [Gap("a", MAY_1, ())]


def test_variables_that_no_file_has_are_no_gaps_unless_wanted(tmp_path: Path) -> None:
    path = agera5_file(tmp_path / "a.nc", {"Precipitation_Flux": 1.0}, days=[MAY_1])
    series = GridSeries(Agera5([path]), Places(("a",), (INSIDE,)))
    assert bring_in(series, [MAY_1], Shelf().put).gaps == []
    account = bring_in(series, [MAY_1], Shelf().put, wanted=["tmin", "precipitation"])
    assert account.gaps == [Gap("a", MAY_1, ("tmin",))]


def test_months_are_stored_as_they_come(tmp_path: Path) -> None:
    days = days_between(date(2026, 1, 1), date(2026, 3, 5))
    path = agera5_file(tmp_path / "a.nc", {"Precipitation_Flux": 1.0}, days=days)
    batches: list[int] = []

    def put(rows: pd.DataFrame) -> int:
        batches.append(len(rows))
        return len(rows)

    bring_in(GridSeries(Agera5([path]), Places(("a",), (INSIDE,))), days, put)
    assert batches == [31, 31, 2]


def test_neighbouring_gaps_are_one_line() -> None:
    gaps = [Gap("b", MAY_1, ()), Gap("a", MAY_2, ("wind",)), Gap("a", MAY_1, ("wind",))]
    gaps += [Gap("a", MAY_3, ()), Gap("a", date(2026, 5, 5), ())]
    assert gap_lines(gaps) == [
        "a 2026-05-01 to 2026-05-02: wind",
        "a 2026-05-03: nothing there · 无数据",
        "a 2026-05-05: nothing there · 无数据",
        "b 2026-05-01: nothing there · 无数据",
    ]


def test_no_gaps_are_no_lines() -> None:
    assert gap_lines([]) == []


def test_files_are_told_apart_by_what_is_in_them(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    folder = tmp_path / "deep" / "er"
    agera5 = agera5_day(folder, MAY_1)
    era5 = new_store_file(
        tmp_path / "x.nc",
        {"t2m": 280.0},
        moments=hours(datetime(2026, 5, 1, tzinfo=UTC), 2),
    )
    power = write_json(tmp_path / "p.json", power_answer())
    (tmp_path / "read.me").write_text("not weather")
    (tmp_path / "b.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    (tmp_path / "c.nc").write_bytes(b"junk")
    name = "Cloud_Cover_Mean"
    cloud = agera5_file(tmp_path / "d.nc", {name: 1.0}, days=[MAY_1], units={name: "1"})
    found = sort_files([tmp_path, era5, tmp_path / "gone"])
    assert found.files == {
        "agera5": sorted(agera5),
        "era5-land": [era5],
        "power": [power],
    }
    assert [str(fault.path) for fault in found.faults] == [
        str(tmp_path / name) for name in ("b.zip", "c.nc", "gone")
    ]
    assert [fault.path for fault in found.unknown] == [cloud]
    for fault in (*found.faults, *found.unknown):
        english(str(fault))
