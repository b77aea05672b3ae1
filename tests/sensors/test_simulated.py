import statistics
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors import signals
from sensors.formats import decode
from sensors.quantities import DEVICE_KINDS
from sensors.simulated import SLOT, message_at, messages, readings_at, slots, village
from store.devices import Device

DEVICES = {device.device_id: device for device, _ in village()}
START = datetime(2026, 11, 23, tzinfo=UTC)
DAY = [START + timedelta(minutes=10 * n) for n in range(144)]

times = st.datetimes(
    datetime(2001, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    datetime(2050, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


def mean_of(device: Device, quantity: str, when: list[datetime]) -> float:
    return statistics.fmean(readings_at(device, time)[quantity] for time in when)


def test_village_has_its_devices() -> None:
    assert Counter(device.kind for device in DEVICES.values()) == {
        "weather-station": 2,
        "soil-probe": 6,
        "grain-bin": 3,
        "cattle-collar": 24,
    }
    assert all(device.simulated for device in DEVICES.values())
    assert all(abs(device.lon - 124.34) < 0.02 for device in DEVICES.values())
    assert all(abs(device.lat - 43.31) < 0.02 for device in DEVICES.values())


@given(st.sampled_from(sorted(DEVICES)), times)
def test_readings_are_repeatable_and_physical(device_id: str, time: datetime) -> None:
    device = DEVICES[device_id]
    values = readings_at(device, time)
    assert values == readings_at(device, time)
    assert tuple(values) == DEVICE_KINDS[device.kind].quantities
    bounds = {
        "air_temperature": (-40, 40),
        "relative_humidity": (14, 100),
        "precipitation": (0, 5),
        "wind_speed": (0, 12),
        "solar_radiation": (0, 1100),
        "soil_moisture": (0.03, 0.45),
        "soil_temperature": (-10, 32),
        "grain_temperature": (-10, 20),
        "grain_moisture": (13, 15),
        "co2": (400, 600),
        "body_temperature": (37.9, 40.6),
        "activity": (0, 100),
        "rumination": (0, 60),
        "battery": (3.4, 3.7),
    }
    for name, value in values.items():
        low, high = bounds[name]
        assert low <= value <= high, name


def test_another_seed_is_another_village() -> None:
    device = DEVICES["sim-soil-1"]
    assert readings_at(device, START) != readings_at(device, START, seed=1)


def test_november_is_cold_and_the_bins_are_colder_than_summer() -> None:
    assert -10 < mean_of(DEVICES["sim-station-1"], "air_temperature", DAY) < 0
    summer = [time.replace(month=7) for time in DAY]
    assert 19 < mean_of(DEVICES["sim-station-1"], "air_temperature", summer) < 29
    assert mean_of(DEVICES["sim-bin-1"], "grain_temperature", DAY) < 8


def test_no_sun_at_local_midnight() -> None:
    midnight = datetime(2026, 11, 22, 15, 43, tzinfo=UTC)
    assert readings_at(DEVICES["sim-station-1"], midnight)["solar_radiation"] == 0


def test_noon_sun_stands_at_the_known_height() -> None:
    # 90 - 43.31 + 23.45 = 70.14 degrees at the summer solstice.
    noon = datetime(2026, 6, 21, 3, 43, tzinfo=UTC).timestamp()
    assert signals.sun_elevation_sine(noon) == pytest.approx(0.9405, abs=0.001)


def test_cow_temperature_is_higher_in_the_evening() -> None:
    evening = [START + timedelta(days=n, hours=10) for n in range(20)]
    morning = [START + timedelta(days=n, hours=22) for n in range(20)]
    cow = DEVICES["sim-collar-05"]
    rise = mean_of(cow, "body_temperature", evening) - mean_of(
        cow, "body_temperature", morning
    )
    assert 0.4 < rise < 0.6


@given(times)
def test_one_cow_at_a_time_is_in_heat_and_one_feverish(time: datetime) -> None:
    moment = time.timestamp()
    for strength in (signals.heat_strength, signals.fever_strength):
        assert sum(strength(cow, moment) > 0 for cow in range(24)) <= 1
        # Only the instant of handing over is without one.
        assert any(
            strength(cow, moment + shift) for cow in range(24) for shift in (0, 9)
        )


def test_sick_cow_is_hot_and_ruminates_less() -> None:
    # 20,780 days after 1970: (20780 / 3) mod 24 = 14.67, so cow 14, collar 15.
    sick, sound = DEVICES["sim-collar-15"], DEVICES["sim-collar-05"]
    assert mean_of(sick, "body_temperature", DAY) > 39.2
    assert mean_of(sick, "rumination", DAY) < 0.8 * mean_of(sound, "rumination", DAY)
    assert mean_of(sound, "body_temperature", DAY) < 38.9


def test_slots_lie_on_the_clock() -> None:
    start = datetime(2026, 11, 23, 5, 3, tzinfo=UTC)
    end = datetime(2026, 11, 23, 5, 30, tzinfo=UTC)
    assert [f"{slot:%H:%M}" for slot in slots(start, end, step=SLOT)] == [
        "05:10",
        "05:20",
    ]


def test_message_is_a_valid_payload() -> None:
    device = DEVICES["sim-collar-01"]
    outgoing = message_at(device, START)
    start_us = int(START.timestamp()) * 1_000_000
    (uplink,) = decode(outgoing.topic, outgoing.payload, start_us, publisher=None)
    assert uplink.device_id == "sim-collar-01"
    assert uplink.farm == "sim-lishu"
    assert {one.time_us for one in uplink.measurements} == {start_us}
    assert {one.name: one.value for one in uplink.measurements} == readings_at(
        device, START
    )
    assert outgoing.readings == 4


def test_overlapping_histories_repeat_each_other() -> None:
    devices = list(DEVICES.values())[:3]
    first = list(messages(devices, start=START, end=START + timedelta(hours=1)))
    later = START + timedelta(minutes=25)
    second = list(messages(devices, start=later, end=START + timedelta(hours=2)))
    assert len(first) == 18
    assert second[:9] == first[9:]


def test_larger_herd_begins_with_the_same_cows() -> None:
    assert village(cows=24) == village()
    herd = [device for device, _ in village(cows=120)][11:]
    assert [device.device_id for device in herd[:24]] == [
        f"sim-collar-{number:02}" for number in range(1, 25)
    ]
    assert herd[-1].device_id == "sim-collar-120"
    assert len(village(cows=0)) == 11


@given(times)
def test_of_every_24_cows_one_is_in_heat(time: datetime) -> None:
    moment = time.timestamp()
    in_heat = [cow for cow in range(96) if signals.heat_strength(cow, moment) > 0]
    assert len({cow % 24 for cow in in_heat}) <= 1
    assert len(in_heat) in (0, 4)
