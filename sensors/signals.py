"""Signals of a simulated village: weather, soil, grain and cattle as functions of time.

Every function is pure: the same key and time give the same value, so that a message
sent again is a duplicate and not a conflict. Times are POSIX seconds; `key` names the
random sequence. The climate is that of the Songliao plain near 43.3 N 124.3 E (January
mean about -14 Cel, July about 24 Cel).
"""

import hashlib
import math

DAY = 86_400.0
HOUR = 3_600.0
LATITUDE = 43.31
LONGITUDE = 124.34
HERD = 24
# One cow of the herd after the other is in heat, so that there is always one to find.
OESTRUS_CYCLE = 21 * DAY
OESTRUS = OESTRUS_CYCLE / HERD
FEVER = 3 * DAY


def noise(key: str, time: float, period: float) -> float:
    """Smooth random signal in [-1, 1]: hashed knots each `period` s, cosine between."""
    position = time / period
    knot = math.floor(position)
    weight = (1 - math.cos(math.pi * (position - knot))) / 2
    return (1 - weight) * _hashed(f"{key}/{knot}") + weight * _hashed(
        f"{key}/{knot + 1}"
    )


def _hashed(name: str) -> float:
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**63 - 1


def offset(key: str) -> float:
    """Give a constant in [-1, 1] that belongs to `key`: what tells two cows apart."""
    return _hashed(f"{key}/offset")


def day_of_year(time: float) -> float:
    """Days since the turn of the year, in mean years of 365.2425 days from 1970."""
    return (time / DAY) % 365.2425


def solar_hour(time: float) -> float:
    """Mean solar time at the village, hours in [0, 24)."""
    return (time / HOUR + LONGITUDE / 15) % 24


def _annual(time: float, *, mean: float, amplitude: float, warmest_day: float) -> float:
    angle = 2 * math.pi * (day_of_year(time) - warmest_day) / 365.2425
    return mean + amplitude * math.cos(angle)


def _daily(time: float, *, peak_hour: float) -> float:
    return math.cos(2 * math.pi * (solar_hour(time) - peak_hour) / 24)


def cloud_cover(key: str, time: float) -> float:
    """Share of the sky covered, in [0, 1]."""
    # Fronts last most of a day, single clouds an hour.
    slow = noise(f"{key}/cloud", time, 18 * HOUR)
    quick = noise(f"{key}/cloudlets", time, HOUR)
    return min(1.0, max(0.0, 0.45 + 0.55 * slow + 0.1 * quick))


def air_temperature(key: str, time: float) -> float:
    """Air temperature at 2 m, Cel."""
    season = _annual(time, mean=6.0, amplitude=19.0, warmest_day=200)
    spell = 3.5 * noise(f"{key}/spell", time, 3 * DAY)
    # An overcast sky halves the daily range.
    swing = 5.5 * (1 - 0.5 * cloud_cover(key, time)) * _daily(time, peak_hour=14)
    return season + spell + swing


def relative_humidity(key: str, time: float) -> float:
    """Relative humidity, %, in [15, 99]."""
    level = 60 + 22 * cloud_cover(key, time) + 8 * noise(f"{key}/rh", time, DAY)
    return min(99.0, max(15.0, level - 14 * _daily(time, peak_hour=14)))


def precipitation(key: str, time: float) -> float:
    """Precipitation of the ten minutes before `time`, mm (snow as water)."""
    # Only an overcast sky rains; most of the year's 550 mm fall in summer.
    wet = max(0.0, cloud_cover(key, time) - 0.9) / 0.1
    season = _annual(time, mean=0.42, amplitude=0.39, warmest_day=200)
    return season * wet**2


def wind_speed(key: str, time: float) -> float:
    """Wind speed, m/s, not negative."""
    steady = 3.0 + 1.8 * noise(f"{key}/wind", time, 8 * HOUR)
    gusts = 0.6 * noise(f"{key}/gusts", time, 120)
    return max(0.0, steady + gusts + 0.8 * _daily(time, peak_hour=14))


def sun_elevation_sine(time: float) -> float:
    """Sine of the sun's elevation at the village; declination after Cooper (1969)."""
    declination = math.radians(23.45) * math.sin(
        2 * math.pi * (285 + day_of_year(time)) / 365
    )
    latitude = math.radians(LATITUDE)
    hour_angle = math.radians(15 * (solar_hour(time) - 12))
    return math.sin(latitude) * math.sin(declination) + math.cos(latitude) * math.cos(
        declination
    ) * math.cos(hour_angle)


