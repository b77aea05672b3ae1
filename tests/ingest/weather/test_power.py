from datetime import date
from math import isnan
from pathlib import Path
from typing import Any

import pytest

from ingest.weather.errors import (
    HeldTwice,
    UnitUnknown,
    WeatherError,
    WeatherUnreadable,
)
from ingest.weather.power import PowerFiles, parse
from tests.ingest.weather.builders import (
    POWER_UNITS,
    power_answer,
    power_feature,
    write_json,
)
from tests.ingest.wording import english

MAY_1, MAY_2 = date(2026, 5, 1), date(2026, 5, 2)
HERE = (124.25, 43.25)


def only(answer: dict[str, Any]) -> dict[str, float]:
    """Numbers of the only point and day of an answer."""
    import json

    (series,) = parse(json.dumps(answer), path="a.json").points.values()
    return {name: numbers[MAY_1] for name, numbers in series.items()}


def test_a_point_in_our_units() -> None:
    # FAO-56 equation 14: e0(3.5 degC) = 0.785 kPa.
    assert only(power_answer()) == pytest.approx(
        {
            "tmin": 5.0,
            "tmax": 20.0,
            "precipitation": 1.5,
            "radiation": 20.0,
            "wind": 3.0,
            "vapour": 0.785,
        },
        abs=1e-3,
    )


def test_radiation_in_kilowatt_hours() -> None:
    answer = power_answer(
        ALLSKY_SFC_SW_DWN=5.0, units={"ALLSKY_SFC_SW_DWN": "kW-hr/m^2/day"}
    )
    assert only(answer)["radiation"] == pytest.approx(18.0)


def test_wind_at_10_m_is_brought_to_2_m() -> None:
    wind = only(power_answer(WS2M=None, WS10M=3.2))["wind"]
    # FAO-56 example 14: 3.2 m/s at 10 m are 2.4 m/s at 2 m.
    assert wind == pytest.approx(2.4, abs=0.05)


def test_wind_at_2_m_counts_where_both_are_there() -> None:
    assert only(power_answer(WS10M=9.0))["wind"] == 3.0


def test_relative_humidity_as_it_is() -> None:
    assert only(power_answer(T2MDEW=None, RH2M=61.5))["humidity"] == 61.5


@pytest.mark.parametrize("fill", [-999.0, -99.0])
def test_the_fill_value_of_the_header_is_missing(fill: float) -> None:
    values = only(power_answer(fill=fill, T2M_MIN=fill, PRECTOTCORR=-50.0))
    assert isnan(values["tmin"])
    assert values["precipitation"] == -50.0


def test_a_region_of_points(tmp_path: Path) -> None:
    answer = power_answer()
    points = [(124.0, 43.0), (124.625, 43.5)]
    answer["features"] = [
        power_feature(point, {"T2M_MIN": {"20260501": 4.0 + i}})
        for i, point in enumerate(points)
    ]
    answer |= {"type": "FeatureCollection", "parameters": {"T2M_MIN": {"units": "C"}}}
    read = PowerFiles([write_json(tmp_path / "a.json", answer)])
    assert read.points == {
        points[0]: {"tmin": {MAY_1: 4.0}},
        points[1]: {"tmin": {MAY_1: 5.0}},
    }


def test_answers_of_a_parameter_each_are_joined(tmp_path: Path) -> None:
    nothing: dict[str, Any] = dict.fromkeys(POWER_UNITS)
    files = [
        write_json(tmp_path / f"{name}.json", power_answer(**{**nothing, name: value}))
        for name, value in (("T2M_MIN", 5.0), ("T2M_MAX", 20.0))
    ]
    read = PowerFiles(files)
    assert read.variables() == {"tmin", "tmax"}
    assert read.files() == 2


def test_overlapping_answers_that_agree(tmp_path: Path) -> None:
    first = power_answer(
        days=["20260501", "20260502"], T2M_MIN={"20260501": 5.0, "20260502": -999.0}
    )
    second = power_answer(days=["20260502"])
    read = PowerFiles(
        [
            write_json(tmp_path / "a.json", first),
            write_json(tmp_path / "b.json", second),
        ]
    )
    assert read.faults == []
    assert read.points[HERE]["tmin"] == {MAY_1: 5.0, MAY_2: 5.0}


def test_a_later_gap_does_not_erase(tmp_path: Path) -> None:
    answers = [power_answer(), power_answer(T2M_MIN=-999.0)]
    files = [write_json(tmp_path / f"{i}.json", a) for i, a in enumerate(answers)]
    assert PowerFiles(files).points[HERE]["tmin"] == {MAY_1: 5.0}


def test_the_time_standard_is_part_of_the_source(tmp_path: Path) -> None:
    file = write_json(tmp_path / "a.json", power_answer(standard="UTC"))
    assert PowerFiles([file]).source == "NASA POWER (UTC)"


def fault_of(tmp_path: Path, *answers: dict[str, Any]) -> WeatherError:
    files = [write_json(tmp_path / f"{i}.json", a) for i, a in enumerate(answers)]
    (fault,) = PowerFiles(files).faults
    assert fault.path == files[-1]
    assert files[-1].name in english(str(fault))
    return fault


def test_answers_that_contradict(tmp_path: Path) -> None:
    fault = fault_of(tmp_path, power_answer(), power_answer(T2M_MAX=21.0))
    assert isinstance(fault, HeldTwice)


def test_two_time_standards(tmp_path: Path) -> None:
    fault = fault_of(tmp_path, power_answer(), power_answer(standard="UTC"))
    assert "UTC" in str(fault)


def test_unknown_unit(tmp_path: Path) -> None:
    fault = fault_of(tmp_path, power_answer(units={"T2M_MAX": "F"}))
    assert isinstance(fault, UnitUnknown)


def test_a_parameter_without_a_unit(tmp_path: Path) -> None:
    answer = power_answer()
    del answer["parameters"]["WS2M"]
    assert isinstance(fault_of(tmp_path, answer), UnitUnknown)


def without(key: str) -> dict[str, Any]:
    answer = power_answer()
    del answer["header"][key]
    return answer


@pytest.mark.parametrize(
    "answer",
    [
        without("fill_value"),
        power_answer(T2M_MIN={"2026050112": 5.0}),
        power_answer(T2M_MIN={"202613": 5.0}),
        power_answer(T2M_MIN={"20260532": 5.0}),
        {"messages": ["Please provide a start date."]},
        ["no", "object"],
    ],
)
def test_what_is_no_daily_answer(tmp_path: Path, answer: Any) -> None:
    assert isinstance(fault_of(tmp_path, answer), WeatherUnreadable)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_cut_answer(tmp_path: Path, share: float) -> None:
    file = write_json(tmp_path / "a.json", power_answer())
    text = file.read_bytes()
    file.write_bytes(text[: int(len(text) * share)])
    (fault,) = PowerFiles([file]).faults
    assert isinstance(fault, WeatherUnreadable)
    english(str(fault))


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    (fault,) = PowerFiles([tmp_path / "gone.json"]).faults
    english(str(fault))
