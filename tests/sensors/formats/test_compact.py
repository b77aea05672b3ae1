import json
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sensors.errors import PayloadInvalid
from sensors.formats import MAX_PAYLOAD, compact
from sensors.formats.compact import readings, readings_strictly
from sensors.uplink import Measurement, Report, Uplink
from tests.sensors.formats.samples import MINUTE_US, NOW_US, one

AIR = b'"readings": {"air_temperature": 3.2}'
STATE = "farm/lishu/valve-1/state"


def times(payload: bytes) -> list[int]:
    return [measurement.time_us for measurement in one(payload).measurements]


def test_valid_message() -> None:
    payload = (
        b'{"seq": 17, "ts": "2026-11-23T05:30:00Z",'
        b' "readings": {"air_temperature": 3.2, "relative_humidity": 71}}'
    )
    time_us = NOW_US - 5 * MINUTE_US
    assert one(payload) == Uplink(
        "ws-1",
        "lishu",
        [
            Measurement("air_temperature", None, time_us, 3.2),
            Measurement("relative_humidity", None, time_us, 71.0),
        ],
        seq=17,
    )


def test_units_positions_and_corrections() -> None:
    payload = (
        b'{"ts": "2026-11-23T05:35:00.25Z", "corr": true, "readings":'
        b' {"soil_moisture@0.2": 24, "soil_moisture@0.4": 0.3, "battery": 3},'
        b' "units": {"soil_moisture@0.2": "%"}}'
    )
    uplink = one(payload)
    assert uplink.correction
    assert uplink.seq is None
    assert list(uplink.measurements) == [
        ("soil_moisture@0.2", "%", NOW_US + 250_000, 24.0),
        ("soil_moisture@0.4", None, NOW_US + 250_000, 0.3),
        ("battery", None, NOW_US + 250_000, 3.0),
    ]


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (b'"ts": "2026-11-23T05:30:00Z"', NOW_US - 5 * MINUTE_US),
        (b'"ts": "2026-11-23T13:30:00+08:00"', NOW_US - 5 * MINUTE_US),
        (b'"ts": "2026-11-23T05:40:00Z"', NOW_US + 5 * MINUTE_US),
        (b'"ts": "2000-01-01T00:00:00Z"', 946_684_800_000_000),
        (b'"ts": "2026-11-23T05:35:00.1234567Z"', NOW_US + 123_456),
        (b'"age_s": 0', NOW_US),
        (b'"age_s": 90.5', NOW_US - 90_500_000),
    ],
)
def test_time(stated: bytes, expected: int) -> None:
    assert times(b"{" + stated + b", " + AIR + b"}") == [expected]


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        (b'"ts": "2026-11-23T05:40:00.000001Z"', "in the future"),
        (b'"ts": "2100-01-01T00:00:00Z"', "in the future"),
        (b'"ts": "9999-12-31T23:59:59Z"', "in the future"),
        (b'"ts": "1999-12-31T23:59:59.999999Z"', "before 2000"),
        (b'"ts": "1970-01-01T00:00:00Z"', "before 2000"),
        (b'"ts": "0001-01-01T00:00:00+14:00"', "before 2000"),
        (b'"ts": "2026-11-23T05:30:00"', "no UTC offset"),
        (b'"ts": "yesterday"', "not ISO 8601"),
        (b'"ts": 1763875800', "not an ISO 8601 text"),
        (b'"ts": null', "not an ISO 8601 text"),
        (b'"age_s": -1', "negative"),
        (b'"age_s": 1e300', "before 2000"),
        (b'"age_s": 1e308', "before 2000"),
        (b'"age_s": "12"', "not a number"),
        (b'"age_s": true', "not a number"),
        (b'"age_s": 3, "ts": "2026-11-23T05:30:00Z"', "exactly one of"),
        (b'"seq": 3', "exactly one of"),
        (b'"age_s": 3, "seq": -1', "seq"),
        (b'"age_s": 3, "seq": 1.5', "seq"),
        (b'"age_s": 3, "seq": true', "seq"),
        (b'"age_s": 3, "seq": 9223372036854775808', "seq"),
        (b'"age_s": 3, "corr": 1', "corr 1 is not true or false"),
        (b'"age_s": 3, "units": "K"', "units 'K' is not an object"),
        (b'"age_s": 3, "units": {"air_temperatur": "K"}', "not in readings"),
        (b'"age_s": 3, "units": {"air_temperature": 7}', "not a printable text"),
        (b'"age_s": 3, "units": {"air_temperature": ""}', "not a printable text"),
    ],
)
def test_refused_fields(stated: bytes, reason: str) -> None:
    with pytest.raises(PayloadInvalid, match=reason):
        one(b"{" + stated + b", " + AIR + b"}")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (b"{}", "missing, empty"),
        (b"[1]", "missing, empty"),
        (b"null", "missing, empty"),
        (b'"co2"', "missing, empty"),
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
        (b'{"co2": 410, "\\u0063o2": 411}', "occurs twice"),
        (b'{"co2": 410, "battery": false}', "battery"),
    ],
)
@pytest.mark.parametrize("stated", [b'"ts": "2026-11-23T05:30:00Z"', b'"age_s": 0'])
def test_refused_readings(values: bytes, reason: str, stated: bytes) -> None:
    with pytest.raises(PayloadInvalid, match=reason):
        one(b"{" + stated + b', "readings": ' + values + b"}")


