from typing import Any

import numpy as np
import pytest
import spyndex  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from raster.errors import SettingInvalid
from raster.indices import INDICES, RESERVED, Index, index_named
from tests.raster.test_formula import value_of

# A closed maize canopy, in round numbers.
CANOPY = {
    "B": 0.03,
    "G": 0.06,
    "R": 0.04,
    "RE1": 0.12,
    "RE2": 0.30,
    "RE3": 0.38,
    "N": 0.40,
    "N2": 0.42,
    "S1": 0.20,
    "S2": 0.08,
}

# By hand; the fraction is what stands before the last division.
BY_HAND = {
    "ndvi": 0.818182,  # 0.36 / 0.44
    "ndre": 0.538462,  # 0.28 / 0.52
    "evi": 0.636042,  # 0.9 / (0.4 + 0.24 - 0.225 + 1)
    "evi2": 0.601604,  # 0.9 / (0.4 + 0.096 + 1)
    "savi": 0.574468,  # 0.54 / 0.94
    "msavi": 0.6,  # 0.9 - sqrt(0.04 + 0.32) / 2
    "osavi": 0.6,  # 0.36 / 0.6
    "psri": 0.033333,  # 0.01 / 0.3
    "lswi": 0.333333,  # 0.2 / 0.6
    "ndwi": -0.739130,  # -0.34 / 0.46
    "mndwi": -0.538462,  # -0.14 / 0.26
    "ndti": 0.428571,  # 0.12 / 0.28
    "bsi": -0.283582,  # (0.24 - 0.43) / 0.67
    "nbr": 0.666667,  # 0.32 / 0.48
    "nbr2": 0.428571,  # 0.12 / 0.28
    "ndsi": -0.538462,  # -0.14 / 0.26
    "gcvi": 5.666667,  # 0.4 / 0.06 - 1
    "cire": 2.333333,  # 0.4 / 0.12 - 1
    "sti": 2.5,  # 0.2 / 0.08
    "blue": 0.03,
    "green": 0.06,
    "red": 0.04,
    "rededge1": 0.12,
    "rededge2": 0.30,
    "rededge3": 0.38,
    "nir": 0.40,
    "nir08": 0.42,
    "swir16": 0.20,
    "swir22": 0.08,
}

# Their names in spyndex, with the coefficients it leaves to the caller.
IN_SPYNDEX: dict[str, tuple[str, dict[str, float]]] = {
    "ndvi": ("NDVI", {}),
    "ndre": ("NDREI", {}),
    "evi": ("EVI", {"g": 2.5, "C1": 6, "C2": 7.5, "L": 1}),
    "evi2": ("EVI2", {"g": 2.5, "L": 1}),
    "savi": ("SAVI", {"L": 0.5}),
    "msavi": ("MSAVI", {}),
    "osavi": ("OSAVI", {}),
    "psri": ("PSRI", {}),
    "lswi": ("NDMI", {}),
    "ndwi": ("NDWI", {}),
    "mndwi": ("MNDWI", {}),
    "ndti": ("NDTillI", {}),
    "bsi": ("BI", {}),
    "nbr": ("NBR", {}),
    "nbr2": ("NBR2", {}),
    "ndsi": ("NDSI", {}),
    "gcvi": ("CIG", {}),
    "cire": ("CIRE", {}),
    "sti": ("STI", {}),
}

NORMALISED = ("ndvi", "ndre", "lswi", "ndwi", "mndwi", "ndti", "bsi", "nbr", "ndsi")
REFLECTANCES = st.lists(
    st.floats(0, 10, width=32), min_size=len(CANOPY), max_size=len(CANOPY)
)


def test_every_index_has_a_value_by_hand() -> None:
    assert BY_HAND.keys() == INDICES.keys()


@pytest.mark.parametrize("name", BY_HAND)
def test_value_over_a_canopy(name: str) -> None:
    found = value_of(INDICES[name].formula, **CANOPY)

    assert found.tolist() == pytest.approx([BY_HAND[name]], abs=1e-6)


@pytest.mark.parametrize("name", IN_SPYNDEX)
def test_values_agree_with_spyndex(name: str) -> None:
    other, coefficients = IN_SPYNDEX[name]
    rng = np.random.default_rng(11)
    # Blue stays low: over bright blue the divisor of EVI is near zero.
    bands = {b: rng.uniform(0.01, 0.1 if b == "B" else 0.6, 500) for b in CANOPY}

    expected = spyndex.computeIndex(other, {**bands, **coefficients})

    found = value_of(INDICES[name].formula, **{b: v.tolist() for b, v in bands.items()})
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-6)


