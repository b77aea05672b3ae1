"""A simulated village of 梨树县 (220322) in Jilin: its devices and what they report.

Everything here is marked ``simulated`` and is a deterministic function of the seed, the
device and the time.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from sensors import signals
from sensors.publisher import Outgoing
from sensors.quantities import stream_specs
from store.devices import Device, StreamSpec

__all__ = [
    "FARM",
    "SEED",
    "SLOT",
    "message_at",
    "messages",
    "readings_at",
    "slots",
    "village",
]

SEED = 220_322
SLOT = timedelta(minutes=10)
FARM = "sim-lishu"
COUNTY = "220322"
INSTALLED_AT = datetime(2026, 4, 1, tzinfo=UTC)

# Degrees of longitude and latitude in 100 m at 43.31 N.
_EAST = 0.1 / 81.0
_NORTH = 0.1 / 111.1


def village(*, cows: int = signals.HERD) -> list[tuple[Device, list[StreamSpec]]]:
    """Return the village's devices, each with its streams; the same at every call.

    Two weather stations, six soil probes, three grain bins and the collars of a herd of
    beef cows: 35 devices with the usual 24 cows. A larger herd begins with the same
    cows; of every 24 cows one is in heat and one feverish. Coordinates are WGS 84
    degrees.
    """
    return [*_stations(), *_probes(), *_bins(), *_collars(cows)]


def _stations() -> Iterator[tuple[Device, list[StreamSpec]]]:
    places = (("村东", "East", 6, 1), ("村西", "West", -7, -2))
    for number, (zh, en, east, north) in enumerate(places, start=1):
        yield _device(
            f"sim-station-{number}",
            kind="weather-station",
            names=(f"{zh}气象站", f"{en} weather station"),
            thing=f"village-{en.lower()}",
            east=east,
            north=north,
        )


def _probes() -> Iterator[tuple[Device, list[StreamSpec]]]:
    for number in range(1, 7):
        yield _device(
            f"sim-soil-{number}",
            kind="soil-probe",
            names=(f"{number}号地墒情仪", f"Soil probe of plot {number}"),
            thing=f"plot-{number}",
            east=4 * number - 14,
            north=9 if number % 2 else -9,
        )


def _bins() -> Iterator[tuple[Device, list[StreamSpec]]]:
    for number in range(1, 4):
        yield _device(
            f"sim-bin-{number}",
            kind="grain-bin",
            names=(f"{number}号玉米仓", f"Maize bin {number}"),
            thing=f"bin-{number}",
            east=0.3 * number,
            north=1,
        )


def _collars(cows: int) -> Iterator[tuple[Device, list[StreamSpec]]]:
    for number in range(1, cows + 1):
        yield _device(
            f"sim-collar-{number:02}",
            kind="cattle-collar",
            names=(f"西门塔尔牛{number:02}号", f"Simmental cow {number:02}"),
            thing=f"cow-{number:02}",
            east=-1 - 0.1 * (number % 6),
            north=-1 - 0.1 * (number // 6),
        )


def _device(
    device_id: str,
    *,
    kind: str,
    names: tuple[str, str],
    thing: str,
    east: float,
    north: float,
) -> tuple[Device, list[StreamSpec]]:
    """Place a device `east` and `north` of the village square, in units of 100 m."""
    device = Device(
        device_id=device_id,
        farm=FARM,
        name_zh=names[0],
        name_en=names[1],
        kind=kind,
        lon=round(signals.LONGITUDE + east * _EAST, 6),
        lat=round(signals.LATITUDE + north * _NORTH, 6),
        county=COUNTY,
        simulated=True,
        created_at=INSTALLED_AT,
    )
    return device, stream_specs(kind, thing=thing)


def _station_readings(key: str, _number: int, time: float) -> dict[str, float]:
    # One sky hangs over all stations: only the instruments differ.
    sky = key.split("/")[0]
    bias = 0.2 * signals.noise(key, time, signals.HOUR)
    return {
        "air_temperature": round(signals.air_temperature(sky, time) + bias, 1),
        "relative_humidity": round(signals.relative_humidity(sky, time) - 2 * bias, 1),
        "precipitation": round(signals.precipitation(sky, time), 2),
        "wind_speed": round(signals.wind_speed(key, time), 1),
        "solar_radiation": round(signals.solar_radiation(sky, time), 0),
    }


def _probe_readings(key: str, _number: int, time: float) -> dict[str, float]:
    return {
        "soil_moisture": round(signals.soil_moisture(key, time), 3),
        "soil_temperature": round(signals.soil_temperature(key, time), 2),
        "battery": round(signals.battery(key, time), 2),
    }


def _bin_readings(key: str, _number: int, time: float) -> dict[str, float]:
    return {
        "grain_temperature": round(signals.grain_temperature(key, time), 2),
        "grain_moisture": round(signals.grain_moisture(key, time), 2),
        "co2": round(signals.grain_co2(key, time), 0),
    }


def _collar_readings(key: str, number: int, time: float) -> dict[str, float]:
    cow = number - 1
    return {
        "body_temperature": round(signals.body_temperature(key, cow, time), 2),
        "activity": round(signals.activity(key, cow, time), 1),
        "rumination": round(signals.rumination(key, cow, time), 1),
        "battery": round(signals.battery(key, time), 2),
    }


_READINGS: Mapping[str, Callable[[str, int, float], dict[str, float]]] = (
    MappingProxyType(
        {
            "weather-station": _station_readings,
            "soil-probe": _probe_readings,
            "grain-bin": _bin_readings,
            "cattle-collar": _collar_readings,
        }
    )
)


def readings_at(
    device: Device, time: datetime, *, seed: int = SEED
) -> dict[str, float]:
    """Return what a device of the village measures at a time.

    Parameters
    ----------
    device
        One of the devices of `village`.
    time
        Timezone-aware.
    seed
        Another seed is another village under the same names.

    Returns
    -------
    dict
        Quantity to value, in the units of `sensors.quantities`; every quantity of the
        device's kind. The same arguments give the same values.
    """
    number = int(device.device_id.rsplit("-", 1)[1])
    key = f"{seed}/{device.device_id}"
    return _READINGS[device.kind](key, number, time.timestamp())


def message_at(
    device: Device, time: datetime, *, step: timedelta = SLOT, seed: int = SEED
) -> Outgoing:
    """Return the message a device sends at a time; ``seq`` counts `step` from 1970."""
    readings = readings_at(device, time, seed=seed)
    document = {
        "seq": int(time.timestamp() // step.total_seconds()),
        "ts": time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "readings": readings,
    }
    return Outgoing(
        topic=f"farm/{device.farm}/{device.device_id}/up",
        payload=json.dumps(document, separators=(",", ":")).encode(),
        readings=len(readings),
    )


def slots(start: datetime, end: datetime, *, step: timedelta) -> Iterator[datetime]:
    """Yield the multiples of `step` since 1970 with ``start <= slot < end``, in UTC."""
    seconds = step.total_seconds()
    slot = math.ceil(start.timestamp() / seconds)
    while slot * seconds < end.timestamp():
        yield datetime.fromtimestamp(slot * seconds, UTC)
        slot += 1


def messages(
    devices: Sequence[Device],
    *,
    start: datetime,
    end: datetime,
    step: timedelta = SLOT,
    seed: int = SEED,
) -> Iterator[Outgoing]:
    """Yield every device's message of every slot from `start` until before `end`.

    Ordered by time, then as `devices`. Slots lie on multiples of `step`, so histories
    that overlap repeat each other exactly.
    """
    for time in slots(start, end, step=step):
        for device in devices:
            yield message_at(device, time, step=step, seed=seed)
