from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.errors import ColumnMissing, ValueInvalid
from models.pixel_yield import CalibrationStatus, calibrate
from models.yield_monitor import UnitsMixed
from tests.models.messages import refused

MODELLED = np.array([5.0, 6.0, 6.5, 7.0, 7.5, 8.0, 9.0, 10.0])


def table(measured: Any, modelled: Any = MODELLED, **more: Any) -> pd.DataFrame:
    fields = [f"f{n}" for n in range(len(np.asarray(modelled)))]
    columns = {"field": fields, "modelled": modelled, "measured": measured}
    return pd.DataFrame(columns | more)


def test_a_line_is_found_and_its_error_is_of_fields_left_out() -> None:
    found = calibrate(table(1.5 * MODELLED - 2))
    assert found.status is CalibrationStatus.CALIBRATED
    np.testing.assert_allclose([found.slope, found.intercept], [1.5, -2.0])
    assert found.error == pytest.approx(0, abs=1e-9)
    # 0.5 x - 2 at the eight fields.
    assert found.error_before == pytest.approx(
        np.sqrt(np.mean((0.5 * MODELLED - 2) ** 2))
    )
    np.testing.assert_allclose(found([4.0, 1.0, np.nan]), [4.0, 0.0, np.nan])
    assert found.beyond([4.9, 5.0, 10.0, 10.1, np.nan]).tolist() == [
        *(True, False, False, True, False)
    ]


def test_the_error_of_fields_left_out_is_larger_than_that_around_the_line() -> None:
    noise = 0.4 * np.array([1, -1, 1, -1, -1, 1, -1, 1])
    measured = 1.5 * MODELLED - 2 + noise
    found = calibrate(table(measured))
    around = np.sqrt(np.mean((measured - found(MODELLED)) ** 2))
    assert found.status is CalibrationStatus.CALIBRATED
    assert found.error > 1.1 * around


def test_a_field_that_is_plainly_wrong_does_not_turn_the_line() -> None:
    measured = MODELLED + 1
    measured[2] = 40.0
    found = calibrate(table(measured))
    assert found.slope == pytest.approx(1.0, abs=0.05)
    assert found.intercept == pytest.approx(1.0, abs=0.4)


def test_cuts_of_one_field_count_as_one() -> None:
    cuts = pd.concat([table(MODELLED + 1)] * 3, ignore_index=True)
    assert calibrate(cuts).fields == 8


def test_too_few_fields_leave_the_model_as_it_is() -> None:
    found = calibrate(table(MODELLED + 1).iloc[:7])
    assert found.status is CalibrationStatus.TOO_FEW_FIELDS
    assert found.error == pytest.approx(1.0)
    np.testing.assert_allclose(found(MODELLED), MODELLED, rtol=1e-6)


def test_no_field_at_all_has_no_error_to_tell() -> None:
    found = calibrate(table([np.nan] * 8))
    assert (found.fields, found.status) == (0, CalibrationStatus.TOO_FEW_FIELDS)
    assert np.isnan([found.error, found.error_before]).all()


def test_yields_that_fall_with_the_model_are_not_followed() -> None:
    assert calibrate(table(15 - MODELLED)).status is CalibrationStatus.NO_RELATION


def test_a_line_that_does_not_help_is_not_used() -> None:
    rng = np.random.default_rng(1)
    found = calibrate(table(MODELLED + rng.normal(0, 0.1, 8)))
    assert found.status is CalibrationStatus.NO_GAIN
    assert (found.slope, found.intercept) == (1.0, 0.0)


def test_simulated_cuts_make_a_simulated_calibration() -> None:
    assert calibrate(table(MODELLED + 1, simulated=True)).simulated
    assert not calibrate(table(MODELLED + 1)).simulated


def test_bad_tables_are_refused() -> None:
    with refused(ColumnMissing, match="measured"):
        calibrate(table(MODELLED).drop(columns="measured"))
    with refused(UnitsMixed, match="kg/ha and t/ha"):
        calibrate(table(MODELLED, unit=["t/ha", "kg/ha"] * 4))
    with refused(UnitsMixed, match="in one column"):
        calibrate(table([*MODELLED[:7], 7200.0]))
    with refused(ValueInvalid, match="in kg/ha: bring them to t/ha"):
        calibrate(table(MODELLED * 1000, unit="kg/ha"))
    with refused(ValueInvalid, match="finite and 0 or more"):
        calibrate(table([-1.0, *MODELLED[1:]]))
