"""Units that devices send, and how they become a quantity's own unit.

Codes are case-sensitive: UCUM (https://ucum.org/ucum), SenML (RFC 8428, section 12.1;
RFC 8798, primary and secondary units) and spellings that farm devices use (``ppm``). A
code may measure several things (``%``: a share of anything, relative humidity); two
units convert if they measure one thing in common.
"""

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from sensors.errors import UnitUnknown

__all__ = ["UNITS", "Conversion", "UnitUnknown", "conversion"]


class Conversion(NamedTuple):
    """How a value changes its unit: ``value * factor + offset``."""

    factor: float
    offset: float

    def of(self, value: float) -> float:
        """Return `value` in the other unit."""
        return value * self.factor + self.offset


class _Scale(NamedTuple):
    """A unit in base units: ``base = value * factor + offset``, exact."""

    factor: Fraction
    offset: Fraction


def _table(lines: str) -> Mapping[str, _Scale]:
    """Read lines of a factor (``factor@offset``) and the codes that it is for."""
    table = {}
    for line in lines.strip().splitlines():
        size, *codes = line.split()
        factor, _, offset = size.partition("@")
        scale = _Scale(Fraction(factor), Fraction(offset or 0))
        table.update(dict.fromkeys(codes, scale))
    return MappingProxyType(table)


UNITS: Mapping[str, Mapping[str, _Scale]] = MappingProxyType(
    {
        "temperature": _table("""
            1           K
            1@273.15    Cel °C
            5/9@45967/180  [degF] °F
        """),
        "share": _table("""
            1           1 / m3/m3 cm3/cm3 kg/kg
            1/100       % /100 %EL
            1/1000      /1000 [ppth] mL/L L/m3
            1/1000000   ppm [ppm] ppm{vol} umol/mol mL/m3
            1/1000000000  ppb [ppb]
        """),
        # Apart from other shares: a relative humidity is no water content.
        "relative humidity": _table("""
            1           % %RH %{RH}
            100         1 /
        """),
        # Of mass, where ppm means milligrams in a kilogram, as soil tests have it.
        "mass fraction": _table("""
            1           mg/kg ug/g ppm [ppm]
            1000        g/kg mg/g
            10000       % g%
            1000000     kg/kg g/g
        """),
        "length": _table("""
            1           m
            1/1000      mm
            1/100       cm
            1000        km
            0.0254      [in_i]
            0.3048      [ft_i]
            1609.344    [mi_i]
        """),
        # Water on an area: a litre on a square metre stands a millimetre high.
        "precipitation": _table("""
            1           mm kg/m2 L/m2 l/m2
            10          cm
            1000        m
            25.4        [in_i]
        """),
        "rain rate": _table("""
            1           mm/h L/m2/h
            1000        m/h
            1/24        mm/d
        """),
        "speed": _table("""
            1           m/s m.s-1
            5/18        km/h
            1852/3600   [kn_i]
            0.44704     [mi_i]/h
            1/100       cm/s
        """),
        "acceleration": _table("""
            1           m/s2
            9.80665     [g]
        """),
        "pressure": _table("""
            1           Pa
            100         hPa mbar
            1000        kPa
            100000      bar
            1000000     MPa
            101325      atm
            133.322387415  mm[Hg]
            9806.65     m[H2O]
            98.0665     cm[H2O]
            6894.757293168  [psi]
        """),
        "irradiance": _table("""
            1           W/m2 W.m-2
            1000        kW/m2
        """),
        "photon flux": _table("""
            1           umol/m2/s umol/(m2.s) umol.m-2.s-1
            1000        mmol/m2/s
        """),
        "illuminance": _table("""
            1           lx
            1000        klx
        """),
        "voltage": _table("""
            1           V
            1/1000      mV
        """),
        "current": _table("""
            1           A
            1/1000      mA
        """),
        "power": _table("""
            1           W
            1000        kW
        """),
        "energy": _table("""
            1           J
            3600        Wh W.h
            3600000     kWh kW.h
        """),
        "conductivity": _table("""
            1           S/m
            1/10        dS/m mS/cm
            1/1000      mS/m
            1/10000     uS/cm
        """),
        "acidity": _table("1 pH [pH]"),
        "volume": _table("""
            1           m3
            1/1000      L l dm3
            1/1000000   mL ml
        """),
        "flow": _table("""
            1           m3/h
            3600        m3/s
            60          m3/min
            3.6         L/s l/s
            0.06        L/min l/min
            0.001       L/h l/h
        """),
        "mass": _table("""
            1           kg
            1/1000      g
            1000        t
            0.45359237  [lb_av]
        """),
        "time": _table("""
            1           s EL
            1/1000      ms
            60          min
            3600        h
            86400       d
        """),
        # How much of its time an animal does something.
        "share of time": _table("""
            1           min/h
            1/60        s/h
            1/24        min/d
            60          h/h 1
            2.5         h/d
            3/5         %
        """),
        "rate": _table("""
            1           /h 1/h {step}/h {count}/h
            60          /min 1/min beat/min
            3600        Hz 1/s
            1/24        /d 1/d
        """),
        "count": _table("1 1 {count} count {step}"),
        "index": _table("1 {index} 1"),
        "angle": _table("""
            1           deg °
            57.295779513082320877  rad
            9/10        gon
        """),
        "latitude": _table("1 deg lat"),
        "longitude": _table("1 deg lon"),
        # Levels: decibels of a power, with the reference in the code.
        "signal power": _table("""
            1           dBm dB[mW]
            1@30        dBW dB[W]
            10@30       B[W]
        """),
        "level": _table("""
            1           dB
            10          B
        """),
    }
)
"""What is measured, to the codes it is measured in."""


@lru_cache(maxsize=4096)
def conversion(from_unit: str, to_unit: str) -> Conversion:
    """Return what turns values in one unit into another.

    Parameters
    ----------
    from_unit, to_unit
        UCUM or SenML codes, case-sensitive.

    Returns
    -------
    Conversion
        The nearest doubles to the exact factor and offset; (1, 0) for equal codes.

    Raises
    ------
    UnitUnknown
        A code is in no table, or the two measure nothing in common.
    """
    for code in (from_unit, to_unit):
        if not any(code in units for units in UNITS.values()):
            raise UnitUnknown(
                f"unit {code[:40]!r} is unknown: use a UCUM or SenML code, such as Cel,"
                f" %, mm, m/s, hPa · 未知的单位，请用 UCUM 或 SenML 代码"
            )
    for units in UNITS.values():
        if from_unit in units and to_unit in units:
            return _between(units[from_unit], units[to_unit])
    raise UnitUnknown(
        f"unit {from_unit!r} cannot become {to_unit!r}: they measure different things"
        f" · 单位 {from_unit} 与 {to_unit} 不可换算"
    )


def _between(source: _Scale, target: _Scale) -> Conversion:
    return Conversion(
        factor=float(source.factor / target.factor),
        offset=float((source.offset - target.offset) / target.factor),
    )
