from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.weather.derived import (
    DegreeDayMethod,
    FrostDates,
    frost_dates,
    growing_degree_days,
    reference_evapotranspiration,
)
from ingest.weather.errors import SeriesUnusable
from ingest.weather.fao56 import (
    mean_saturation_pressure,
    relative_humidity,
    saturation_pressure,
    wind_at_2m,
)
from tests.ingest.wording import english

NAN = float("nan")


@pytest.mark.parametrize(
    ("tmin", "tmax", "method", "expected"),
    [
        # By hand, base 10, upper 30.
        (12.0, 24.0, "mcmaster-wilhelm-1", 8.0),
        (12.0, 24.0, "mcmaster-wilhelm-2", 8.0),
        # A cold night: the mean is 11, or 16 once the night is brought up to 10.
        (0.0, 22.0, "mcmaster-wilhelm-1", 1.0),
        (0.0, 22.0, "mcmaster-wilhelm-2", 6.0),
        # A cold day.
        (-4.0, 8.0, "mcmaster-wilhelm-1", 0.0),
        (-4.0, 8.0, "mcmaster-wilhelm-2", 0.0),
        # A hot day: the mean 29 stays, the maximum 36 becomes 30.
        (22.0, 36.0, "mcmaster-wilhelm-1", 19.0),
        (22.0, 36.0, "mcmaster-wilhelm-2", 16.0),
        (NAN, 20.0, "mcmaster-wilhelm-2", NAN),
    ],
)
def test_degree_days(
    tmin: float, tmax: float, method: DegreeDayMethod, expected: float
) -> None:
    found = growing_degree_days([tmin], [tmax], base=10, upper=30, method=method)
    assert found == pytest.approx([expected], nan_ok=True)


def test_the_plain_mean_is_negative_on_cold_days() -> None:
    found = growing_degree_days([-4.0, 12.0], [8.0, 24.0], base=10, method="mean")
    assert found.tolist() == [-8.0, 8.0]


@given(st.floats(-30, 40), st.floats(0, 25))
def test_the_second_method_never_gives_less(tmin: float, spread: float) -> None:
    # Without an upper limit: raising the night can only raise the mean.
    day = {"tmin": [tmin], "tmax": [tmin + spread], "base": 10.0}
    first = growing_degree_days(**day, method="mcmaster-wilhelm-1")  # type: ignore[arg-type]
    second = growing_degree_days(**day, method="mcmaster-wilhelm-2")  # type: ignore[arg-type]
    assert (second >= first - 1e-9).all()


@pytest.mark.parametrize(
    ("upper", "method"), [(10.0, "mcmaster-wilhelm-1"), (30.0, "mean")]
)
def test_limits_that_make_no_sense(upper: float, method: DegreeDayMethod) -> None:
    with pytest.raises(SeriesUnusable) as caught:
        growing_degree_days([1.0], [2.0], base=10, upper=upper, method=method)
    english(str(caught.value))


def year_of(**cold: float) -> pd.Series:
    """A year at 10 degC but for some days, named as May_9."""
    days = pd.date_range("2026-01-01", "2026-12-31")
    tmin = pd.Series(10.0, index=days)
    for name, value in cold.items():
        day = pd.to_datetime(f"2026 {name}", format="%Y %b_%d")
        tmin[f"{day:%Y-%m-%d}"] = value
    return tmin


def test_frost_dates() -> None:
    tmin = year_of(Apr_20=-3.0, May_9=0.0, May_12=0.1, Sep_24=-0.5, Oct_3=-4.0)
    assert frost_dates(tmin, year=2026, threshold=0.0) == FrostDates(
        date(2026, 5, 9), date(2026, 9, 24), 0, 0
    )


def test_frost_at_another_threshold() -> None:
    tmin = year_of(May_9=0.0, May_12=1.9, Sep_20=2.0)
    found = frost_dates(tmin, year=2026, threshold=2.0)
    assert (found.last_spring, found.first_autumn) == (
        date(2026, 5, 12),
        date(2026, 9, 20),
    )


