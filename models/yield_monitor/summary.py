"""What cleaning did, and the field's yield with its uncertainty."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
from scipy.stats import t as student

from models.errors import ValueInvalid
from models.yield_monitor.clean import Cleaned
from models.yield_monitor.reasons import (
    REASON_WORDING,
    SEPARATOR,
    TREATMENT_WORDING,
    Reason,
    Treatment,
)

__all__ = ["FieldMean", "MeanStatus", "field_mean", "reason_table"]

# Error of the scale of a calibrated mass flow sensor over a field, assumed from the
# 2 to 5 % that tests against weigh wagons report (e.g. Arslan and Colvin 2002,
# Precision Agriculture 3:135). Weighed loads make it smaller: then give your own.
CALIBRATION_ERROR = 0.03

_MIN_PASSES = 3


class MeanStatus(StrEnum):
    """How much a field's mean is worth."""

    OK = "ok"
    FEW_PASSES = "few_passes"
    NO_POINTS = "no_points"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldMean:
    """Yield of a field.

    Attributes
    ----------
    mean
        t/ha at the basis moisture: grain over land of the good points.
    raw_mean
        The same of every point as logged.
    standard_error
        t/ha, of the points and of the machine's calibration together; NaN where there
        are fewer than three passes, with ``status`` saying so.
    lower, upper
        Interval of `level`.
    level
        Probability of the interval.
    points, of_points, passes
        Good points, all points, passes with good points.
    area_ha
        Land that all points cut, without what was cut before.
    grain_t
        ``mean * area_ha``.
    """

    mean: float
    raw_mean: float
    standard_error: float
    lower: float
    upper: float
    level: float
    points: int
    of_points: int
    passes: int
    area_ha: float
    grain_t: float
    status: MeanStatus


def field_mean(
    cleaned: Cleaned,
    *,
    level: float = 0.9,
    calibration_error: float = CALIBRATION_ERROR,
) -> FieldMean:
    """Mean yield of the field as a ratio of sums over its passes.

    The standard error is that of a ratio estimator with passes as clusters (Cochran
    1977, Sampling Techniques, equation 2.39 without correction for the finite field:
    points of a pass are no independent samples), joined in quadrature with
    `calibration_error`, a share of the mean that no number of points makes smaller.

    Raises
    ------
    ValueInvalid
        The level is not between 0 and 1, or the calibration error is negative.
    """
    if not 0 < level < 1 or calibration_error < 0:
        raise ValueInvalid(
            f"level {level}, calibration error {calibration_error}: give a level "
            "between 0 and 1 and an error of 0 or more, as a share"
            " · 置信水平须在 0 与 1 之间，标定误差须为非负比例"
        )
    good, points = cleaned.good, cleaned.points
    by_pass = good.groupby("run")[["grain_kg", "area_m2"]].sum()
    grain, area = by_pass["grain_kg"].to_numpy(), by_pass["area_m2"].to_numpy()
    count = len(by_pass)
    mean = float(grain.sum() / area.sum() * 10) if count else float("nan")
    error = float("nan")
    if count >= _MIN_PASSES:
        rest = grain * 10 - mean * area
        # Residuals are of sums over passes: points of one pass are no own samples.
        noise = np.sqrt(count / (count - 1) * (rest**2).sum()) / area.sum()
        error = float(np.hypot(noise, calibration_error * mean))
    reach = student.ppf((1 + level) / 2, max(count - 1, 1)) * error
    # Land of points that failed was harvested too: it is in the field, with the
    # mean of the good ones.
    hectares = float(points["area_m2"].sum() / 1e4)
    return FieldMean(
        mean=mean,
        raw_mean=_raw_mean(points),
        standard_error=error,
        # NaN is unequal to itself; max() would turn it into a bound of 0.
        lower=float(max(mean - reach, 0.0)) if error == error else error,
        upper=float(mean + reach),
        level=level,
        points=len(good),
        of_points=len(points),
        passes=count,
        area_ha=hectares,
        grain_t=mean * hectares,
        status=_status(count),
    )


def reason_table(cleaned: Cleaned) -> pd.DataFrame:
    """Count points by reason and by treatment.

    Returns
    -------
    DataFrame
        ``kind`` ("good", "reason", "treatment"), ``code``, ``english``, ``chinese``,
        ``points`` (all with that mark) and ``first`` (for which it is the first one:
        good points and these add up to all points).
    """
    marks = cleaned.marks
    first = marks.first()
    good = int(marks.good.sum())
    rows = [("good", "good", "good", "有效", good, good)]
    for position, reason in enumerate(Reason):
        said = REASON_WORDING[reason]
        counted = int(marks.of[reason].sum()), int((first == position).sum())
        rows.append(("reason", str(reason), *said, *counted))
    told = cleaned.points["treatments"].str.split(SEPARATOR)
    for treatment in Treatment:
        count = int(sum(treatment in names for names in told))
        said = TREATMENT_WORDING[treatment]
        rows.append(("treatment", str(treatment), *said, count, 0))
    columns = ["kind", "code", "english", "chinese", "points", "first"]
    return pd.DataFrame(rows, columns=columns)


def _raw_mean(points: pd.DataFrame) -> float:
    area = points["distance_m"] * points["swath_m"]
    known = np.isfinite(points["raw_t_ha"]) & (area > 0) & (points["raw_t_ha"] >= 0)
    if not known.any():
        return float("nan")
    return float(np.average(points["raw_t_ha"][known], weights=area[known]))


def _status(passes: int) -> MeanStatus:
    if not passes:
        return MeanStatus.NO_POINTS
    return MeanStatus.OK if passes >= _MIN_PASSES else MeanStatus.FEW_PASSES
