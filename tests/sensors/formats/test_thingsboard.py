import json

import pytest

from sensors.errors import PayloadInvalid
from sensors.formats import decode
from sensors.uplink import Measurement, Uplink
from tests.sensors.formats.samples import MINUTE_US, NOW_US, one

DEVICE = "v1/devices/me/telemetry"
GATEWAY = "v1/gateway/telemetry"
# 2026-11-23T05:30:00Z
TS = 1_795_411_800_000


def test_values_alone_were_measured_at_receipt() -> None:
    uplink = one(b'{"temperature":3.5,"humidity":71}', topic=DEVICE, publisher="ws-1")
    assert uplink == Uplink(
        "ws-1",
        None,
        [
            Measurement("temperature", None, NOW_US, 3.5),
            Measurement("humidity", None, NOW_US, 71.0),
        ],
    )


def test_values_with_their_time() -> None:
    payload = json.dumps({"ts": TS, "values": {"temperature": 3.5}}).encode()
    assert one(payload, topic=DEVICE, publisher="ws-1").measurements == [
        ("temperature", None, NOW_US - 5 * MINUTE_US, 3.5)
    ]


def test_array_of_both() -> None:
    entries = [{"a": 1}, {"ts": TS, "values": {"a": 2, "b": 3}}]
    uplink = one(json.dumps(entries).encode(), topic=DEVICE, publisher="ws-1")
    assert [measurement[2:] for measurement in uplink.measurements] == [
        (NOW_US, 1),
        (NOW_US - 5 * MINUTE_US, 2),
        (NOW_US - 5 * MINUTE_US, 3),
    ]


def test_gateway_speaks_for_its_devices() -> None:
    # The example of ThingsBoard's gateway MQTT API, with a time of ours.
    payload = json.dumps(
        {
            "Device A": [
                {"ts": TS, "values": {"temperature": 42, "humidity": 80}},
                {"ts": TS + 1_000, "values": {"temperature": 43, "humidity": 82}},
            ],
            "Device B": [{"ts": TS, "values": {"temperature": 42}}],
        }
    ).encode()
    time_us = NOW_US - 5 * MINUTE_US
    assert decode(GATEWAY, payload, NOW_US, publisher="gw-1") == [
        Uplink(
            "Device A",
            None,
            [
                Measurement("temperature", None, time_us, 42.0),
                Measurement("humidity", None, time_us, 80.0),
                Measurement("temperature", None, time_us + 1_000_000, 43.0),
                Measurement("humidity", None, time_us + 1_000_000, 82.0),
            ],
        ),
        Uplink("Device B", None, [Measurement("temperature", None, time_us, 42.0)]),
    ]


def test_nobody_is_me_where_a_broker_vouches() -> None:
    with pytest.raises(PayloadInvalid, match="does not tell the device"):
        one(b'{"temperature":3.5}', topic=DEVICE)


ENTRIES = [
    ({"a": "3.5"}, "'a': '3.5' is not a number"),
    ({"a": True}, "'a': True is not a number"),
    ({"a": None}, "'a': None is not a number"),
    ({"a": {"b": 1}}, "an object is not a number"),
    ({}, "without values"),
    (7, "telemetry entry is 7"),
    ({"ts": TS, "values": {}}, "without values"),
    ({"ts": TS, "values": [1]}, "without values"),
    ({"ts": float(TS), "values": {"a": 1}}, "not a whole number of milliseconds"),
    ({"ts": str(TS), "values": {"a": 1}}, "not a whole number of milliseconds"),
    ({"ts": TS // 1_000, "values": {"a": 1}}, "before 2000"),
    ({"ts": TS * 1_000, "values": {"a": 1}}, "in the future"),
    ({"ts": 10**30, "values": {"a": 1}}, "in the future"),
    ({"ts": 4_102_444_800_000, "values": {"a": 1}}, "in the future"),
]


@pytest.mark.parametrize(("entry", "reason"), ENTRIES)
def test_one_bad_entry_refuses_the_message(entry: object, reason: str) -> None:
    good = {"a": 1}
    for payload in (entry, [good, entry]):
        with pytest.raises(PayloadInvalid, match=reason):
            one(json.dumps(payload).encode(), topic=DEVICE, publisher="ws-1")
    with pytest.raises(PayloadInvalid, match=reason):
        one(json.dumps({"A": [good], "B": [good, entry]}).encode(), topic=GATEWAY)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"[]", "not an object of devices"),
        (b"{}", "not an object of devices"),
        (b'{"A": {"temperature": 1}}', "telemetry is an object, not an array"),
        (b'{"A": []}', "telemetry is an array, not an array with entries"),
        (b'{"": [{"temperature": 1}]}', "device name ''"),
        (b'{"A\\u0000": [{"temperature": 1}]}', "device name"),
        (b'{"A": [{"a": 1}], "A": [{"a": 2}]}', "key 'A' occurs twice"),
    ],
)
def test_refused_gateway_messages(payload: bytes, reason: str) -> None:
    with pytest.raises(PayloadInvalid, match=reason):
        one(payload, topic=GATEWAY, publisher="gw-1")


def test_array_without_entries_is_refused() -> None:
    with pytest.raises(PayloadInvalid, match="not an array with entries"):
        one(b"[]", topic=DEVICE, publisher="ws-1")
