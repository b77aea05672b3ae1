"""What is forwarded of each kind of message."""

import json
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.delivery import Delivery
from sensors.edge.rewriting import How, forward
from sensors.formats import MAX_PAYLOAD, decode

# 2026-01-01T00:00:10.000001Z
RECEIVED = 1_767_225_610_000_001


class Nobody:
    def settled(self, deliveries: object) -> None:
        pass


def delivery(topic: str, payload: bytes | object, device_id: str = "a") -> Delivery:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Delivery(topic, body, RECEIVED, Nobody(), None, device_id, "f1")


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (
            "farm/f1/a/up",
            b'{ "ts" : "2026-01-01T00:00:00+08:00", "readings": {"co2": 1} }',
        ),
        (
            "farm/f1/a/up",
            b'[{"bn":"a/","bt":1767225600,"n":"co2","u":"ppm","v":400}]',
        ),
        ("farm/f1/a/state", b'{"ts":"2026-01-01T00:00:00Z","state":{"fan":"on"}}'),
        ("v1/gateway/telemetry", b'{"A b":[{"ts":1767225600000,"values":{"co2":1}}]}'),
    ],
)
def test_a_message_with_its_own_time_passes_byte_by_byte(
    topic: str, payload: bytes
) -> None:
    done = forward(delivery(topic, payload), farm="f1")

    assert done.how is How.AS_IT_CAME
    assert done.messages == [(topic, payload)]


def test_an_age_becomes_a_time() -> None:
    payload = {
        "age_s": 10,
        "seq": 7,
        "readings": {"air_temperature": 41.5},
        "units": {"air_temperature": "[degF]"},
        "corr": True,
    }

    done = forward(delivery("farm/f1/a/up", payload), farm="f1")

    assert done.how is How.REWRITTEN
    assert done.messages == [
        (
            "farm/f1/a/up",
            b'{"seq":7,"ts":"2026-01-01T00:00:00.000001Z",'
            b'"readings":{"air_temperature":41.5},'
            b'"units":{"air_temperature":"[degF]"},"corr":true}',
        )
    ]


def test_the_age_of_a_state_becomes_a_time() -> None:
    payload = {"age_s": 0, "state": {"fan": "on", "speed": 2}, "command": "c-1"}

    done = forward(delivery("farm/f1/fan/state", payload), farm="f1")

    assert done.messages == [
        (
            "farm/f1/fan/state",
            b'{"ts":"2026-01-01T00:00:10.000001Z",'
            b'"state":{"fan":"on","speed":2.0},"command":"c-1"}',
        )
    ]


def test_the_telemetry_of_me_becomes_that_of_the_device() -> None:
    done = forward(delivery("v1/devices/me/telemetry", {"co2": 400}), farm="f1")

    assert done.messages == [
        (
            "farm/f1/a/up",
            b'{"ts":"2026-01-01T00:00:10.000001Z","readings":{"co2":400.0}}',
        )
    ]


def test_telemetry_of_several_times_becomes_several_messages() -> None:
    payload = [
        {"ts": 1_767_225_600_000, "values": {"co2": 1, "ammonia": 2}},
        {"ts": 1_767_225_601_000, "values": {"co2": 3}},
    ]

    done = forward(delivery("v1/devices/me/telemetry", payload), farm="f1")

    assert [json.loads(body) for _, body in done.messages] == [
        {"ts": "2026-01-01T00:00:00Z", "readings": {"co2": 1.0, "ammonia": 2.0}},
        {"ts": "2026-01-01T00:00:01Z", "readings": {"co2": 3.0}},
    ]


def test_one_name_twice_at_one_time_is_not_lost() -> None:
    payload = [{"co2": 1}, {"co2": 2}]

    done = forward(delivery("v1/devices/me/telemetry", payload), farm="f1")

    values = [json.loads(body)["readings"]["co2"] for _, body in done.messages]
    assert values == [1.0, 2.0]


