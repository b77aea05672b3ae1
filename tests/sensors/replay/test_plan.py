import json
import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.formats import decode
from sensors.replay import (
    Disturbance,
    Message,
    Reading,
    ReplayError,
    messages,
    outgoing,
    plan,
)

# 2026-11-23T05:30:00Z
T_US = 1_795_411_800_000_000
SECOND_US = 1_000_000


def recorded(count: int, *, every_s: float = 60.0) -> list[Message]:
    return messages(
        [
            Reading("ws-1", T_US + int(n * every_s * SECOND_US), "co2", None, n)
            for n in range(count)
        ]
    )


readings = st.lists(
    st.builds(
        Reading,
        st.sampled_from(["a", "b", "c"]),
        st.integers(0, 600).map(lambda second: T_US + second * SECOND_US),
        st.sampled_from(["co2", "battery"]),
        st.none(),
        st.floats(0, 1),
    ),
    max_size=60,
)
disturbances = st.builds(
    Disturbance,
    loss=st.floats(0, 1),
    duplicate=st.floats(0, 1),
    disorder_s=st.floats(0, 1_000),
)


def test_readings_of_one_time_go_into_one_message() -> None:
    found = messages(
        [
            Reading("a", T_US, "co2", None, 1),
            Reading("b", T_US, "co2", None, 2),
            Reading("a", T_US, "battery", None, 3),
            Reading("a", T_US - SECOND_US, "co2", None, 4),
        ]
    )
    assert [
        (one.device_id, one.seq, one.time_us, [reading.value for reading in one[3]])
        for one in found
    ] == [
        ("a", 1, T_US - SECOND_US, [4]),
        ("a", 2, T_US, [1, 3]),
        ("b", 1, T_US, [2]),
    ]


@given(readings)
def test_every_reading_is_in_one_message_and_no_name_twice(
    found: list[Reading],
) -> None:
    made = messages(found)
    inside = [reading for message in made for reading in message.readings]
    assert sorted(map(repr, inside)) == sorted(map(repr, found))
    for message in made:
        names = [reading.name for reading in message.readings]
        assert len(names) == len(set(names))
        assert {(one.device_id, one.time_us) for one in message.readings} == {
            (message.device_id, message.time_us)
        }
    for device in "abc":
        numbers = [message.seq for message in made if message.device_id == device]
        assert numbers == list(range(1, len(numbers) + 1))


def test_without_disturbance_all_come_once_in_order() -> None:
    given_ = recorded(100)
    assert [one.message for one in plan(given_, Disturbance(), seed=1)] == given_


@given(readings, disturbances, st.integers(0, 99))
def test_laws_of_a_plan(
    found: list[Reading], disturbance: Disturbance, seed: int
) -> None:
    made = messages(found)
    planned = list(plan(made, disturbance, seed=seed))
    assert planned == list(plan(made, disturbance, seed=seed))
    # Nothing is invented, nothing comes three times.
    copies = Counter(id(one.message) for one in planned)
    assert set(copies) <= {id(message) for message in made}
    assert set(copies.values()) <= {1, 2}
    # Due times never fall, and each message is delayed within the bound.
    dues = [one.due_us for one in planned]
    assert dues == sorted(dues)
    bound = disturbance.disorder_s * SECOND_US
    assert all(0 <= one.due_us - one.message.time_us <= bound for one in planned)


@given(readings, st.integers(0, 99), st.floats(0, 1))
def test_certain_loss_and_certain_duplication(
    found: list[Reading], seed: int, duplicate: float
) -> None:
    made = messages(found)
    assert list(plan(made, Disturbance(1.0, duplicate), seed=seed)) == []
    doubled = [one.message for one in plan(made, Disturbance(0.0, 1.0), seed=seed)]
    assert doubled == [message for message in made for _ in range(2)]


def test_rates_are_those_asked_for() -> None:
    planned = list(plan(recorded(20_000), Disturbance(0.1, 0.3), seed=7))
    copies = Counter(one.message.seq for one in planned)
    # Three standard errors of 20,000 and of 18,000 draws.
    assert abs(1 - len(copies) / 20_000 - 0.1) < 0.0064
    twice = sum(count == 2 for count in copies.values())
    assert abs(twice / len(copies) - 0.3) < 0.0103


def test_disorder_overtakes() -> None:
    planned = plan(recorded(1_000), Disturbance(disorder_s=600), seed=3)
    order = [one.message.seq for one in planned]
    assert order != sorted(order)
    assert sorted(order) == list(range(1, 1_001))
    assert len({place - seq for place, seq in enumerate(order)}) > 5


def test_what_is_lost_does_not_depend_on_the_other_settings() -> None:
    made = recorded(500)
    alone = plan(made, Disturbance(0.2), seed=9)
    with_others = plan(made, Disturbance(0.2, 0.5, 900, 30), seed=9)
    assert {one.message.seq for one in alone} == {
        one.message.seq for one in with_others
    }


def test_outgoing_says_what_was_recorded() -> None:
    message = Message(
        "ws-1",
        17,
        T_US,
        (
            Reading("ws-1", T_US, "air_temperature", "[degF]", 37.4),
            Reading("ws-1", T_US, "soil_moisture@0.2", None, 0.24),
        ),
    )
    sent = outgoing(message, farm="lishu")
    assert (sent.topic, sent.readings) == ("farm/lishu/ws-1/up", 2)
    assert json.loads(sent.payload) == {
        "seq": 17,
        "ts": "2026-11-23T05:30:00Z",
        "readings": {"air_temperature": 37.4, "soil_moisture@0.2": 0.24},
        "units": {"air_temperature": "[degF]"},
    }


@pytest.mark.parametrize("skew_s", [0.0, 90.5, -3_600.0])
def test_skew_shifts_the_devices_time(skew_s: float) -> None:
    (message,) = recorded(1)
    sent = outgoing(message, farm="lishu", skew_s=skew_s)
    (uplink,) = decode(sent.topic, sent.payload, T_US + 10**9, publisher=None)
    assert [one.time_us for one in uplink.measurements] == [
        T_US + round(skew_s * SECOND_US)
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"loss": -0.1},
        {"loss": 1.1},
        {"duplicate": math.nan},
        {"disorder_s": -1.0},
        {"disorder_s": math.inf},
        {"skew_s": math.nan},
    ],
)
def test_refused_disturbances(wrong: dict[str, float]) -> None:
    with pytest.raises(ReplayError, match="·"):
        Disturbance(**wrong)
