"""Units of harvest: exact factors to kilograms, seconds, metres and t/ha.

The international pound (0.45359237 kg) and foot (0.3048 m) are exact by the agreement
of 1959; an acre is 43,560 square feet. Bushels are masses: the legal test weights of
the US (USDA, Weights, Measures, and Conversion Factors, Agricultural Handbook 697).
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.errors import ValueInvalid
from models.yield_monitor.errors import UnitsMixed, UnitUnknown

__all__ = [
    "BUSHEL_LB",
    "CHINA_MOISTURE",
    "US_MOISTURE",
    "at_moisture",
    "flow_kg_s",
    "one_unit",
    "yield_t_ha",
]

POUND_KG = 0.45359237
ACRE_M2 = 43_560 * 0.3048**2
MU_M2 = 10_000 / 15

# Pounds of a bushel.
BUSHEL_LB = {
    "maize": 56.0,
    "soybean": 60.0,
    "wheat": 60.0,
    "rice": 45.0,
    "sorghum": 56.0,
    "barley": 48.0,
    "oats": 32.0,
}

CHINA_MOISTURE = 14.0
US_MOISTURE = 15.5

_HECTARE_M2 = 10_000.0
_YIELDS = {
    "t/ha": 1.0,
    "kg/ha": 1e-3,
    "qu/ha": 0.1,
    "kg/mu": 1e-3 * _HECTARE_M2 / MU_M2,
    "jin/mu": 0.5e-3 * _HECTARE_M2 / MU_M2,
    "lb/ac": POUND_KG / 1000 * _HECTARE_M2 / ACRE_M2,
}
_FLOWS = {"kg/s": 1.0, "lb/s": POUND_KG, "t/h": 1000 / 3600}

# A gap this wide between yields, with nothing in it, is one of units: t/ha and kg/ha
# differ by 1000. A field that failed lies nearer to the next poor one.
_MOST_APART = 100.0


def yield_t_ha(
    values: ArrayLike, *, unit: str, crop: str | None = None
) -> NDArray[np.float64]:
    """Bring yields to t/ha; the moisture stays what it is.

    Parameters
    ----------
    values
        Numbers in `unit`; NaN stays NaN.
    unit
        ``t/ha``, ``kg/ha``, ``qu/ha`` (100 kg), ``kg/mu``, ``jin/mu``, ``lb/ac`` or
        ``bu/ac``.
    crop
        A key of `BUSHEL_LB`, for bushels.

    Raises
    ------
    UnitUnknown
        The unit, or the crop's bushel, is not known.
    """
    if unit == "bu/ac":
        if crop not in BUSHEL_LB:
            raise UnitUnknown(f"bu/ac of {crop}", known=BUSHEL_LB)
        factor = BUSHEL_LB[crop] * _YIELDS["lb/ac"]
    else:
        factor = _factor(unit, _YIELDS, ("bu/ac",))
    return np.asarray(values, np.float64) * factor


def flow_kg_s(values: ArrayLike, *, unit: str) -> NDArray[np.float64]:
    """Bring grain flow to kg/s, from ``kg/s``, ``lb/s`` or ``t/h``.

    Raises
    ------
    UnitUnknown
        The unit is not known.
    """
    return np.asarray(values, np.float64) * _factor(unit, _FLOWS)


def at_moisture(
    values: ArrayLike, *, measured: ArrayLike, basis: float = CHINA_MOISTURE
) -> NDArray[np.float64]:
    """Tell a mass of grain, or a yield, as it would be at another moisture.

    ``value * (100 - measured) / (100 - basis)``, both in % of the wet mass: the dry
    matter stays. From 15.5 % to 14 % that is 84.5 / 86.

    Raises
    ------
    ValueInvalid
        The basis is not from 0 to below 100.
    """
    if not 0 <= basis < 100:
        raise ValueInvalid(
            f"moisture basis {basis}: give % of the wet mass, e.g. 14"
            f" · 折算含水率 {basis} 无效，请填写湿基百分数，例如 14"
        )
    dry = 100 - np.asarray(measured, np.float64)
    return np.asarray(values, np.float64) * dry / (100 - basis)


def one_unit(
    units: Iterable[str] | None = None, *, values: Sequence[float] | None = None
) -> None:
    """Refuse yields of two units, said or evident.

    Raises
    ------
    UnitsMixed
        `units` names more than one, or positive `values` leave a gap of more than
        100-fold between two of them.
    """
    named = sorted(set(units or ()))
    if len(named) > 1:
        raise UnitsMixed(f"yields in {' and '.join(named)}")
    numbers = np.asarray([] if values is None else values, np.float64)
    positive = np.sort(numbers[np.isfinite(numbers) & (numbers > 0)])
    if (positive[1:] > _MOST_APART * positive[:-1]).any():
        raise UnitsMixed(
            f"yields from {positive[0]:g} to {positive[-1]:g} in one column"
        )


def _factor(unit: str, factors: dict[str, float], more: Sequence[str] = ()) -> float:
    if unit not in factors:
        raise UnitUnknown(unit, known=(*factors, *more))
    return factors[unit]
