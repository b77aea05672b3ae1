"""What a reader of a table's numbers must be told."""

import numpy as np
import pytest

from models.county import doubts
from models.county.doubts import former_names
from tests.models.county.tables import read, season_table


def words(*reasons: object) -> str:
    return "\n".join(map(str, reasons))


def test_an_honest_table_raises_no_doubt() -> None:
    assert doubts(read(season_table())) == ()


@pytest.mark.parametrize("name", ["tonnes", "crop_m10"])
def test_a_feature_that_repeats_the_target_is_called_a_leak(name: str) -> None:
    frame = season_table()
    frame[name] = 67.25 * frame["yield"].round(1)
    frame["crop_m09"] = 1.0 * (frame["year"] % 3)
    found = words(*doubts(read(frame)))
    assert "LEAK" in found
    assert "泄漏" in found
    assert name.split("_")[0] in found


def test_the_yield_of_last_year_is_no_leak() -> None:
    frame = season_table()
    frame["last"] = frame.groupby("county")["yield"].shift()
    assert "LEAK" not in words(*doubts(read(frame)))


def test_two_units_are_told_with_a_region() -> None:
    frame = season_table()
    wrong = (frame["county"] == "00004") & (frame["year"] > 2006)
    frame.loc[wrong, "yield"] /= 14.87
    assert "1 regions, 00004 first" in words(*doubts(read(frame)))


def test_text_and_infinity_among_numbers_are_told() -> None:
    frame = season_table().astype({"rain_m05": object})
    frame.loc[3, "rain_m05"] = "(D)"
    frame.loc[4, "soil"] = np.inf
    found = words(*doubts(read(frame)))
    assert "rain_m05 holds '(D)' where a number belongs, 1 such rows" in found
    assert "soil holds inf" in found


def test_a_name_that_begins_where_another_ends_may_be_the_same_region() -> None:
    frame = season_table()
    new = (frame["county"] == "00007") & (frame["year"] > 2009)
    frame.loc[new, "county"] = "90007"
    table = read(frame)
    names = dict(zip(table.regions, former_names(table), strict=True))
    assert names["90007"] == "00007"
    assert sum(map(bool, names.values())) == 1
    assert "00007 → 90007" in words(*doubts(table))


def test_of_several_that_end_the_one_with_its_traits_is_meant() -> None:
    frame = season_table()
    late = frame["year"] > 2009
    frame = frame[~(late & frame["county"].isin(["00002", "00003"]))]
    frame.loc[late & (frame["county"] == "00007"), "county"] = "x"
    table = read(frame)
    assert former_names(table)[table.regions.index("x")] == "00007"


def test_a_target_that_never_changes_is_told() -> None:
    frame = season_table().assign(**{"yield": 7.0})
    assert "CONSTANT" in words(*doubts(read(frame)))