def test_usual_message_is_not_parsed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(compact, "json_document")
    assert times(b'{"seq":1,"ts":"2026-11-23T05:35:00Z",' + AIR + b"}") == [NOW_US]


def test_key_that_comes_twice_is_refused_also_beside_the_readings() -> None:
    with pytest.raises(PayloadInvalid, match="key 'seq' occurs twice"):
        one(b'{"seq":1,"seq":2,"ts":"2026-11-23T05:30:00Z",' + AIR + b"}")


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "not JSON"),
        (b"21.5", "not a JSON object"),
        (b"temperature=21", "not JSON"),
        (b'{"age_s": 0', "not JSON"),
        (b"\xff\xfe{}", "not UTF-8 at byte 0"),
        (b'{"\xe9": 1}', "not UTF-8"),
        (b'{"a":' * 3_000, "too deeply"),
        (b"{" + b" " * MAX_PAYLOAD, "larger than 16384"),
    ],
)
def test_refused_documents(payload: bytes, reason: str) -> None:
    with pytest.raises(PayloadInvalid, match=reason):
        one(payload)


def test_largest_payload_is_taken() -> None:
    payload = b'{"ts": "2026-11-23T05:35:00Z", ' + AIR + b"}"
    assert times(payload.ljust(MAX_PAYLOAD)) == [NOW_US]
    assert times(payload.rjust(MAX_PAYLOAD)) == [NOW_US]


def test_keys_of_the_devices_own_are_ignored() -> None:
    payload = b'{"ts": "2026-11-23T05:35:00Z", "fw": {"v": [1, "2"]}, ' + AIR + b"}"
    assert one(payload).measurements == [("air_temperature", None, NOW_US, 3.2)]


def test_report_of_state() -> None:
    payload = (
        b'{"ts": "2026-11-23T05:35:00Z", "command": "c-81", "seq": 4,'
        b' "state": {"valve": "open", "opening": 40, "manual": false}}'
    )
    assert one(payload, topic=STATE) == Uplink(
        "valve-1",
        "lishu",
        (),
        seq=4,
        report=Report(
            NOW_US, {"valve": "open", "opening": 40.0, "manual": False}, "c-81"
        ),
    )


def test_report_of_its_own_accord_names_no_command() -> None:
    report = one(b'{"age_s": 60, "state": {"fan": "on"}}', topic=STATE).report
    assert report == Report(NOW_US - MINUTE_US, {"fan": "on"}, None)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'"age_s": 0', "state is missing"),
        (b'"age_s": 0, "state": {}', "state is missing"),
        (b'"age_s": 0, "state": ["open"]', "state is missing"),
        (b'"state": {"fan": "on"}', "exactly one of"),
        (b'"age_s": 0, "state": {"fan": null}', "'fan': None is not a number"),
        (b'"age_s": 0, "state": {"fan": {"on": 1}}', "an object is not a number"),
        (b'"age_s": 0, "state": {"fan": "a\\u0000"}', "not a printable text"),
        (b'"age_s": 0, "state": {"": "on"}', "not a printable text"),
        (b'"age_s": 0, "state": {"speed": 1e999}', "too large"),
        (b'"age_s": 0, "state": {"fan": "on"}, "command": 7', "'command': 7"),
        (b'"age_s": 0, "state": {"fan": "on"}, "command": ""', "'command': ''"),
    ],
)
def test_refused_reports(body: bytes, reason: str) -> None:
    with pytest.raises(PayloadInvalid, match=reason):
        one(b"{" + body + b"}", topic=STATE)


