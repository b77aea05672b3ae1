"""Whatever comes on whatever topic: uplinks that keep the promise, or a reason."""

import json
import math

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.errors import PayloadInvalid
from sensors.formats import MAX_PAYLOAD, decode
from tests.sensors.formats.samples import NOW_US, attempt

TOPICS = [
    "farm/lishu/ws-1/up",
    "farm/lishu/ws-1/state",
    "v1/devices/me/telemetry",
    "v1/gateway/telemetry",
    "application/1/device/a8404187d187106e/event/up",
    "v3/app/devices/ws-1/up",
]

KEYS = st.sampled_from(
    [
        "ts",
        "age_s",
        "readings",
        "state",
        "command",
        "units",
        "corr",
        "seq",
        "values",
        "bn",
        "bt",
        "bu",
        "bv",
        "bver",
        "n",
        "u",
        "v",
        "t",
        "vs",
        "time",
        "object",
        "deviceInfo",
        "devEui",
        "fCnt",
        "end_device_ids",
        "device_id",
        "uplink_message",
        "decoded_payload",
        "received_at",
        "f_cnt",
    ]
) | st.text(st.characters(), max_size=3)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**66), 2**66)
    | st.floats()
    | st.text(st.characters(), max_size=4)
    | st.sampled_from(["2026-11-23T05:30:00Z", "ws-1", "a8404187d187106e", 1.7e9])
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6)
    ),
    max_leaves=20,
)
JSON = TREES.map(lambda tree: json.dumps(tree).encode())
CBOR_TREES = st.recursive(
    LEAVES.filter(lambda leaf: not isinstance(leaf, str) or leaf.isascii())
    | st.binary(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.integers(-8, 9), inner, max_size=6)
        | st.builds(cbor2.CBORTag, st.integers(0, 300), inner)
    ),
    max_leaves=20,
)
CBOR = st.lists(CBOR_TREES, max_size=4).map(cbor2.dumps)


def holds(topic: str, payload: bytes) -> None:
    """Check the promise: usable uplinks, or a reason fit to be stored and shown."""
    result = attempt(topic, payload, publisher="ws-1")
    if isinstance(result, str):
        assert 0 < len(result) < 400
        assert result.isprintable()
        result.encode("utf-8")
        return
    assert result
    for uplink in result:
        assert uplink.measurements or uplink.report
        assert uplink.device_id.isprintable()
        for _, unit, time_us, value in uplink.measurements:
            assert unit is None or isinstance(unit, str)
            assert 946_684_800_000_000 <= time_us <= NOW_US + 300_000_000
            assert type(time_us) is int
            assert type(value) is float
            assert math.isfinite(value)


@given(st.sampled_from(TOPICS), st.binary() | JSON | CBOR)
def test_any_bytes_on_any_topic(topic: str, payload: bytes) -> None:
    holds(topic, payload)


@given(st.text(st.characters()) | st.text("farmup/v13+#\0\ufffd"), JSON)
def test_any_topic(topic: str, payload: bytes) -> None:
    holds(topic, payload)


@given(
    st.sampled_from(TOPICS),
    st.integers(1, 8_000),
    st.sampled_from(['{"readings":', '{"object":', '{"A":[', "[", '{"ts":', '{"v":']),
)
def test_any_depth(topic: str, depth: int, opening: str) -> None:
    holds(topic, (opening * depth + "1").encode())
    closing = "".join({"{": "}", "[": "]"}.get(sign, "") for sign in opening[::-1])
    holds(topic, (opening * depth + "1" + closing * depth).encode())


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x00",
        b"\xff" * 100,
        b"NaN",
        b"1e999",
        b"9" * 5_000,
        b'"' + b"a" * 16_000 + b'"',
        b"[1," * 5_000,
        b'{"a":' * 3_000,
        b"\xd8\x1c" * 8_000,
        b"\xc1" * 16_000,
        b"\xbf" * 16_000,
        b"\x81\xc2\x59\x3f\x00" + b"\xff" * 16_128,
    ],
)
def test_costly_bytes_are_refused(topic: str, payload: bytes) -> None:
    assert isinstance(attempt(topic, payload, publisher="ws-1"), str)


@pytest.mark.parametrize("topic", TOPICS[:4])
def test_payload_larger_than_the_limit_is_refused(topic: str) -> None:
    reason = attempt(topic, b" " * (MAX_PAYLOAD + 1), publisher="ws-1")
    assert isinstance(reason, str)
    assert "larger than 16384" in reason


def test_leading_space_does_not_change_the_format() -> None:
    for payload in (
        b' \r\n\t{"ts":"2026-11-23T05:35:00Z","readings":{"co2":410}}',
        b' \r\n\t[{"n":"co2","v":410}]',
    ):
        (uplink,) = decode(TOPICS[0], payload, NOW_US, publisher=None)
        assert uplink.measurements == [("co2", None, NOW_US, 410.0)]


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("v1/devices/me/telemetry", rb'{"h\ud800umidity": 1}'),
        ("farm/home/probe/up", rb'[{"n": "t", "u": "C\udc00el", "v": 2.5}]'),
    ],
)
def test_half_of_a_surrogate_pair_is_no_text(topic: str, payload: bytes) -> None:
    with pytest.raises(PayloadInvalid, match="surrogate"):
        decode(topic, payload, NOW_US, publisher="probe")


def test_whole_surrogate_pair_is_text() -> None:
    payload = rb'{"\ud83d\udc04": 1}'
    (uplink,) = decode("v1/devices/me/telemetry", payload, NOW_US, publisher="cow")
    assert uplink.measurements[0].name == "\N{COW}"
