import json
from typing import Any

import pytest

from sensors.errors import PayloadInvalid
from sensors.formats import MAX_FORWARDED
from sensors.uplink import Measurement, Uplink
from tests.sensors.formats.samples import MINUTE_US, NOW_US, one

EUI = "a8404187d187106e"
UP = f"application/5bb92de6-49b3-49af-a366-34667f2230be/device/{EUI}/event/up"
TTN = "v3/my-app@ttn/devices/soil-1/up"
FIVE_AGO = NOW_US - 5 * MINUTE_US


def chirpstack(**changes: Any) -> bytes:
    """Make an event as ChirpStack v4 sends it for a Dragino LSE01 soil probe."""
    event = {
        "deduplicationId": "9ffbc7be-916a-4597-9d64-0713a3d5e030",
        "time": "2026-11-23T05:30:00.863512999+00:00",
        "deviceInfo": {
            "tenantId": "52f14cd4-c6f1-4fbd-8f87-4025e1d49242",
            "applicationId": "5bb92de6-49b3-49af-a366-34667f2230be",
            "deviceProfileName": "Dragino_LSE01",
            "deviceName": "LST25628782",
            "devEui": EUI,
        },
        "devAddr": "00189440",
        "fCnt": 1234,
        "fPort": 2,
        "data": "DOUAAAUtBV4AIxA=",
        "object": {
            "BatV": 3.301,
            "temp_SOIL": "13.25",
            "water_SOIL": 13.74,
            "Door_status": "OPEN",
            "ok": True,
            "none": None,
            "list": [1],
        },
        "rxInfo": [{"gatewayId": "a84041ffff1f4b70", "rssi": -87, "snr": 9.5}],
    }
    return json.dumps({**event, **changes}).encode()


def things_stack(message: dict[str, Any] | None = None, **changes: Any) -> bytes:
    """Make an uplink message as The Things Stack v3 sends it."""
    document = {
        "end_device_ids": {
            "device_id": "soil-1",
            "application_ids": {"application_id": "my-app"},
            "dev_eui": EUI.upper(),
            "join_eui": "800000000000000C",
            "dev_addr": "00BCB929",
        },
        "correlation_ids": ["as:up:01E0WZGT6Y7657CPFPE5WEYDSQ"],
        "received_at": "2026-11-23T05:30:00.123456789Z",
        "uplink_message": {
            "session_key_id": "AXBSH1Pk6Z0G166HKnJGCg==",
            "f_port": 1,
            "f_cnt": 42,
            "frm_payload": "ABTBACvJq+w=",
            "decoded_payload": {"soil_moisture": 24.5, "status": "good"},
            "received_at": "2026-11-23T05:30:00Z",
            "settings": {"time": "2026-11-23T05:29:59Z"},
            **(message or {}),
        },
    }
    return json.dumps({**document, **changes}).encode()


def test_chirpstack_event() -> None:
    time_us = FIVE_AGO + 863_512
    assert one(chirpstack(), topic=UP) == Uplink(
        EUI,
        None,
        [
            Measurement("BatV", None, time_us, 3.301),
            Measurement("temp_SOIL", None, time_us, 13.25),
            Measurement("water_SOIL", None, time_us, 13.74),
        ],
        seq=1234,
    )


def test_chirpstack_names_the_device_in_lower_case() -> None:
    payload = chirpstack(deviceInfo={"devEui": EUI.upper()})
    assert one(payload, topic=UP).device_id == EUI
    assert one(payload, topic=UP.replace(EUI, EUI.upper())).device_id == EUI


def test_nested_objects_are_flattened() -> None:
    decoded = {"soil": {"10cm": {"moisture": 0.24}, "20cm": {"moisture": 0.26}}}
    uplink = one(chirpstack(object=decoded), topic=UP)
    assert [(name, value) for name, _, _, value in uplink.measurements] == [
        ("soil_10cm_moisture", 0.24),
        ("soil_20cm_moisture", 0.26),
    ]


@pytest.mark.parametrize("text", ["", "NaN", "inf", "1_0", "0x10", "1.", "٣", " 1"])
def test_texts_that_are_no_json_numbers_are_ignored(text: str) -> None:
    uplink = one(chirpstack(object={"a": text, "b": "-1.5e1"}), topic=UP)
    assert uplink.measurements == [("b", None, FIVE_AGO + 863_512, -15.0)]