@pytest.mark.parametrize(
    "topic",
    [
        "farm/lishu/ws-1",
        "farm/lishu/ws-1/down",
        "farm//ws-1/up",
        "farm/a/b/c/up",
        "/farm/a/b/up",
        "",
        "farm/a/\0/up",
        "v1/devices/me/attributes",
        "application/7/device/0102030405060708/event/join",
    ],
)
def test_refused_topics(topic: str) -> None:
    with pytest.raises(PayloadInvalid, match="topic"):
        one(b'{"age_s": 0, ' + AIR + b"}", topic=topic)


NAMES = st.sampled_from(["co2", "a", "b", 'q"', "\\", "ts", "é", "\x00"]) | st.text(
    st.characters(), max_size=4
)
NUMBERS = (
    st.floats(allow_nan=True)
    | st.integers(-(2**70), 2**70)
    | st.none()
    | st.booleans()
    | st.just("3")
)
TIMES = (
    st.datetimes(datetime(1998, 1, 1), datetime(2030, 1, 1))  # noqa: DTZ001
    .map(datetime.isoformat)
    .flatmap(
        lambda time: st.sampled_from(["Z", "+00:00", "+08:00", ""]).map(time.__add__)
    )
    | st.sampled_from(["2026-11-23 05:35:00Z", "20261123T053500Z", "2026-11-23", ""])
    | st.integers()
)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "ts": TIMES,
        "readings": st.dictionaries(NAMES, NUMBERS, max_size=4) | NUMBERS,
        "seq": NUMBERS,
        "age_s": NUMBERS,
        "units": st.dictionaries(NAMES, NAMES, max_size=2),
        "corr": NUMBERS,
        "fw": NAMES | NUMBERS,
    },
)
LIKELY = st.fixed_dictionaries(
    {
        "ts": st.integers(0, 999_999).map("2026-11-23T05:35:00.{:06}Z".format),
        "readings": st.dictionaries(NAMES, st.floats(-1e9, 1e9), min_size=1),
    },
    optional={"seq": st.integers(0, 2**64)},
)


def said(payload: bytes, *, strictly: bool) -> Uplink | str:
    read = readings_strictly if strictly else readings
    try:
        return read("lishu", "ws-1", payload, NOW_US)
    except PayloadInvalid as error:
        return error.reason


@given(DOCUMENTS | LIKELY, st.booleans())
def test_quick_way_says_what_the_strict_way_says(
    document: dict[str, object], ascii_only: bool
) -> None:
    payload = json.dumps(document, ensure_ascii=ascii_only).encode(
        "utf-8", "surrogatepass"
    )
    assert said(payload, strictly=False) == said(payload, strictly=True)


@given(LIKELY, st.data())
def test_quick_way_agrees_on_damaged_messages(
    document: dict[str, object], data: st.DataObject
) -> None:
    payload = bytearray(json.dumps(document).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(payload) - 1))
        payload[place : place + data.draw(st.integers(0, 2))] = data.draw(
            st.sampled_from([b'"', b"\\", b",", b":", b"{", b"}", b"1", b"e9", b"\x00"])
        )
    assert said(bytes(payload), strictly=False) == said(bytes(payload), strictly=True)


@given(st.integers(946_684_800_000_000, 4_290_000_000_000_000))
@example(4_289_999_999_999_999)
def test_quick_way_keeps_every_microsecond(time_us: int) -> None:
    seconds, micros = divmod(time_us, 1_000_000)
    stated = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{micros:06}Z"
    payload = f'{{"ts":"{stated}","readings":{{"co2":1.5}}}}'.encode()
    uplink = readings("lishu", "ws-1", payload, time_us)
    assert uplink.measurements == [("co2", None, time_us, 1.5)]
