import math
from typing import Any

import pytest

from models import FEATURES, reasons
from models.lead import SEASON_TO_DATE
from models.reasons import (
    FEATURES_ZH,
    IMPURE,
    UNCLEAR,
    Reason,
    both,
    commonest_gaps,
    extrapolation,
    feature_gap,
    few_seasons,
    few_years,
    trend_alone,
)
from tests.models.messages import in_both_languages

CONSTANTS = [value for value in vars(reasons).values() if isinstance(value, Reason)]
NO_VALUE = feature_gap(dict.fromkeys(FEATURES, math.nan), FEATURES)
MADE = [
    few_years(4, needed=5),
    few_seasons(IMPURE, known=0, years=10, needed=5),
    trend_alone(UNCLEAR),
    NO_VALUE,
    extrapolation(FEATURES, lead=None),
    extrapolation([], lead=4),
    extrapolation(FEATURES, lead=4),
    both(trend_alone(few_seasons(IMPURE, known=0, years=10, needed=5)), NO_VALUE),
]


@pytest.mark.parametrize("reason", [*CONSTANTS, *MADE], ids=str)
def test_every_reason_is_in_both_languages(reason: Reason) -> None:
    assert in_both_languages(str(reason))
    assert reason.zh.isprintable()


def test_every_feature_has_a_chinese_word() -> None:
    assert {*FEATURES_ZH} == {*FEATURES, *SEASON_TO_DATE}
    assert str(extrapolation(["eos", "precipitation_may_jun"], lead=None)) == (
        "extrapolated: eos, precipitation_may_jun outside the range of the history"
        " · 外推：末期、5–6月降水超出历史范围"
    )


def test_nothing_beyond_the_history_is_no_reason() -> None:
    assert extrapolation([], lead=None) is None
    assert both(None, None) is None
    assert both(None, UNCLEAR) == UNCLEAR


def test_missing_weather_is_not_blamed_on_the_pixels() -> None:
    row = {"peak": math.nan, "gdd10": math.nan, "pixels": 0, "clear_share": math.nan}
    assert feature_gap(row, ("peak", "gdd10")) == IMPURE
    assert str(feature_gap(row, ("gdd10",))) == "no value for gdd10 · 缺少积温"


def test_the_commonest_gap_of_a_county_speaks_for_it() -> None:
    impure = {"peak": math.nan, "pixels": 0, "clear_share": math.nan}
    unclear = {"peak": math.nan, "pixels": 0, "clear_share": 0.2}
    history: list[dict[str, Any]] = [
        *({"county": "220322"} | row for row in (impure, impure, unclear)),
        *({"county": "220323"} | row for row in (unclear, impure)),
        {"county": "220382", "peak": 0.8, "pixels": 9, "clear_share": 0.5},
    ]
    expected = {"220322": IMPURE, "220323": IMPURE}
    # Of a tie, the later by its text, in whichever order the rows come.
    assert IMPURE.en > UNCLEAR.en
    assert commonest_gaps(history, ("peak",)) == expected
    assert commonest_gaps(history[::-1], ("peak",)) == expected
