"""Any table as arrays: what its columns are taken for, what is refused."""

import numpy as np
import pandas as pd
import pytest

from models.county import read_table
from models.errors import ColumnMissing, RowsDuplicated, ValueInvalid
from tests.models.county.tables import read, season_table


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "county": ["01001", "01001", "01003", "01003"],
            "year": [2001, 2003, 2001, 2003],
            "yield": [1.0, 2.0, 3.0, np.nan],
            "rain_m05": [10.0, 20.0, 30.0, 40.0],
            "rain_m04": [1.0, 2.0, 3.0, 4.0],
            "sown": [100.0, 110.0, 105.0, 105.0],
            "soil": [5.0, 5.0, 7.0, 7.0],
            "state": ["A", "A", "B", "B"],
            "note": ["x", "y", "z", "u"],
            "same": [1, 1, 1, 1],
        }
    )


def test_columns_are_series_scalars_traits_or_ignored(frame: pd.DataFrame) -> None:
    table = read(frame)
    assert [one.name for one in table.series] == ["rain"]
    assert table.series[0].days.tolist() == [120, 151]
    assert table.scalar_names == ("sown",)
    assert table.trait_names == ("soil", "state=A", "state=B")
    assert table.ignored == ("note", "same")
    assert table.traits.tolist() == [[5, 1, 0], [7, 0, 1]]


def test_a_year_and_a_target_that_are_not_there_are_nan(frame: pd.DataFrame) -> None:
    table = read(frame)
    assert table.years.tolist() == [2001, 2002, 2003]
    assert table.regions == ("01001", "01003")
    np.testing.assert_array_equal(table.target, [[1, 3], [np.nan] * 2, [2, np.nan]])
    assert table.present.tolist() == [[True, True], [False, False], [True, True]]


def test_the_order_of_rows_and_columns_changes_nothing() -> None:
    frame = season_table(years=4, regions=3)
    other = read(frame.sample(frac=1, random_state=3)[frame.columns[::-1]])
    table = read(frame)
    np.testing.assert_array_equal(other.target, table.target)
    np.testing.assert_array_equal(other.series[0].values, table.series[0].values)
    np.testing.assert_allclose(other.traits, table.traits, rtol=1e-14)


def test_infinite_features_are_unknown(frame: pd.DataFrame) -> None:
    table = read(frame.assign(rain_m05=[np.inf, 1.0, 2.0, 3.0]))
    assert np.isnan(table.series[0].values[0, 0, 1])


def test_two_rows_of_one_region_and_year_are_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(RowsDuplicated, match="region 01001, year 2001"):
        read(frame.assign(year=[2001, 2001, 2001, 2003]))


@pytest.mark.parametrize("target", [["1", "(D)", "3", ""], [1, np.inf, 3, 4]])
def test_a_target_that_is_no_number_is_refused(
    frame: pd.DataFrame, target: list[object]
) -> None:
    with pytest.raises(ValueInvalid, match="the column yield holds"):
        read(frame.assign(**{"yield": pd.Series(target)}))


@pytest.mark.parametrize("years", [[2001.5, 2002, 2003, 2004], ["2001/02"] * 4])
def test_years_that_are_not_whole_are_refused(
    frame: pd.DataFrame, years: list[object]
) -> None:
    with pytest.raises(ValueInvalid, match="whole years"):
        read(frame.assign(year=pd.Series(years)))


def test_a_target_in_two_units_is_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(ValueInvalid, match="BU / ACRE, T / HA"):
        read(frame.assign(unit_desc=["BU / ACRE", "T / HA", "BU / ACRE", "T / HA"]))


def test_a_missing_column_is_named(frame: pd.DataFrame) -> None:
    with pytest.raises(ColumnMissing, match="no column fips"):
        read_table(frame, region="fips", year="year", target="yield")


def test_a_single_moment_is_a_series_where_it_changes(frame: pd.DataFrame) -> None:
    table = read(frame.assign(sun_d180=[1.0, 2.0, 3.0, 4.0], soil_d50=frame["soil"]))
    assert [one.name for one in table.series] == ["rain", "sun"]
    assert table.series[1].days.tolist() == [180]
    assert "soil_d50" in table.trait_names


def test_months_without_a_zero_are_cut_like_the_others() -> None:
    plain = season_table()
    short = plain.rename(columns={f"rain_m0{k}": f"rain_m{k}" for k in range(4, 8)})
    assert read(short).series[0].days.tolist() == [120, 151, 181, 212]
