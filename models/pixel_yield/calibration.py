"""Pixel models set right by crop cuts or cleaned combine data.

The unit is the field: cuts or points of one field share its soil and its farmer, so the
error is found by leaving out whole fields.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import theilslopes

from models.errors import ValueInvalid
from models.tables import require_columns
from models.yield_monitor.units import one_unit

__all__ = ["Calibration", "CalibrationStatus", "calibrate"]

Float = NDArray[np.float64]

# Fewer fields than this leave a line to chance.
MIN_FIELDS = 8

# The line must be better than none by so much, or it is not worth its own error.
_MIN_GAIN = 0.02


class CalibrationStatus(StrEnum):
    """Whether ground truth changed the model."""

    CALIBRATED = "calibrated"
    TOO_FEW_FIELDS = "too_few_fields"
    NO_RELATION = "no_relation"
    NO_GAIN = "no_gain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A line from modelled to measured yields, and what it is worth.

    Attributes
    ----------
    slope, intercept
        1 and 0 unless ``status`` is "calibrated".
    status
        Why not.
    fields
        Fields with both a measured and a modelled yield.
    error
        Root mean square error of fields that were left out, t/ha: of the line where
        it is used, else of the model as it is; NaN where there are under two fields.
    error_before
        The same of the model as it is.
    lowest, highest
        Modelled yields the line was fitted between, t/ha.
    simulated
        Any of the measurements was.
    """

    slope: float
    intercept: float
    status: CalibrationStatus
    fields: int
    error: float
    error_before: float
    lowest: float
    highest: float
    simulated: bool

    def __call__(self, yields: ArrayLike) -> NDArray[np.float32]:
        """Calibrated yields in t/ha, never below 0; NaN stays NaN."""
        line = self.intercept + self.slope * np.asarray(yields, np.float64)
        return np.maximum(line, 0).astype(np.float32)

    def beyond(self, yields: ArrayLike) -> NDArray[np.bool_]:
        """Which yields lie outside those the line was fitted to; NaN does not."""
        values = np.asarray(yields, np.float64)
        return np.asarray((values < self.lowest) | (values > self.highest))


def calibrate(table: pd.DataFrame) -> Calibration:
    """Fit measured on modelled yields by a robust line, field by field.

    Slope and intercept are those of Theil and Sen (Sen 1968, Journal of the American
    Statistical Association 63:1379): a fifth of the fields may be plainly wrong.

    Parameters
    ----------
    table
        A row for each cut, or cleaned field: ``field`` (its id), ``modelled`` and
        ``measured`` (t/ha at one moisture), and perhaps ``unit`` and ``simulated``.
        Several rows of a field count as their median. Rows with a NaN are left out.

    Raises
    ------
    ColumnMissing
        A column is not there.
    UnitsMixed
        ``unit`` names two units, or measured yields leave a 100-fold gap.
    ValueInvalid
        A yield is negative or infinite, or the unit is not t/ha.
    """
    require_columns(table, ["field", "modelled", "measured"], table="ground truth")
    known = table.dropna(subset=["field", "modelled", "measured"])
    _check(known)
    fields = known.groupby("field")[["modelled", "measured"]].median()
    x, y = fields["modelled"].to_numpy(float), fields["measured"].to_numpy(float)
    simulated = bool("simulated" in known and known["simulated"].any())
    before = float(np.sqrt(np.mean((y - x) ** 2))) if len(x) >= 2 else np.nan
    slope, intercept, error, status = _line(x, y, before)
    return Calibration(
        slope=slope,
        intercept=intercept,
        status=status,
        fields=len(x),
        error=error,
        error_before=before,
        lowest=float(x.min(initial=np.inf)),
        highest=float(x.max(initial=-np.inf)),
        simulated=simulated,
    )


def _line(
    x: Float, y: Float, before: float
) -> tuple[float, float, float, CalibrationStatus]:
    """Slope, intercept, error of fields left out, and status."""
    if len(x) < MIN_FIELDS or np.ptp(x) == 0:
        return 1.0, 0.0, before, CalibrationStatus.TOO_FEW_FIELDS
    slope, intercept = _robust(x, y)
    if slope <= 0:
        return 1.0, 0.0, before, CalibrationStatus.NO_RELATION
    others = ~np.eye(len(x), dtype=bool)
    left_out = [_robust(x[rest], y[rest]) for rest in others]
    guesses = np.array([b + a * at for (a, b), at in zip(left_out, x, strict=True)])
    error = float(np.sqrt(np.mean((y - guesses) ** 2)))
    # Not written error >= ..., so that an error that is NaN is no gain either.
    if not error <= (1 - _MIN_GAIN) * before:
        return 1.0, 0.0, before, CalibrationStatus.NO_GAIN
    return slope, intercept, error, CalibrationStatus.CALIBRATED


def _robust(x: Float, y: Float) -> tuple[float, float]:
    if np.ptp(x) == 0:
        return float("nan"), float("nan")
    slope = float(theilslopes(y, x).slope)
    return slope, float(np.median(y - slope * x))


def _check(table: pd.DataFrame) -> None:
    measured = table["measured"].to_numpy(float)
    named = set(table["unit"]) if "unit" in table else set()
    one_unit(named, values=measured.tolist())
    if named - {"t/ha"}:
        raise ValueInvalid(
            f"measured yields in {', '.join(map(str, named))}: bring them to t/ha with "
            "models.yield_monitor.yield_t_ha · 实测单产须换算为吨/公顷"
        )
    both = table[["modelled", "measured"]].to_numpy(float)
    if (both < 0).any() or np.isinf(both).any():
        raise ValueInvalid(
            "yields must be finite and 0 or more: look for slips in the cuts"
            " · 单产须为非负有限数，请检查测产数据"
        )
