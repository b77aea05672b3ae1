"""What `fuzz.py` begins with: valid inputs of each target, and what it puts into them.

The first byte of an input is no part of it: it chooses the topic of a payload, or what
came before a stream.
"""

__all__ = ["RECEIVED_US", "SEEDS", "TOKENS", "TOPICS"]

# All inputs arrive at 2026-11-23 05:35 UTC, in microseconds since 1970.
RECEIVED_US = 1_795_412_100_000_000

TOPICS = (
    "farm/lishu/ws-1/up",
    "farm/lishu/ws-1/state",
    "v1/devices/me/telemetry",
    "v1/gateway/telemetry",
    "application/7/device/0102030405060708/event/up",
    "v3/app@tenant/devices/ws-1/up",
)

_PAYLOADS = (
    (0, b'{"seq":7,"age_s":30,"readings":{"soil_moisture@0.2":0.31,"t":2}}'),
    (0, b'{"ts":"2026-11-23T05:34:00Z","readings":{"t":1},"units":{"t":"Cel"}}'),
    (0, b'{"ts":"2026-11-23T13:34:00+08:00","corr":true,"readings":{"t":-1.5e1}}'),
    (0, b'[{"bn":"urn:dev:ow:ws-1:","bt":1795412000,"bu":"Cel","n":"t","v":2.5}]'),
    (0, b'[{"bver":10,"bn":"ws-1:","bs":1},{"n":"t","u":"Cel","v":31,"t":-20}]'),
    # The two above in CBOR; the second with a decimal fraction.
    (0, bytes.fromhex("81a3006174016343656c02fb4004000000000000")),
    (
        0,
        bytes.fromhex(
            "82a4216577732d313a221a6b03d02000617402fb3ff8000000000000"
            "a3006175016343656c02c482200f"
        ),
    ),
    (1, b'{"age_s":1,"state":{"valve":"open","flow":1.5,"on":true},"command":"c-1"}'),
    (2, b'{"temperature":3.2,"humidity":60}'),
    (2, b'[{"ts":1795412000000,"values":{"temperature":3.2}},{"humidity":1}]'),
    (3, b'{"Device A":[{"ts":1795412000000,"values":{"t":1}}],"Device B":[{"t":2}]}'),
    (
        4,
        b'{"deduplicationId":"3ac7e3c4-4401-4b8d-9386-a5c902f9202d","fCnt":10,"time":'
        b'"2026-11-23T05:34:59.123+00:00","deviceInfo":{"devEui":"0102030405060708"},'
        b'"fPort":1,"object":{"temperature":21.5,"soil":{"ec":"0.4"}}}',
    ),
    (
        5,
        b'{"end_device_ids":{"device_id":"ws-1","dev_eui":"0102030405060708"},'
        b'"received_at":"2026-11-23T05:34:59.123456789Z","uplink_message":{"f_cnt":3,'
        b'"f_port":1,"decoded_payload":{"t":1.5}}}',
    ),
)

# 0: from the CONNECT on; 1, 2: behind a CONNECT of MQTT 3.1.1, of MQTT 5.0.
_STREAMS = (
    (0, "101400044d5154540402003c0008636f6c6c61722d3732090003612f6200016f6e"),
    (0, "101500044d5154540502003c000008636f6c6c61722d37320a0003612f620001006f6e"),
    (
        0,
        "103200044d51545405ce003c0f110000003c2100142600016100016200016305180000"
        "00010001770004676f6e65000175000170",
    ),
    (0, "101c00044d51545404ce003c0001630001770004676f6e65000175000170e000"),
    (
        1,
        "32090003612f6200016f6e32090003612f6200016f6e31030001633a1800126661726d"
        "2f612f636f6c6c61722d372f757000017b7dc000e000",
    ),
    (1, "820e000a0003612f230100032b2f6402a207000b0003612f6240020009"),
    (
        2,
        "32240003612f6200011a0101020000003c260001610001620300016a08000172090001"
        "637b7d320a0003612f620001007b7d",
    ),
    (2, "820f000a000003612f231d00032b2f6402a208000b000003612f62c000"),
    (2, "400400090000400b0009100726000161000162e00704051f00026e6f"),
)

SEEDS = {
    "mqtt": [bytes([before]) + bytes.fromhex(sent) for before, sent in _STREAMS],
    "formats": [bytes([topic]) + payload for topic, payload in _PAYLOADS],
}

# What changing single bytes hardly finds.
TOKENS = {
    "mqtt": [
        *(b"\x80\x80\x80\x01", b"\xff\xff\xff\x7f", b"\x80\x00", b"\xed\xa0\x80"),
        *(b"\0\4MQTT\4", b"\0\4MQTT\5", b"\0\6MQIsdp\3", b"\0\0", b"\xff\xff"),
        *(b"\x26\0\1a\0\1b", b"\x23\0\1", b"\x0b\1", b"\x11\0\0\0\1", b"\1\1"),
        *(b"\x15\0\1a", b"\x16\0\1a", b"\x21\0\0", b"\x27\0\0\0\0", b"\x1f\0\1a"),
        *(b"\0\x0a$share/a/b", b"\0\4/+/#", b"\x30\x03\0\1a", b"\x34\0", b"\xf0\0"),
    ],
    "formats": [
        *(b"NaN", b"Infinity", b"-1", b"-0", b"1e400", b"1e-400", b"1" * 25, b"null"),
        *(b"true", b'""', b"[]", b"{}", b"[" * 300, b'{"a":' * 300, b"\\ud800"),
        *(
            b"\\u0000",
            b"\xed\xa0\x80",
            b"\0",
            b"\xff",
            b'"ts":',
            b'"age_s":',
            b'"seq":',
        ),
        *(b'"readings":{', b'"units":{', b'"corr":true', b'"values":{', b'"state":{'),
        *(b'"bn":"', b'"bt":', b'"bu":"', b'"bver":11', b'"bs":1', b'"vs":"', b'"s":1'),
        *(b"1970-01-01T00:00:00Z", b"2100-01-01T00:00:00Z", b"9999-12-31T23:59:59Z"),
        *(
            b"\xf9\x7e\0",
            b"\xfb\x7f\xf0\0\0\0\0\0\0",
            b"\x9f",
            b"\xbf",
            b"\xc2\x58\x20",
        ),
        *(b"\xc4\x82\x1b\x7f\xff\xff\xff\xff\xff\xff\xff\1", b"\xd8\x1d\0", b"\xc1"),
    ],
}
