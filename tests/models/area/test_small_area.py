"""Fay-Herriot, against the published fit of the milk expenditures."""

import numpy as np
import pandas as pd
import pytest

from models.area import SampleInvalid, Status, fay_herriot, small_county_areas

# Milk expenditure in 43 small areas of 4 regions (Arora & Lahiri 1997; You & Chapman
# 2006), as direct estimate, standard error and region; and what eblupFH and mseFH of
# the R package sae give for it by REML.
YI = """
1.099 1.075 1.105 .628 .753 .981 1.257 1.095 1.405 1.356 .615 1.46 1.338 .854
1.176 1.111 1.257 1.43 1.278 1.292 1.002 1.183 1.044 1.267 1.193 .791 .795 .759
.796 .565 .886 .952 .807 .582 .684 .787 .44 .759 .77 .8 .756 .865 .64
"""
SD = """
.163 .08 .083 .109 .119 .141 .202 .127 .168 .178 .1 .201 .148 .143 .149 .145
.135 .172 .137 .163 .125 .247 .14 .171 .106 .121 .121 .259 .106 .089 .225 .205
.119 .067 .106 .126 .092 .132 .1 .113 .083 .121 .129
"""
REGION = np.repeat([1, 2, 3, 4], [7, 7, 11, 18])
EBLUP = """
1.0219703 1.0476018 1.0679513 .7608170 .8461574 .9743727 1.0584523 1.0977762
1.2215449 1.1951455 .7852155 1.2139456 1.2096593 .9834967 1.1864247 1.1556982
1.2263411 1.2856486 1.2363247 1.2349600 1.0903019 1.1923057 1.1216470 1.2230296
1.1938054 .7627195 .7649550 .7338443 .7699294 .6134418 .7695558 .7958250
.7723187 .6102302 .7001782 .7592787 .5298867 .7434466 .7548996 .7701918 .7481164
.8040773 .6810870
"""
MSE = """
.013460220 .005372876 .005701990 .008541740 .009579594 .011670632 .015926137
.010586518 .014184043 .014901472 .007694262 .016336469 .012562726 .012117378
.012031229 .011709147 .010859780 .013690860 .011034674 .013079686 .009948636
.017243977 .011292325 .013625297 .008065787 .009205133 .009205133 .016476912
.007800626 .006098668 .015441564 .014657866 .009024699 .003870786 .007800626
.009646139 .006404335 .010155645 .007209937 .008470277 .005484860 .009205133
.009903626
"""