def solar_radiation(key: str, time: float) -> float:
    """Global radiation, W/m2: Haurwitz (1945) clear sky, clouds after Kasten (1980)."""
    sine = sun_elevation_sine(time)
    if sine <= 0:
        return 0.0
    clear = 1098 * sine * math.exp(-0.057 / sine)
    return float(clear * (1 - 0.75 * cloud_cover(key, time) ** 3.4))


def soil_temperature(key: str, time: float) -> float:
    """Soil temperature at 0.1 m, Cel: later and flatter than the air's."""
    season = _annual(time, mean=8.0, amplitude=15.0, warmest_day=210)
    day = 1.2 * _daily(time, peak_hour=18) + noise(f"{key}/soil", time, 4 * DAY)
    value = season + day + offset(key)
    # Freezing water and snow hold the soil near zero far into the winter.
    return value if value > 0 else 0.4 * value


def soil_moisture(key: str, time: float) -> float:
    """Liquid soil water, m3/m3; a dielectric probe does not see the ice."""
    water = 0.26 + 0.03 * offset(key) + 0.03 * noise(f"{key}/water", time, 9 * DAY)
    liquid = 0.35 + 0.65 / (1 + math.exp(-4 * (soil_temperature(key, time) + 0.7)))
    return water * liquid


def grain_temperature(key: str, time: float) -> float:
    """Temperature inside a bin of maize, Cel: follows the season six weeks late."""
    season = _annual(time, mean=5.0, amplitude=9.0, warmest_day=242)
    return season + 0.8 * offset(key) + 0.15 * noise(f"{key}/grain", time, DAY)


def grain_moisture(key: str, time: float) -> float:
    """Moisture of stored maize, % wet basis."""
    return 14.1 + 0.3 * offset(key) + 0.05 * noise(f"{key}/moisture", time, 5 * DAY)


def grain_co2(key: str, time: float) -> float:
    """Carbon dioxide in the head space of a sound bin, ppm."""
    return 500 + 40 * offset(key) + 25 * noise(f"{key}/co2", time, 12 * HOUR)


def battery(key: str, time: float) -> float:
    """Voltage of a lithium cell, V."""
    return 3.58 + 0.04 * offset(key) + 0.02 * noise(f"{key}/battery", time, 10 * DAY)


def heat_strength(cow: int, time: float) -> float:
    """Oestrus of a cow, in [0, 1]: 21 hours every 21 days, one of 24 at a time."""
    since_onset = (time - cow * OESTRUS) % OESTRUS_CYCLE
    return (
        math.sin(math.pi * since_onset / OESTRUS) ** 2 if since_onset < OESTRUS else 0.0
    )


def fever_strength(cow: int, time: float) -> float:
    """Mild illness of a cow, in [0, 1]: three days each, one of 24 at a time."""
    since_onset = (time - cow * FEVER) % (HERD * FEVER)
    share = since_onset / FEVER
    return min(1.0, 5 * share, 5 * (1 - share)) if share < 1 else 0.0


def body_temperature(key: str, cow: int, time: float) -> float:
    """Core temperature of a cow, Cel: 38.6, highest in the evening."""
    healthy = 38.6 + 0.12 * offset(key) + 0.25 * _daily(time, peak_hour=18)
    wobble = 0.08 * noise(f"{key}/body", time, HOUR)
    return healthy + wobble + 0.3 * heat_strength(cow, time) + fever_strength(cow, time)


def _bout(time: float, *, hour: float, width: float) -> float:
    return math.exp(-(((solar_hour(time) - hour) / width) ** 2))


def activity(key: str, cow: int, time: float) -> float:
    """Activity index, in [0, 100]: busy at the two feedings, quiet at night."""
    feeding = _bout(time, hour=6.5, width=1.5) + _bout(time, hour=16, width=1.8)
    daytime = max(0.0, _daily(time, peak_hour=12))
    usual = (6 + 24 * feeding + 8 * daytime) * (1 + 0.1 * offset(key))
    state = 1 + 1.2 * heat_strength(cow, time) - 0.4 * fever_strength(cow, time)
    return min(100.0, usual * state * (1 + 0.25 * noise(f"{key}/act", time, 1_200)))


def rumination(key: str, cow: int, time: float) -> float:
    """Rumination, min/h, in [0, 60]: about eight hours a day, mostly at night."""
    feeding = _bout(time, hour=6.5, width=1.5) + _bout(time, hour=16, width=1.8)
    # A cow that eats does not ruminate.
    usual = 23 + 5 * _daily(time, peak_hour=1) - 14 * min(1.0, feeding)
    state = 1 - 0.2 * heat_strength(cow, time) - 0.4 * fever_strength(cow, time)
    wobble = 1 + 0.2 * noise(f"{key}/rumination", time, 1_800)
    return min(60.0, max(0.0, (usual + 1.5 * offset(key)) * state * wobble))
