"""Units of weather files, each spelling known by name: an unknown one is an error."""

from pathlib import Path
from typing import Final, Literal, NamedTuple

from ingest.weather.errors import UnitUnknown

__all__ = ["Conversion", "Quantity", "conversion"]

Quantity = Literal["temperature", "depth", "energy", "speed", "pressure", "percent"]
"""What is measured; ours are degC, mm a day, MJ/m2 a day, m/s, kPa and %."""


class Conversion(NamedTuple):
    """Ours = theirs * factor + offset."""

    factor: float
    offset: float = 0.0


_KELVIN = Conversion(1.0, -273.15)
_SAME = Conversion(1.0)
_KILOWATT_HOURS = Conversion(3.6)

# Spellings of the CDS (old and new), of ECMWF's GRIB tables and of NASA POWER.
_KNOWN: Final[dict[Quantity, dict[str, Conversion]]] = {
    "temperature": {
        **dict.fromkeys(("K", "kelvin"), _KELVIN),
        **dict.fromkeys(("C", "degC", "deg C", "°C", "celsius", "degrees C"), _SAME),
    },
    "depth": {
        **dict.fromkeys(("mm", "mm d-1", "mm day-1", "mm/day", "mm d**-1"), _SAME),
        "m": Conversion(1000.0),
    },
    "energy": {
        **dict.fromkeys(
            ("J m-2", "J m**-2", "J m-2 d-1", "J m-2 day-1"), Conversion(1e-6)
        ),
        **dict.fromkeys(("MJ/m^2/day", "MJ m-2 d-1", "MJ m-2 day-1"), _SAME),
        **dict.fromkeys(
            ("kW-hr/m^2/day", "kWh/m^2/day", "kWh m-2 day-1"), _KILOWATT_HOURS
        ),
    },
    "speed": dict.fromkeys(("m/s", "m s-1", "m s**-1"), _SAME),
    "pressure": {
        "Pa": Conversion(0.001),
        **dict.fromkeys(("hPa", "mbar"), Conversion(0.1)),
        "kPa": _SAME,
    },
    "percent": dict.fromkeys(("%", "percent"), _SAME),
}


def conversion(
    quantity: Quantity, unit: str | None, *, variable: str, path: Path | str
) -> Conversion:
    """How to convert a variable into our unit.

    Parameters
    ----------
    quantity
        What the variable measures.
    unit
        As the file says it; None where it says nothing.
    variable, path
        For the message.

    Raises
    ------
    UnitUnknown
        The file says no unit, or one that is not known for this quantity.
    """
    known = _KNOWN[quantity]
    found = None if unit is None else known.get(" ".join(unit.split()))
    if found is None:
        raise UnitUnknown(
            f"{path}: {variable} is in {unit!r}, which is no known unit of {quantity} "
            f"(known: {', '.join(known)}); the file is left out"
            f" · {path}：{variable} 的单位 {unit!r} 无法识别，该文件未导入",
            path=path,
            variable=variable,
            unit=unit,
        )
    return found
