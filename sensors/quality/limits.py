"""The limits that the quality tests hold a quantity against, and where they come from.

Each number stands beside its source:

- **WMO**: I. Zahumenský, *Guidelines on Quality Control Procedures for Data from
  Automatic Weather Stations*, WMO CBS/OPAG-IOS ET-AWS-3/Doc. 4(1), 2004: plausible
  values and largest steps from one minute to the next.
- **Merck**: *Merck Veterinary Manual*, "Normal Rectal Temperature Ranges".
- **Maxim**: data sheet of the DS18B20, the sensor in most grain cables.
- **definition**: what the quantity or its unit cannot exceed.
- **judgement**: engineering judgement, for want of a published number.

A range in parts of a farm is often narrower: give `Quality.add` your own limits.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from sensors.quality.errors import LimitsInvalid

__all__ = ["Limits", "limits_for"]

Span = tuple[float, float]

HOUR = 3_600.0
DAY = 86_400.0
MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What the tests allow; a test without a limit is not run.

    Attributes
    ----------
    fail, suspect
        Gross range (QARTOD test 4): flag 4 outside of `fail`, 3 outside of `suspect`,
        which lies within `fail`; both ends belong to the span; unit of the stream.
    spike_suspect, spike_fail
        Largest distance from the mean of the two neighbours (test 6), unit of the
        stream.
    rate_suspect, rate_fail
        Largest change against the reading before (test 7), unit of the stream a second.
    flat_tolerance
        A run of readings is flat while its range stays below this (test 8), unit of the
        stream.
    flat_suspect_s, flat_fail_s
        Seconds of a flat run from which on readings are flagged.
    gap_s
        Readings further apart than this many seconds are no neighbours (test 1).
    speed
        Largest speed between two fixes of a position, m/s (test 3); needs the other
        coordinate, see `sensors.quality.Quality.add`.

    Raises
    ------
    LimitsInvalid
        A span is upside down, `suspect` reaches beyond `fail`, a limit is not a
        positive number, or a flat line has a tolerance but no time, or the reverse.
    """

    fail: Span | None = None
    suspect: Span | None = None
    spike_suspect: float | None = None
    spike_fail: float | None = None
    rate_suspect: float | None = None
    rate_fail: float | None = None
    flat_tolerance: float | None = None
    flat_suspect_s: float | None = None
    flat_fail_s: float | None = None
    gap_s: float | None = None
    speed: float | None = None

    def __post_init__(self) -> None:
        self._check_spans()
        self._check_positive()
        flat_times = (self.flat_suspect_s, self.flat_fail_s)
        if (self.flat_tolerance is None) != (flat_times == (None, None)):
            raise LimitsInvalid(
                "a flat line needs flat_tolerance and flat_suspect_s or flat_fail_s:"
                " give both or neither · 平线检验须同时给出容差与时长"
            )

    def _check_spans(self) -> None:
        for name, span in (("fail", self.fail), ("suspect", self.suspect)):
            # The negation also catches NaN.
            if span is not None and not span[0] <= span[1]:
                raise LimitsInvalid(
                    f"{name} span {span} is upside down: give (lowest, highest)"
                    f" · {name} 范围应为（最小值，最大值）"
                )
        if self.fail is None or self.suspect is None:
            return
        if self.suspect[0] < self.fail[0] or self.suspect[1] > self.fail[1]:
            raise LimitsInvalid(
                f"suspect span {self.suspect} reaches beyond the fail span {self.fail}:"
                " narrow it · 可疑范围须在失败范围之内"
            )

    def _check_positive(self) -> None:
        for name in _POSITIVE:
            limit = getattr(self, name)
            if limit is not None and not limit > 0:
                raise LimitsInvalid(
                    f"{name} is {limit}: give a number above zero, or None for no test"
                    f" · {name} 须大于零"
                )


_POSITIVE = (
    "spike_suspect",
    "spike_fail",
    "rate_suspect",
    "rate_fail",
    "flat_tolerance",
    "flat_suspect_s",
    "flat_fail_s",
    "gap_s",
    "speed",
)

