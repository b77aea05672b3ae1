import numpy as np
import pytest

from models.errors import ShapeMismatch, ValueInvalid
from models.pixel_yield import ErrorStatus, WithinError, county_sd, field_sd, pixel_sd
from tests.models.messages import refused

NAN = np.nan
ZONES = np.array([[0, 0, 1, -1]], np.int16)
YIELDS = np.array([[4.0, 8.0, 6.0, NAN]], np.float32)
VALUES, SDS = np.array([6.0, 6.0]), np.array([0.6, NAN])


def test_deviation_behind_an_interval() -> None:
    # 90 % of a normal distribution lies within 1.6449 deviations.
    found = county_sd([6.0], [8.0], level=0.9)
    assert found == pytest.approx(1 / 1.6448536)


def test_pixels_share_the_countys_error_and_have_their_own() -> None:
    found, status = pixel_sd(
        YIELDS, ZONES, VALUES, SDS, within=WithinError(field=0.3, pixel=0.4)
    )
    # A tenth of 4 and 8, with 0.5 in quadrature; no interval, no deviation.
    np.testing.assert_allclose(found[0, :2], [np.hypot(0.4, 0.5), np.hypot(0.8, 0.5)])
    assert np.isnan(found[0, 2:]).all()
    assert status is ErrorStatus.FULL


def test_without_an_error_of_the_model_the_map_is_a_lower_bound() -> None:
    found, status = pixel_sd(YIELDS, ZONES, VALUES, SDS, within=None)
    np.testing.assert_allclose(found[0, :2], [0.4, 0.8])
    assert status is ErrorStatus.COUNTY_ONLY


def test_in_a_field_only_the_pixels_errors_average_out() -> None:
    found, status = field_sd(
        [4.0, 4.0, 4.0],
        [0, 0, -1],
        [1, 100, 100],
        VALUES,
        SDS,
        within=WithinError(field=0.3, pixel=1.0),
    )
    np.testing.assert_allclose(
        found[:2], [np.sqrt(0.16 + 0.09 + 1), np.sqrt(0.16 + 0.09 + 0.01)]
    )
    assert np.isnan(found[2])
    assert status is ErrorStatus.FULL


def test_bad_input_is_refused() -> None:
    with refused(ValueInvalid, match="level 90"):
        county_sd([1.0], [2.0], level=90)
    with refused(ValueInvalid, match="not above the upper"):
        county_sd([3.0], [2.0], level=0.9)
    with refused(ValueInvalid, match="errors of -1 and nan"):
        WithinError(field=-1, pixel=NAN)
    with refused(ShapeMismatch, match="one list of counties"):
        pixel_sd(YIELDS, ZONES, VALUES, SDS[:1], within=None)
    with refused(ShapeMismatch, match="zone 1 has no county"):
        pixel_sd(YIELDS, ZONES, VALUES[:1], SDS[:1], within=None)
