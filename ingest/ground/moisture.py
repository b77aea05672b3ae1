"""Grain at the moisture at which it keeps: the common basis of yields."""

__all__ = ["SAFE_STORAGE", "dry_factor", "grain_yield_t_ha"]

# Percent, wet basis: maize keeps at 14 % in Chinese granaries, and county statistics
# count it so. Other crops have limits of their own (rice 14.5, soybean 13): give them.
SAFE_STORAGE = 14.0


def dry_factor(moisture: float, *, basis: float = SAFE_STORAGE) -> float:
    """Mass of grain at the basis moisture over its mass as weighed.

    ``(100 - moisture) / (100 - basis)``, both in % of the wet mass: the dry matter
    stays the same. North American corn is counted at 15.5 %; from there to 14 % the
    factor is 84.5 / 86.
    """
    return (100 - moisture) / (100 - basis)


def grain_yield_t_ha(
    *, grain_kg: float, area_m2: float, moisture: float, basis: float = SAFE_STORAGE
) -> float:
    """Yield of a harvested area in t/ha at the basis moisture.

    ``grain_kg / area_m2 * 10 * (100 - moisture) / (100 - basis)``: 1 kg/m2 is 10 t/ha.

    Parameters
    ----------
    grain_kg : float
        Grain as weighed, kg.
    area_m2 : float
        Harvested area, m2.
    moisture : float
        Of the grain as weighed, % of the wet mass.
    basis : float
        Moisture the yield is told at, % of the wet mass.
    """
    return grain_kg / area_m2 * 10 * dry_factor(moisture, basis=basis)