@settings(deadline=None)
@given(REFLECTANCES)
def test_normalised_differences_lie_between_minus_one_and_one(
    reflectances: list[float],
) -> None:
    bands = dict(zip(CANOPY, reflectances, strict=True))

    for name in NORMALISED:
        value = value_of(INDICES[name].formula, **bands)[0]
        assert np.isnan(value) or -1 <= value <= 1


@settings(deadline=None)
@given(
    st.lists(st.floats(0.001, 1), min_size=len(CANOPY), max_size=len(CANOPY)),
    st.floats(0.1, 10),
)
def test_brighter_light_changes_no_normalised_difference(
    reflectances: list[float], factor: float
) -> None:
    bands = dict(zip(CANOPY, reflectances, strict=True))
    brighter = {band: value * factor for band, value in bands.items()}

    for name in NORMALISED:
        formula = INDICES[name].formula
        np.testing.assert_allclose(
            value_of(formula, **brighter), value_of(formula, **bands), atol=1e-6
        )


def test_root_of_msavi_is_never_of_a_negative_number() -> None:
    # Around N = 1/2 over black soil the textbook form rounds below zero.
    nir = np.linspace(0.49, 0.51, 20_001, dtype=np.float32)

    found = value_of(INDICES["msavi"].formula, N=nir, R=np.zeros_like(nir))

    np.testing.assert_allclose(found, np.minimum(2 * nir, 1), atol=1e-6)


def test_the_table_says_what_an_index_is() -> None:
    for name, index in INDICES.items():
        assert index.name == name
        assert index.long_name.isascii()
        assert not index.name_zh.isascii()
        assert index.source
        assert index.valid is not None


@pytest.mark.parametrize(
    ("name", "scale", "valid"),
    [
        ("ndvi", 1e-4, (-1, 1)),
        ("evi", 1e-4, (-1, 1)),
        ("gcvi", 1e-3, (-1, 30)),
        ("cire", 1e-3, (-1, 30)),
        ("sti", 1e-3, (0, 30)),
        ("red", 1e-4, (0, 3.2)),
    ],
)
def test_scale_and_range(name: str, scale: float, valid: tuple[float, float]) -> None:
    assert (INDICES[name].scale, INDICES[name].valid) == (scale, valid)


def test_an_index_is_found_by_name() -> None:
    assert index_named("evi2").program.bands == ("N", "R")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("NDVI", "ndvi, "),
        ("evi3", "from evi, evi2,"),
        ("ndmi", "from lswi,"),
        ("NDTillI", "from ndti,"),
        ("", "from ndvi, ndre, evi,"),
    ],
)
def test_an_unknown_name_is_answered_with_near_ones(name: str, near: str) -> None:
    with pytest.raises(SettingInvalid) as caught:
        index_named(name)

    english, chinese = str(caught.value).split(" · ")
    assert repr(name) in english
    assert near in english
    assert repr(name) in chinese


def test_ones_own_index_needs_only_a_name_and_a_formula() -> None:
    own = Index("kndvi_like", "((N - R) / (N + R)) ** 2")

    assert own.program.bands == ("N", "R")
    assert (own.scale, own.valid) == (1e-4, None)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        *((name, "taken") for name in sorted(RESERVED)),
        ("ndvi_smooth", "taken"),
        ("NDVI", "lower-case"),
        ("2band", "lower-case"),
        ("_x", "lower-case"),
        ("a-b", "lower-case"),
        ("a\n", "lower-case"),
        ("指数", "lower-case"),
        ("", "lower-case"),
    ],
)
def test_a_name_that_cannot_be_a_variable_is_refused(name: str, why: str) -> None:
    with pytest.raises(SettingInvalid, match=why) as caught:
        Index(name, "N")

    assert repr(name) in str(caught.value).split(" · ")[1]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"formula": "N - NIR"}, "'NIR' is not a band"),
        ({"scale": 0.0}, "scale 0.0"),
        ({"scale": -1e-4}, "scale -0.0001"),
        ({"scale": float("nan")}, "scale nan"),
        ({"scale": float("inf")}, "scale inf"),
        ({"valid": (1.0, -1.0)}, "must rise"),
        ({"valid": (0.0, 0.0)}, "must rise"),
        ({"valid": (-1.0, 3.3)}, "±3.2767"),
        ({"valid": (float("nan"), 1.0)}, "must rise"),
        ({"scale": 1e-5, "valid": (-1.0, 1.0)}, "±0.32767"),
    ],
)
def test_what_does_not_fit_together_is_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(SettingInvalid) as caught:
        Index(**{"name": "own", "formula": "N", **wrong})

    assert why in str(caught.value).split(" · ")[0]