def test_a_gateway_without_times_keeps_its_format() -> None:
    payload = {
        "Dev/A": [{"co2": 1}],
        "B": [{"ts": 1_767_225_600_000, "values": {"x": 2}}],
    }

    done = forward(delivery("v1/gateway/telemetry", payload), farm="f1")

    ((topic, body),) = done.messages
    assert topic == "v1/gateway/telemetry"
    assert json.loads(body) == {
        "Dev/A": [{"ts": 1_767_225_610_000, "values": {"co2": 1.0}}],
        "B": [{"ts": 1_767_225_600_000, "values": {"x": 2.0}}],
    }


def test_relative_senml_becomes_messages_with_times() -> None:
    records = [
        {"bn": "a/", "n": "co2", "u": "ppm", "t": -5, "v": 400},
        {"n": "co2", "u": "ppm", "t": 0, "v": 401},
    ]

    done = forward(
        delivery("farm/f1/a/up", cbor2.dumps(records_cbor(records))), farm="f1"
    )

    assert done.how is How.REWRITTEN
    assert [json.loads(body)["ts"] for _, body in done.messages] == [
        "2026-01-01T00:00:05.000001Z",
        "2026-01-01T00:00:10.000001Z",
    ]


def records_cbor(records: list[dict[str, Any]]) -> list[dict[int, Any]]:
    """SenML's integer labels, RFC 8428 section 6."""
    labels = {"bn": -2, "n": 0, "u": 1, "v": 2, "t": 6}
    return [{labels[key]: value for key, value in each.items()} for each in records]


@pytest.mark.parametrize("payload", [b"", b"\xff\xfe", b"{", b'{"readings":{"x":1}}'])
def test_what_cannot_be_read_passes_as_it_came(payload: bytes) -> None:
    done = forward(delivery("farm/f1/a/up", payload), farm="f1")

    assert done.how is How.UNDECODABLE
    assert done.messages == [("farm/f1/a/up", payload)]


def test_what_cannot_be_read_of_me_names_the_device() -> None:
    done = forward(delivery("v1/devices/me/telemetry", b"?"), farm="f1")

    assert done.messages == [("farm/f1/a/up", b"?")]


def test_a_message_that_grows_beyond_its_limit_is_cut() -> None:
    # Each 1 becomes 1.0, and the age a time.
    values = dict.fromkeys((f"n{number:04}" for number in range(1_600)), 1)
    document = {"age_s": 0, "seq": 3, "readings": values}
    body = json.dumps(document, separators=(",", ":")).encode()
    assert len(body) <= MAX_PAYLOAD < len(body) + 2 * len(values)

    done = forward(delivery("farm/f1/a/up", body), farm="f1")

    parts = [json.loads(part) for _, part in done.messages]
    assert all(len(part) <= MAX_PAYLOAD for _, part in done.messages)
    assert {name: 1 for part in parts for name in part["readings"]} == values
    assert [part.get("seq") for part in parts] == [3, None]


@given(
    st.dictionaries(
        st.text("abcdefgh_@.0123456789", min_size=1, max_size=12),
        st.floats(allow_nan=False, allow_infinity=False),
        min_size=1,
        max_size=20,
    ),
    st.floats(0, 1e6),
    st.one_of(st.none(), st.integers(0, 2**63 - 1)),
)
def test_what_is_forwarded_means_later_what_it_meant_at_receipt(
    values: dict[str, float], age_s: float, seq: int | None
) -> None:
    document: dict[str, Any] = {"age_s": age_s, "readings": values}
    if seq is not None:
        document["seq"] = seq
    came = delivery("farm/f1/a/up", document)
    at_receipt = decode(came.topic, came.payload, RECEIVED, publisher="a")

    done = forward(came, farm="f1")

    ((topic, payload),) = done.messages
    much_later = RECEIVED + 86_400_000_000
    assert decode(topic, payload, much_later, publisher=None) == at_receipt