def numbers(text: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(text.split(), dtype=np.float64)


def regions() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    others = [region == REGION for region in (2, 3, 4)]
    return np.column_stack([np.ones(43), *others]).astype(np.float64)


def test_milk_has_the_published_fit() -> None:
    found = fay_herriot(numbers(YI), numbers(SD) ** 2, regions())
    assert found.beta == pytest.approx(
        [0.9681890, 0.1327801, 0.2269462, -0.2413011], abs=2e-6
    )
    assert found.beta_se == pytest.approx(
        [0.06936208, 0.10300072, 0.09232981, 0.08161707], abs=2e-6
    )
    assert found.variance == pytest.approx(0.01855022, abs=1e-6)
    assert found.values == pytest.approx(numbers(EBLUP), abs=3e-6)
    assert found.mse == pytest.approx(numbers(MSE), abs=1e-6)


def test_area_without_sample_gets_the_line() -> None:
    direct = numbers(YI)
    direct[0] = np.nan
    found = fay_herriot(direct, numbers(SD) ** 2, regions())
    assert found.areas == 42
    assert found.weight[0] == 0
    assert found.values[0] == pytest.approx(found.beta[0])
    expected = found.variance + found.beta_se[0] ** 2
    assert found.mse[0] == pytest.approx(expected)


def test_areas_without_differences_of_their_own_get_the_line() -> None:
    x = np.column_stack([np.ones(12), np.arange(12.0)])
    found = fay_herriot(2 + 3 * np.arange(12.0), np.full(12, 4.0), x)
    assert found.variance == 0
    assert found.values == pytest.approx(2 + 3 * np.arange(12.0))


def test_equal_variances_have_a_closed_form() -> None:
    # With one variance D and an intercept REML gives s^2 - D, Stein's shrinkage.
    direct = np.array([1.0, 4, 9, 2, 7, 13, 5, 8])
    found = fay_herriot(direct, np.full(8, 3.0), np.ones((8, 1)))
    assert found.variance == pytest.approx(direct.var(ddof=1) - 3)
    share = found.variance / (found.variance + 3)
    mean = direct.mean()
    assert found.values == pytest.approx(mean + share * (direct - mean))


def test_adding_a_constant_shifts_every_area() -> None:
    plain = fay_herriot(numbers(YI), numbers(SD) ** 2, regions())
    moved = fay_herriot(numbers(YI) + 5, numbers(SD) ** 2, regions())
    assert moved.values == pytest.approx(plain.values + 5)
    assert moved.mse == pytest.approx(plain.mse)


@pytest.mark.parametrize(
    ("variance", "covariate", "said"),
    [
        (0.0, 1.0, "variance is not above 0"),
        (np.nan, 1.0, "variance is not above 0"),
        (1.0, np.nan, "covariate is no number"),
        (1.0, 7.0, "depend on each other"),
    ],
)
def test_input_without_a_model_is_refused(
    variance: float, covariate: float, said: str
) -> None:
    x = np.column_stack([np.ones(9), np.full(9, 7.0)])
    x[0, 1] = covariate if covariate != 7 else 7
    with pytest.raises(SampleInvalid, match=said):
        fay_herriot(np.arange(9.0), np.r_[variance, np.ones(8)], x)


def test_too_few_areas_are_refused() -> None:
    with pytest.raises(SampleInvalid, match="2 areas"):
        fay_herriot(np.arange(2.0), np.ones(2), np.ones((2, 1)))


def survey(counties: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return sample, strata and counties: 3 of 20 segments each, a map that is near."""
    random = np.random.default_rng(4)
    rows = []
    for county in range(counties):
        for place in range(3):
            mapped = 20 + 5 * county + random.normal(0, 4)
            rows.append(
                {
                    "segment_id": f"{county}-{place}",
                    "stratum": "1",
                    "county": f"2201{county:02d}",
                    "maize_ha": 1.1 * mapped + random.normal(0, 3),
                    "maize_map_ha": mapped,
                }
            )
    frame = pd.DataFrame({"stratum": ["1"], "segments": [20 * counties + 20]})
    table = pd.DataFrame(
        {
            "county": [f"2201{county:02d}" for county in range(counties)] + ["220199"],
            "segments": 20,
            "maize_map_ha": [20 * (20.0 + 5 * county) for county in range(counties)]
            + [20 * 30.0],
        }
    )
    return pd.DataFrame(rows), frame, table


def test_county_without_segment_is_told_from_the_others() -> None:
    *known, last = small_county_areas(*survey(10), crop="maize")
    assert {one.method for one in known} == {"fay-herriot"}
    assert (last.method, last.status, last.samples) == (
        "synthetic",
        Status.LIMITED,
        0,
    )
    assert last.value == pytest.approx(20 * 30 * 1.1, rel=0.1)
    assert "no segment in this county" in str(last.reason)


def test_few_counties_keep_their_own_estimates() -> None:
    *known, last = small_county_areas(*survey(4), crop="maize")
    assert {(one.method, one.status) for one in known} == {
        ("regression", Status.LIMITED)
    }
    assert "the variance is that of all counties" in str(known[0].reason)
    assert (last.status, last.value) == (Status.MISSING, None)
    assert "a small-area model needs 8" in str(last.reason)


def test_county_whose_segments_differ_from_it_is_moved_along_the_map() -> None:
    sample, frame, counties = survey(3)
    # The map of the first county holds twice what its segments have on average.
    first = sample.loc[sample["county"] == "220100", "maize_map_ha"].mean()
    counties.loc[0, "maize_map_ha"] = 20 * 2 * first
    found = small_county_areas(sample, frame, counties, crop="maize")[0]
    assert found.value == pytest.approx(20 * 2 * first * 1.1, rel=0.15)


def test_denser_stratum_moves_no_county() -> None:
    # The map is the truth. Of stratum A every second segment is surveyed, of B every
    # tenth: with unequal weights on the map and the ground a county would be moved.
    rows, counties = [], []
    for county in range(3):
        code = f"2201{county:02d}"
        for stratum, hectares, drawn in (("A", 80.0, 10), ("B", 20.0, 2)):
            for place in range(drawn):
                mapped = hectares + place + county
                rows.append(
                    {
                        "segment_id": f"{code}-{stratum}{place}",
                        "stratum": stratum,
                        "county": code,
                        "maize_ha": mapped + 0.01 * (-1) ** place,
                        "maize_map_ha": mapped,
                    }
                )
        total = 20 * (80 + 4.5 + county) + 20 * (20 + 0.5 + county)
        counties.append({"county": code, "segments": 40, "maize_map_ha": total})
    frame = pd.DataFrame({"stratum": ["A", "B"], "segments": [60, 60]})
    found = small_county_areas(
        pd.DataFrame(rows), frame, pd.DataFrame(counties), crop="maize"
    )
    truth = [one["maize_map_ha"] for one in counties]
    assert [one.value for one in found] == pytest.approx(truth, rel=1e-3)