def test_event_without_a_time_was_measured_at_receipt() -> None:
    (measurement, *_) = one(chirpstack(time=None), topic=UP).measurements
    assert measurement.time_us == NOW_US


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"object": None}, "object is missing: set up the device's payload codec"),
        ({"object": {}}, "object has no number"),
        ({"object": {"door": "OPEN"}}, "object has no number"),
        ({"object": [1]}, "object is an array, not an object"),
        ({"object": {"a": {"b": 1}, "a_b": 2}}, "key 'a_b' occurs twice"),
        ({"object": {"a": {"b": {"c": {"d": {}}}}}}, "nested more than 4 deep"),
        ({"object": {"a": 10**400}}, "'a': number too large"),
        ({"object": {"a": "1e999"}}, "'a': number too large"),
        ({"deviceInfo": None}, "deviceInfo is None, not an object"),
        ({"deviceInfo": {}}, "deviceInfo.devEui None is not 16 hexadecimal"),
        ({"deviceInfo": {"devEui": "0102"}}, "deviceInfo.devEui '0102' is not 16"),
        ({"deviceInfo": {"devEui": "0" * 16}}, "came on the topic of"),
        ({"time": "2026-11-23T05:30:00"}, "no UTC offset"),
        ({"time": 1}, "not an ISO 8601 text"),
        ({"time": "1970-01-01T00:00:00Z"}, "before 2000"),
        ({"time": "2100-01-01T00:00:00Z"}, "in the future"),
        ({"fCnt": -1}, "fCnt -1"),
    ],
)
def test_refused_chirpstack_events(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(PayloadInvalid, match=reason):
        one(chirpstack(**changes), topic=UP)


def test_things_stack_message() -> None:
    assert one(things_stack(), topic=TTN) == Uplink(
        EUI, None, [Measurement("soil_moisture", None, FIVE_AGO, 24.5)], seq=42
    )


def test_things_stack_device_without_eui_goes_by_its_id() -> None:
    payload = things_stack(end_device_ids={"device_id": "soil-1"})
    assert one(payload, topic=TTN).device_id == "soil-1"


@pytest.mark.parametrize(
    ("message", "changes", "time_us"),
    [
        ({"received_at": None}, {}, FIVE_AGO + 123_456),
        ({"received_at": None}, {"received_at": None}, NOW_US),
    ],
)
def test_things_stack_time(
    message: dict[str, Any], changes: dict[str, Any], time_us: int
) -> None:
    uplink = one(things_stack(message, **changes), topic=TTN)
    assert [measurement.time_us for measurement in uplink.measurements] == [time_us]


@pytest.mark.parametrize(
    ("message", "changes", "reason"),
    [
        ({"decoded_payload": None}, {}, "decoded_payload is missing: set up"),
        ({"decoded_payload": {"a": "b"}}, {}, "decoded_payload has no number"),
        ({"f_cnt": "42"}, {}, "f_cnt '42'"),
        ({"received_at": "today"}, {}, "not ISO 8601"),
        ({}, {"simulated": True}, "simulated in the console"),
        ({}, {"uplink_message": None}, "uplink_message is None"),
        ({}, {"end_device_ids": None}, "end_device_ids is None"),
        ({}, {"end_device_ids": {"device_id": "b"}}, "came on the topic of 'soil-1'"),
        (
            {},
            {"end_device_ids": {"device_id": "soil-1", "dev_eui": 5}},
            "dev_eui 5 is not 16 hexadecimal digits",
        ),
    ],
)
def test_refused_things_stack_messages(
    message: dict[str, Any], changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(PayloadInvalid, match=reason):
        one(things_stack(message, **changes), topic=TTN)


@pytest.mark.parametrize(("topic", "payload"), [(UP, chirpstack), (TTN, things_stack)])
def test_a_message_that_many_gateways_heard_may_be_long(
    topic: str, payload: Any
) -> None:
    assert one(payload().ljust(MAX_FORWARDED), topic=topic).seq in (42, 1234)
    with pytest.raises(PayloadInvalid, match="larger than 65536"):
        one(payload().ljust(MAX_FORWARDED + 1), topic=topic)