NO_LIMITS = Limits()
# Judgement: the usual device reports every 10 min to 2 h; QARTOD leaves it to the user.
USUAL = Limits(gap_s=3 * HOUR)
# Definition: minutes of an hour.
HOURLY = replace(USUAL, fail=(0.0, 60.0))
# Judgement: ends of the common 7-in-1 probes.
NUTRIENT = replace(USUAL, fail=(0.0, 3000.0), suspect=(0.0, 2000.0))
# Judgement: 0.01 Cel is the usual resolution, no animal holds that long.
ALIVE = replace(
    USUAL, flat_tolerance=0.005, flat_suspect_s=12 * HOUR, flat_fail_s=2 * DAY
)
# Judgement: collars and probes live on one lithium cell.
ONE_CELL = replace(USUAL, fail=(0.0, 6.0), suspect=(2.0, 4.5))

_LIMITS: Mapping[str, Limits] = MappingProxyType(
    {
        "air_temperature": replace(
            USUAL,
            # WMO -80..60; Jilin's records are -45 and 41 (judgement: rounded outwards).
            fail=(-80.0, 60.0),
            suspect=(-50.0, 45.0),
            # WMO step: 3 Cel from one minute to the next.
            rate_suspect=3 / MINUTE,
            # Judgement: a front moves 5 Cel within an hour, but does not move back.
            spike_suspect=6.0,
            spike_fail=15.0,
            # WMO asks 0.1 Cel in an hour; fog and snow cover hold longer (judgement).
            flat_tolerance=0.01,
            flat_suspect_s=6 * HOUR,
            flat_fail_s=DAY,
        ),
        "relative_humidity": replace(
            USUAL,
            # Definition, and the 2 % by which a saturated polymer sensor reads high.
            fail=(0.0, 105.0),
            # Judgement.
            suspect=(2.0, 102.0),
            # WMO step: 10 % suspect, 15 % erroneous.
            rate_suspect=10 / MINUTE,
            spike_suspect=30.0,
        ),
        "air_pressure": replace(
            USUAL,
            # WMO 500..1100 hPa; below 2,700 m, Jilin's highest peak (judgement).
            fail=(500.0, 1100.0),
            suspect=(700.0, 1060.0),
            # WMO step: 0.5 hPa suspect, 2 hPa erroneous.
            rate_suspect=0.5 / MINUTE,
            rate_fail=2 / MINUTE,
            spike_suspect=3.0,
        ),
        "precipitation": replace(
            # WMO 0..40 mm a minute, over the ten minutes of a usual reading.
            USUAL,
            fail=(0.0, 400.0),
            # Judgement: a hundred-year storm brings 40 mm in ten minutes.
            suspect=(0.0, 40.0),
        ),
        "wind_speed": replace(
            # WMO 0..75 m/s; suspect above a hurricane's 32.7 (Beaufort 12).
            USUAL,
            fail=(0.0, 75.0),
            suspect=(0.0, 32.7),
            # WMO step: 10 m/s suspect, 20 m/s erroneous.
            rate_suspect=10 / MINUTE,
            rate_fail=20 / MINUTE,
        ),
        # Definition; a vane turns through north at will.
        "wind_direction": replace(USUAL, fail=(0.0, 360.0)),
        "solar_radiation": replace(
            # WMO 0..1600 W/m2; a thermopile reads a little below zero at night and
            # cloud edges focus above the solar constant (judgement).
            USUAL,
            fail=(-20.0, 1600.0),
            suspect=(-10.0, 1400.0),
            # WMO step: 1000 W/m2 erroneous.
            rate_suspect=800 / MINUTE,
            rate_fail=1000 / MINUTE,
        ),
        # 4.57 umol/J of sunlight (McCree 1972), of which 0.45 is visible: 1600 W/m2.
        "par": replace(USUAL, fail=(-20.0, 3300.0), suspect=(-10.0, 2900.0)),
        # Judgement: direct sun has 120,000 lx, cloud edges a little more.
        "illuminance": replace(USUAL, fail=(0.0, 250_000.0), suspect=(0.0, 150_000.0)),
        # Judgement: a black globe in the sun is up to 25 above the air.
        "globe_temperature": replace(
            USUAL, fail=(-80.0, 90.0), suspect=(-50.0, 70.0), rate_suspect=3 / MINUTE
        ),
        # Saturation at 60 Cel is 20 kPa; at 45 Cel 9.6 kPa (Tetens).
        "vapour_pressure_deficit": replace(
            USUAL, fail=(-0.5, 20.0), suspect=(0.0, 9.6)
        ),
        "dew_point": replace(
            # WMO -80..35; step 2 Cel suspect, 4 Cel erroneous.
            USUAL,
            fail=(-80.0, 35.0),
            suspect=(-50.0, 30.0),
            rate_suspect=2 / MINUTE,
            rate_fail=4 / MINUTE,
        ),
        # Definition: share of the leaf, or of the time.
        "leaf_wetness": replace(USUAL, fail=(0.0, 100.0)),
        "soil_moisture": replace(
            USUAL,
            # Definition: no mineral soil holds more than its pores, peat up to 0.9.
            fail=(0.0, 1.0),
            # Judgement: saturation of the province's black soils is about 0.55.
            suspect=(0.02, 0.6),
            # Judgement: rain wets the top within minutes, but does not leave again.
            spike_suspect=0.1,
            spike_fail=0.3,
        ),
        "soil_temperature": replace(
            # WMO -80..80; bare black soil in the sun (judgement).
            USUAL,
            fail=(-80.0, 80.0),
            suspect=(-45.0, 60.0),
            # WMO step at 5 to 20 cm: 0.5 Cel suspect, 1 Cel erroneous.
            rate_suspect=0.5 / MINUTE,
            rate_fail=1 / MINUTE,
            spike_suspect=4.0,
            spike_fail=10.0,
        ),
        # Judgement: 1 dS/m is fertile, 4 saline (USSL), 23 the end of common probes.
        "soil_conductivity": replace(USUAL, fail=(0.0, 30.0), suspect=(0.0, 8.0)),
        # Definition; judgement for soils (soda-saline soils reach 10.5).
        "soil_ph": replace(USUAL, fail=(0.0, 14.0), suspect=(3.5, 11.0)),
        # Judgement: a tensiometer ends at -90, a granular matrix sensor at -240.
        "soil_matric_potential": replace(
            USUAL, fail=(-3000.0, 10.0), suspect=(-300.0, 5.0)
        ),
        "soil_nitrogen": NUTRIENT,
        "soil_phosphorus": NUTRIENT,
        "soil_potassium": NUTRIENT,
        # Judgement: wells and ponds; a level sensor reads a little below its zero.
        "water_level": replace(USUAL, fail=(-200.0, 1000.0), suspect=(-100.0, 200.0)),
        # Judgement: a pipe of 0.5 m; backwards is suspect.
        "water_flow": replace(USUAL, fail=(-5000.0, 5000.0), suspect=(0.0, 2000.0)),
        # Definition: a counter.
        "water_volume": replace(USUAL, fail=(0.0, 1e9)),
        # Judgement: drip and sprinkler lines; 1.6 MPa is the common pipe's class.
        "water_pressure": replace(
            USUAL, fail=(-100.0, 4000.0), suspect=(-20.0, 1600.0)
        ),
        # Definition: liquid; judgement: open water stays below 40.
        "water_temperature": replace(
            USUAL, fail=(-10.0, 100.0), suspect=(-2.0, 40.0), spike_suspect=5.0
        ),
        "grain_temperature": replace(
            USUAL,
            # Maxim: -55..125; the 85 that it says after a power fault is suspect.
            fail=(-55.0, 125.0),
            # Judgement: grain that heats itself stops near 60.
            suspect=(-40.0, 65.0),
            # Judgement: a grain mass is slow, 1 Cel a day is already a hot spot.
            rate_suspect=5 / HOUR,
            spike_suspect=2.0,
            spike_fail=8.0,
        ),
        "grain_moisture": replace(
            USUAL,
            # Definition.
            fail=(0.0, 100.0),
            # Judgement: over-dried 6, maize from a wet harvest 38.
            suspect=(6.0, 40.0),
            spike_suspect=1.5,
            spike_fail=5.0,
        ),
        # As the air, and a tin roof in the sun (judgement).
        "headspace_temperature": replace(
            USUAL, fail=(-80.0, 90.0), suspect=(-50.0, 65.0), rate_suspect=3 / MINUTE
        ),
        "headspace_humidity": replace(
            USUAL, fail=(0.0, 105.0), suspect=(2.0, 102.0), rate_suspect=10 / MINUTE
        ),
        "co2": replace(
            USUAL,
            # Judgement: end of wide infrared sensors; the free air has above 400.
            fail=(0.0, 100_000.0),
            suspect=(300.0, 20_000.0),
        ),
        "ammonia": replace(
            # Judgement: end of electrochemical sensors; a barn should stay below 25.
            USUAL,
            fail=(0.0, 1000.0),
            suspect=(0.0, 200.0),
        ),
        "body_temperature": replace(
            ALIVE,
            # Merck: cattle 36.7..39.3; a sensor that comes off tends to the air's.
            fail=(20.0, 46.0),
            # Judgement: below is no living animal's core, above no animal survives.
            suspect=(34.0, 42.5),
            rate_suspect=1 / MINUTE,
        ),
        # As the body's, and 10 lower after cold water (judgement).
        "reticulum_temperature": replace(ALIVE, fail=(5.0, 46.0), suspect=(25.0, 42.5)),
        # Definition; below 5.0 is acute acidosis, above 7.5 no digestion (judgement).
        "reticulum_ph": replace(USUAL, fail=(0.0, 14.0), suspect=(4.5, 8.0)),
        # Judgement: an ear in the frost is far below the body, in the sun above it.
        "ear_temperature": replace(USUAL, fail=(-60.0, 70.0), suspect=(-20.0, 45.0)),
        # Judgement: an index of 0..100, some makers count to 255.
        "activity": replace(USUAL, fail=(0.0, 1000.0), suspect=(0.0, 255.0)),
        # The maker's scale (SCR Heatime): -100..100.
        "activity_change": replace(
            USUAL, fail=(-1000.0, 1000.0), suspect=(-100.0, 100.0)
        ),
        # Judgement: IceQube counts reach some thousands in 15 min of running.
        "motion_index": replace(USUAL, fail=(0.0, 1e6), suspect=(0.0, 20_000.0)),
        "rumination": HOURLY,
        "eating": HOURLY,
        "drinking": HOURLY,
        "lying": HOURLY,
        "standing": HOURLY,
        # Judgement: a cow on the move takes 60 steps a minute.
        "steps": replace(USUAL, fail=(0.0, 20_000.0), suspect=(0.0, 5_000.0)),
        "tail_raises": replace(USUAL, fail=(0.0, 1_000.0), suspect=(0.0, 200.0)),
        # Judgement: 90 kg is a record cow's day, in one to three milkings.
        "milk_yield": replace(USUAL, fail=(0.0, 200.0), suspect=(0.0, 60.0)),
        # Judgement: a lamb to the heaviest bull.
        "body_weight": replace(USUAL, fail=(0.0, 2_500.0), suspect=(1.0, 1_500.0)),
        # Definition of the coordinates; the suspect box holds north-east China with the
        # east of Inner Mongolia (judgement): a farm's own box is narrower.
        "latitude": replace(USUAL, fail=(-90.0, 90.0), suspect=(38.0, 54.0), speed=5.0),
        "longitude": replace(
            USUAL, fail=(-180.0, 180.0), suspect=(111.0, 136.0), speed=5.0
        ),
        # Definition; a fix above 10 says little (judgement).
        "hdop": replace(USUAL, fail=(0.0, 100.0), suspect=(0.3, 10.0)),
        # Judgement: the lowest land, the highest peak; Jilin has 5..2,691 m.
        "altitude": replace(USUAL, fail=(-500.0, 9_000.0), suspect=(-50.0, 3_000.0)),
        # Judgement: one cell 1.5..4.2, a solar panel's lead battery up to 15.
        "battery": replace(USUAL, fail=(0.0, 60.0), suspect=(1.5, 30.0)),
        # Definition.
        "battery_level": replace(USUAL, fail=(0.0, 100.0)),
        # Judgement: noise floor and overload of LoRa and cellular receivers.
        "rssi": replace(USUAL, fail=(-200.0, 20.0), suspect=(-150.0, 0.0)),
        "snr": replace(USUAL, fail=(-50.0, 100.0), suspect=(-30.0, 60.0)),
        # Judgement: what electronics survive, and what a case in the sun reaches.
        "case_temperature": replace(USUAL, fail=(-60.0, 125.0), suspect=(-50.0, 85.0)),
    }
)

# What differs where a device of this kind measures the quantity.
_OF_KIND: Mapping[tuple[str, str], Limits] = MappingProxyType(
    {
        ("cattle-collar", "battery"): ONE_CELL,
        ("soil-probe", "battery"): ONE_CELL,
    }
)


def limits_for(kind: str, quantity: str) -> Limits:
    """Return the limits of a quantity as a device of a kind measures it.

    Limits without any test for a quantity that is not in the table: its readings are
    flagged 2, not evaluated.
    """
    known = _LIMITS.get(quantity, NO_LIMITS)
    return _OF_KIND.get((kind, quantity), known)