def test_days_not_known_make_a_frost_date_unsure() -> None:
    tmin = year_of(May_9=-1.0, Apr_1=NAN, May_20=NAN, Jun_1=NAN, Sep_24=-1.0)
    tmin = tmin.drop(pd.Timestamp("2026-08-03"))
    found = frost_dates(tmin, year=2026, threshold=0.0)
    assert (found.spring_gaps, found.autumn_gaps) == (2, 1)


def test_a_year_without_frost() -> None:
    assert frost_dates(year_of(), year=2026, threshold=0.0) == FrostDates(
        None, None, 0, 0
    )


def test_a_year_of_which_nothing_is_known() -> None:
    # 181 days to the end of June, 184 after.
    assert frost_dates(year_of(), year=2025, threshold=0.0) == FrostDates(
        None, None, 181, 184
    )


def test_a_day_twice_has_no_frost_date() -> None:
    tmin = year_of()
    with pytest.raises(SeriesUnusable) as caught:
        frost_dates(pd.concat([tmin, tmin[:1]]), year=2026, threshold=0.0)
    assert "2026-01-01" in english(str(caught.value))


# FAO-56 example 18: Uccle (Brussels), 50.80 N, 100 m, 6 July. Wind 10 km/h at 10 m;
# radiation 22.07 MJ/m2 of 9.25 hours of sunshine; vapour pressure 1.409 kPa of relative
# humidities of 84 and 63 %. Published: u2 2.078, es 1.997, ET0 3.88, said as 3.9.
BRUSSELS = pd.DataFrame(
    {
        "tmin": 12.3,
        "tmax": 21.5,
        "radiation": 22.07,
        "wind": 2.078,
        "humidity": 100 * 1.409 / 1.997,
    },
    index=pd.DatetimeIndex(["2026-07-06"]),
)


def test_example_18_of_fao_56() -> None:
    et0 = reference_evapotranspiration(BRUSSELS, elevation=100, latitude=50.8)
    assert et0.tolist() == pytest.approx([3.88], abs=0.01)


def test_example_18_from_its_own_measurements() -> None:
    wind = wind_at_2m(10 / 3.6, height=10)
    vapour = (saturation_pressure(12.3) * 0.84 + saturation_pressure(21.5) * 0.63) / 2
    assert float(wind) == pytest.approx(2.078, abs=1e-3)
    assert float(mean_saturation_pressure(12.3, 21.5)) == pytest.approx(1.997, abs=1e-3)
    assert float(vapour) == pytest.approx(1.409, abs=1e-3)
    humidity = relative_humidity(vapour, tmin=12.3, tmax=21.5)
    et0 = reference_evapotranspiration(
        BRUSSELS.assign(wind=float(wind), humidity=float(humidity)),
        elevation=100,
        latitude=50.8,
    )
    assert et0.tolist() == pytest.approx([3.88], abs=0.01)


def test_saturation_pressure_of_example_3() -> None:
    # FAO-56 example 3: 24.5 and 15 degC.
    found = saturation_pressure([24.5, 15.0])
    assert found == pytest.approx(np.array([3.075, 1.705]), abs=2e-3)


@pytest.mark.parametrize("name", ["wind", "humidity", "radiation", "tmin"])
def test_nothing_is_put_in_for_what_is_missing(name: str) -> None:
    days = pd.date_range("2026-07-06", periods=2)
    table = pd.concat([BRUSSELS, BRUSSELS]).set_axis(days)
    table.loc[days[0], name] = NAN
    et0 = reference_evapotranspiration(table, elevation=100, latitude=50.8)
    assert et0.isna().tolist() == [True, False]
    none = table.assign(**{name: NAN})
    nothing = reference_evapotranspiration(none, elevation=100, latitude=50.8)
    assert nothing.isna().all()


def test_a_column_that_is_not_there() -> None:
    with pytest.raises(SeriesUnusable) as caught:
        reference_evapotranspiration(
            BRUSSELS.drop(columns="humidity"), elevation=100, latitude=50.8
        )
    assert "humidity" in english(str(caught.value))


def test_radiation_in_joules() -> None:
    with pytest.raises(SeriesUnusable) as caught:
        reference_evapotranspiration(
            BRUSSELS.assign(radiation=22.07e6), elevation=100, latitude=50.8
        )
    english(str(caught.value))
