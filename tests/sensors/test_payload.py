import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.errors import PayloadInvalid
from sensors.payload import MAX_PAYLOAD, Message, parse

NOW = datetime(2026, 11, 23, 5, 35, tzinfo=UTC)
TOPIC = "farm/lishu/ws-1/up"
AIR = b'"readings": {"air_temperature": 3.2}'


def test_valid_message() -> None:
    payload = (
        b'{"seq": 17, "ts": "2026-11-23T05:30:00Z",'
        b' "readings": {"air_temperature": 3.2, "relative_humidity": 71}}'
    )
    assert parse(TOPIC, payload, NOW) == Message(
        farm="lishu",
        device_id="ws-1",
        time=datetime(2026, 11, 23, 5, 30, tzinfo=UTC),
        readings=(("air_temperature", 3.2), ("relative_humidity", 71.0)),
        seq=17,
    )


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (b'"ts": "2026-11-23T05:30:00Z"', datetime(2026, 11, 23, 5, 30, tzinfo=UTC)),
        (
            b'"ts": "2026-11-23T13:30:00+08:00"',
            datetime(2026, 11, 23, 5, 30, tzinfo=UTC),
        ),
        (b'"ts": "2026-11-23T05:40:00Z"', datetime(2026, 11, 23, 5, 40, tzinfo=UTC)),
        (b'"ts": "2000-01-01T00:00:00Z"', datetime(2000, 1, 1, tzinfo=UTC)),
        (b'"age_s": 0', NOW),
        (b'"age_s": 90.5', NOW - timedelta(seconds=90.5)),
    ],
)
def test_time(stated: bytes, expected: datetime) -> None:
    message = parse(TOPIC, b"{" + stated + b", " + AIR + b"}", NOW)
    assert message.time == expected
    assert message.time.tzinfo is UTC


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        (b'"ts": "2026-11-23T05:40:01Z"', "in the future"),
        (b'"ts": "1999-12-31T23:59:59Z"', "before 2000"),
        (b'"ts": "2026-11-23T05:30:00"', "no UTC offset"),
        (b'"ts": "yesterday"', "not ISO 8601"),
        (b'"ts": "0001-01-01T00:00:00+14:00"', "out of range"),
        (b'"ts": 1763875800', "not an ISO 8601 text"),
        (b'"age_s": -1', "negative"),
        (b'"age_s": 1e300', "before 2000"),
        (b'"age_s": "12"', "not a number"),
        (b'"age_s": true', "not a number"),
        (b'"age_s": 3, "ts": "2026-11-23T05:30:00Z"', "exactly one of"),
        (b'"seq": 3', "exactly one of"),
        (b'"age_s": 3, "seq": -1', "seq"),
        (b'"age_s": 3, "seq": 1.5', "seq"),
    ],
)
def test_refused_time(stated: bytes, reason: str) -> None:
    with pytest.raises(PayloadInvalid, match=reason):
        parse(TOPIC, b"{" + stated + b", " + AIR + b"}", NOW)


@pytest.mark.parametrize(
    ("readings", "reason"),
    [
        (b"{}", "missing, empty"),
        (b"[1]", "missing, empty"),
        (b"null", "missing, empty"),
        (b'{"co2": NaN}', "NaN is not a number"),
        (b'{"co2": -Infinity}', "-Infinity is not a number"),
        (b'{"co2": 1e999}', "too large"),
        (b'{"co2": 1' + b"0" * 400 + b"}", "too large"),
        (b'{"co2": 1' + b"0" * 5_000 + b"}", "too long"),
        (b'{"co2": "410"}', "not a number"),
        (b'{"co2": null}', "not a number"),
        (b'{"co2": true}', "not a number"),
        (b'{"co2": [410]}', "an array is not a number"),
        (b'{"co2": 410, "co2": 411}', "occurs twice"),
        (b'{"co2": 410, "battery": false}', "battery"),
    ],
)
def test_refused_readings(readings: bytes, reason: str) -> None:
    with pytest.raises(PayloadInvalid, match=reason):
        parse(TOPIC, b'{"age_s": 0, "readings": ' + readings + b"}", NOW)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "not JSON"),
        (b"21.5", "not a JSON object"),
        (b"temperature=21", "not JSON"),
        (b'{"age_s": 0', "not JSON"),
        (b"\xff\xfe{}", "not UTF-8 at byte 0"),
        (b'{"\xe9": 1}', "not UTF-8"),
        (b"[" * 10_000, "too deeply"),
        (b" " * (MAX_PAYLOAD + 1), "larger than 16384"),
    ],
)
def test_refused_documents(payload: bytes, reason: str) -> None:
    with pytest.raises(PayloadInvalid, match=reason):
        parse(TOPIC, payload, NOW)


@pytest.mark.parametrize(
    "topic",
    [
        "farm/lishu/ws-1",
        "farm/lishu/ws-1/down",
        "farm//ws-1/up",
        "farm/a/b/c/up",
        "",
        "farm/a/\0/up",
    ],
)
def test_refused_topics(topic: str) -> None:
    with pytest.raises(PayloadInvalid, match="topic"):
        parse(topic, b'{"age_s": 0, ' + AIR + b"}", NOW)


def test_largest_payload_is_taken() -> None:
    payload = b'{"age_s": 0, ' + AIR + b"}"
    assert parse(TOPIC, payload.ljust(MAX_PAYLOAD), NOW).time == NOW


def test_keys_of_the_devices_own_are_ignored() -> None:
    message = parse(TOPIC, b'{"age_s": 0, "fw": {"v": [1, 2]}, ' + AIR + b"}", NOW)
    assert message.readings == (("air_temperature", 3.2),)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
ALMOST = st.fixed_dictionaries(
    {},
    optional={
        "ts": JSON | st.datetimes().map(datetime.isoformat) | st.just("2026-11-23T00Z"),
        "age_s": JSON,
        "seq": JSON,
        "readings": JSON | st.dictionaries(st.text(st.characters()), st.floats()),
    },
)


def attempt(topic: str, payload: bytes) -> Message | str:
    try:
        return parse(topic, payload, NOW)
    except PayloadInvalid as error:
        return error.reason


def holds(topic: str, payload: bytes) -> None:
    """Check the promise of `parse`: a usable message, or a reason fit to be stored."""
    result = attempt(topic, payload)
    if isinstance(result, str):
        assert 0 < len(result) < 250
        assert "\x00" not in result
        result.encode("utf-8")
    else:
        assert result.readings
        assert all(abs(value) < float("inf") for _, value in result.readings)
        assert result.time <= NOW + timedelta(minutes=5)


@given(st.binary() | ALMOST.map(json.dumps).map(str.encode), st.text())
def test_any_bytes_give_a_message_or_a_reason(payload: bytes, topic: str) -> None:
    holds(TOPIC, payload)
    holds(topic, payload)


@given(
    st.integers(1, 8_000), st.sampled_from(['{"readings":', '{"a":[', "[", '{"ts":'])
)
def test_any_depth_gives_a_reason(depth: int, opening: str) -> None:
    holds(TOPIC, (opening * depth + "1").encode())
    closing = "]" * depth if opening == "[" else "}" * depth
    holds(TOPIC, (opening * depth + "1" + closing).encode())
