"""The table of limits, and limits that contradict themselves."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from sensors.quality import Limits, LimitsInvalid, Quality, limits_for
from sensors.quantities import DEVICE_KINDS, QUANTITIES
from sensors.simulated import SEED, readings_at, village


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_each_quantity_has_limits(quantity: str) -> None:
    assert limits_for("any-kind", quantity).fail is not None


def test_a_quantity_outside_of_the_table_has_no_limits() -> None:
    assert limits_for("weather-station", "gravitational_waves") == Limits()


def test_a_kind_may_have_limits_of_its_own() -> None:
    assert limits_for("cattle-collar", "battery").suspect == (2.0, 4.5)
    assert limits_for("weather-station", "battery").suspect == (1.5, 30.0)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"fail": (5, 1)}, "upside down"),
        ({"suspect": (float("nan"), 1)}, "upside down"),
        ({"fail": (0, 10), "suspect": (-1, 5)}, "beyond the fail span"),
        ({"fail": (0, 10), "suspect": (0, 11)}, "beyond the fail span"),
        ({"spike_suspect": 0}, "spike_suspect is 0"),
        ({"gap_s": float("nan")}, "gap_s is nan"),
        ({"speed": -5}, "speed is -5"),
        ({"flat_tolerance": 1}, "flat line needs"),
        ({"flat_fail_s": 60}, "flat line needs"),
    ],
)
def test_limits_that_contradict_themselves(
    limits: dict[str, float], message: str
) -> None:
    with pytest.raises(LimitsInvalid, match=message):
        Limits(**limits)  # type: ignore[arg-type]


def test_a_year_of_sound_readings_is_good() -> None:
    devices = [device for device, _ in village()]
    kinds = {device.device_id: device.kind for device in devices}
    names = sorted(
        {
            (device.device_id, name)
            for device in devices
            for name in DEVICE_KINDS[device.kind].quantities
        }
    )
    numbers = {name: number for number, name in enumerate(names)}
    quality = Quality()
    quality.add(
        list(numbers.values()),
        [limits_for(kinds[device], quantity) for device, quantity in names],
    )
    start = datetime(2025, 1, 1, tzinfo=UTC)
    flags: list[int] = []
    for hour in range(0, 365 * 24, 73):
        for minute in (0, 10, 20):
            time = start + timedelta(hours=hour, minutes=minute)
            rows = [
                (numbers[device.device_id, name], value)
                for device in devices
                for name, value in readings_at(device, time, seed=SEED).items()
            ]
            batch = quality.evaluate(
                np.array([number for number, _ in rows], np.int32),
                np.full(len(rows), round(time.timestamp() * 1e6), np.int64),
                np.array([value for _, value in rows]),
            )
            quality.commit()
            flags += batch.flag.tolist()
            assert not len(batch.revised_flag)

    assert set(flags) == {1}
