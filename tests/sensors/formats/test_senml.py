import json
import struct

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.errors import PayloadInvalid
from sensors.formats import MAX_PAYLOAD
from sensors.uplink import Measurement
from tests.sensors.formats.samples import NOW_US, TOPIC, attempt, one

# The examples of RFC 8428, sections 5.1.1 to 5.1.3, whose times are of 2010 and 2011.
SINGLE = b'[{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1}]'
VOLTAGE_AND_CURRENT = b"""[
  {"bn":"urn:dev:ow:10e2073a01080063:","n":"voltage","u":"V","v":120.1},
  {"n":"current","u":"A","v":1.2}
]"""
CURRENTS = b"""[
  {"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,
   "bu":"A","bver":5,
   "n":"voltage","u":"V","v":120.1},
  {"n":"current","t":-5,"v":1.2},
  {"n":"current","t":-4,"v":1.3},
  {"n":"current","t":-3,"v":1.4},
  {"n":"current","t":-2,"v":1.5},
  {"n":"current","t":-1,"v":1.6},
  {"n":"current","v":1.7}
]"""
PLACE = b"""[
  {"bn":"urn:dev:ow:10e2073a01080063","bt":1.320067464e+09,
   "bu":"%RH","v":20},
  {"u":"lon","v":24.30621},
  {"u":"lat","v":60.07965},
  {"t":60,"v":20.3},
  {"u":"lon","t":60,"v":24.30622},
  {"u":"lat","t":60,"v":60.07965},
  {"t":120,"v":20.7}
]"""
# Section 6: CURRENTS once more.
CURRENTS_CBOR = bytes.fromhex(
    "87a721781b75726e3a6465763a6f773a3130653230373361303130383030363a"
    "22fb41d303a15b001062236141200500"
    "67766f6c746167650161 5602fb405e066666666666"
    "a3006763757272656e74062402fb3ff3333333333333"
    "a3006763757272656e74062302fb3ff4cccccccccccd"
    "a3006763757272656e74062202fb3ff6666666666666"
    "a3006763757272656e74062102f93e00"
    "a3006763757272656e74062002fb3ff999999999999a"
    "a3006763757272656e74060002fb3ffb333333333333"
)
BASE_US = 1_276_020_076_001_000
RESOLVED = [
    Measurement("voltage", "V", BASE_US, 120.1),
    Measurement("current", "A", BASE_US - 5_000_000, 1.2),
    Measurement("current", "A", BASE_US - 4_000_000, 1.3),
    Measurement("current", "A", BASE_US - 3_000_000, 1.4),
    Measurement("current", "A", BASE_US - 2_000_000, 1.5),
    Measurement("current", "A", BASE_US - 1_000_000, 1.6),
    Measurement("current", "A", BASE_US, 1.7),
]


def pack(*records: dict[str, object]) -> bytes:
    return json.dumps(records).encode()


def test_single_record() -> None:
    uplink = one(SINGLE)
    assert (uplink.device_id, uplink.farm, uplink.seq) == ("ws-1", "lishu", None)
    assert uplink.measurements == [("10e2073a01080063", "Cel", NOW_US, 23.1)]


def test_base_name_is_not_of_the_quantity() -> None:
    assert one(VOLTAGE_AND_CURRENT).measurements == [
        ("voltage", "V", NOW_US, 120.1),
        ("current", "A", NOW_US, 1.2),
    ]


def test_base_time_and_base_unit() -> None:
    assert one(CURRENTS).measurements == RESOLVED


def test_cbor_of_the_standard_says_the_same() -> None:
    assert one(CURRENTS_CBOR).measurements == RESOLVED


def test_records_of_the_base_name_alone() -> None:
    measurements = one(PLACE).measurements
    assert [(unit, value) for _, unit, _, value in measurements] == [
        ("%RH", 20),
        ("lon", 24.30621),
        ("lat", 60.07965),
        ("%RH", 20.3),
        ("lon", 24.30622),
        ("lat", 60.07965),
        ("%RH", 20.7),
    ]
    assert {time_us for _, _, time_us, _ in measurements} == {
        1_320_067_464_000_000,
        1_320_067_524_000_000,
        1_320_067_584_000_000,
    }


def test_base_value_is_added() -> None:
    records = pack(
        {"bn": "cow-7/", "bv": 38, "n": "body_temperature", "v": 0.5},
        {"n": "body_temperature", "t": -600, "v": -0.25},
    )
    assert [value for *_, value in one(records).measurements] == [38.5, 37.75]


def test_base_fields_last_until_they_are_set_anew() -> None:
    records = pack(
        {"bu": "Cel", "bt": -60, "n": "air_temperature", "v": 3},
        {"bu": "%RH", "n": "relative_humidity", "v": 71},
        {"bt": 0, "n": "relative_humidity", "v": 72},
    )
    assert one(records).measurements == [
        ("air_temperature", "Cel", NOW_US - 60_000_000, 3),
        ("relative_humidity", "%RH", NOW_US - 60_000_000, 71),
        ("relative_humidity", "%RH", NOW_US, 72),
    ]


@pytest.mark.parametrize(
    ("t", "time_us"),
    [
        (-5, NOW_US - 5_000_000),
        (0, NOW_US),
        (299.5, NOW_US + 299_500_000),
        (1_795_412_100, NOW_US),
        (1_795_412_000.25, NOW_US - 99_750_000),
    ],
)
def test_times_below_2_to_28_are_relative_to_receipt(t: float, time_us: int) -> None:
    (measurement,) = one(pack({"n": "co2", "t": t, "v": 410})).measurements
    assert measurement.time_us == time_us


@pytest.mark.parametrize(
    ("name", "measured"),
    [
        ("soil_moisture", "soil_moisture"),
        ("soil_moisture.0.2", "soil_moisture@0.2"),
        ("urn:dev:mac:0024befffe804ff1:grain_temperature.a-3", "grain_temperature@a-3"),
        ("probe.7/soil_temperature", "soil_temperature"),
    ],
)
def test_quantity_is_the_last_part_of_the_name(name: str, measured: str) -> None:
    (measurement,) = one(pack({"n": name, "v": 1})).measurements
    assert measurement.name == measured


def test_sum_beside_a_value_update_time_and_own_labels_are_ignored() -> None:
    record = {"n": "water_flow", "v": 2, "s": 81, "bs": 3, "ut": 60, "vendor": [1]}
    assert one(pack(record)).measurements == [("water_flow", None, NOW_US, 2)]


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([], "not an array of SenML records but an array"),
        ([1], "a record is 1"),
        ([{}], "a record is an object, not an object of fields"),
        ([{"n": "co2"}], "without v"),
        ([{"n": "co2", "s": 7}], "without v"),
        ([{"n": "door", "vs": "open"}], "vs 'open' is not a number"),
        ([{"n": "door", "vb": True}], "vb True is not a number"),
        ([{"n": "door", "vd": "AQ"}], "vd 'AQ' is not a number"),
        ([{"n": "co2", "v": 1, "vb": False}], "vb False"),
        ([{"n": "co2", "v": "1"}], "'v': '1' is not a number"),
        ([{"n": "co2", "v": True}], "'v': True is not a number"),
        ([{"n": "co2", "v": 1e308, "bv": 1e308}], "'v': number too large"),
        ([{"n": "co2", "v": 1, "t": "0"}], "'t': '0' is not a number"),
        ([{"n": "co2", "v": 1, "t": 301}], "in the future"),
        ([{"n": "co2", "v": 1, "t": -(2**30)}], "before 2000"),
        ([{"n": "co2", "v": 1, "t": 2**28}], "before 2000"),
        ([{"n": "co2", "v": 1, "t": 4_102_444_800}], "in the future"),
        ([{"n": "co2", "v": 1, "t": 1e300}], "out of range"),
        ([{"n": "co2", "v": 1, "t": -1e300}], "out of range"),
        ([{"n": "co2", "v": 1, "bver": 11}], "bver 11"),
        ([{"n": "co2", "v": 1, "bver": 0}], "bver 0"),
        ([{"n": "co2", "v": 1, "bver": 10.0}], "bver 10.0"),
        ([{"n": "co2", "v": 1, "bver": 5}, {"n": "co2", "v": 1, "bver": 6}], "bver ch"),
        ([{"n": "co2", "v": 1, "signed_": "x"}], "'signed_' must be understood"),
        ([{"n": "co2", "v": 1, "bn": 7}], "bn 7 is not a text"),
        ([{"n": "co2", "v": 1, "u": None}], "u None is not a text"),
        ([{"n": "x" * 201, "v": 1}], "n 'xxx"),
        ([{"v": 1}], "name ''"),
        ([{"n": "co2:", "v": 1}], "name 'co2:'"),
        ([{"n": "_co2", "v": 1}], "name '_co2'"),
        ([{"n": "soil moisture", "v": 1}], "name 'soil moisture'"),
        ([{"n": "soil_moisture@0.2", "v": 1}], "name 'soil_moisture@0.2'"),
        ([{"n": ".2", "v": 1}], "name '.2'"),
        ([{"n": "a:co2", "v": 1}, {"n": "b:co2", "v": 1}], "of several devices"),
    ],
)
def test_refused_packs(records: list[object], reason: str) -> None:
    with pytest.raises(PayloadInvalid, match=reason):
        one(json.dumps(records).encode())
    if records:
        # Doubles stay doubles and integers integers in CBOR.
        with pytest.raises(PayloadInvalid, match=reason):
            one(cbor2.dumps(records))


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"[" * 10_000, "too deeply"),
        (b'[{"n":"co2","v":NaN}]', "NaN is not a number"),
        (b'[{"n":"co2","v":1,"v":2}]', "occurs twice"),
        (b'[{"n":"co2","v":1}] x', "not JSON"),
        (b"[ " + b" " * MAX_PAYLOAD, "larger than"),
        (b"\x81" * 16_000, "not CBOR: maximum container nesting depth"),
        (b"\x9f" * 16_000, "not CBOR: maximum container nesting depth"),
        (b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff", "not CBOR: premature end"),
        (b"\x81\x7b\x7f\xff\xff\xff\xff\xff\xff\xff", "not CBOR: premature end"),
        (b"\x81\xbb\x00\x00\x00\x0f\xff\xff\xff\xff", "not CBOR: premature end"),
        (b"\x81\xa1\x00\x62\xff\xfe", "not CBOR"),
        (b"\x81\xa2\x02\x01\x02\x02", "not CBOR: .*[Dd]uplicate"),
        (b"\x81\xa3\x00\x61a\x02\x01\x61v\x02", "key 'v' occurs twice"),
        (b"\x81\xa2\x00\x61a\x09\x01", "label 9 is not of SenML"),
        (b"\x81\xa2\x00\x61a\x41\x01\x01", "label b'.x01' is not of SenML"),
        (b"\x81\xa2\x00\x61a\xf5\x01", "label True is not of SenML"),
        (b"\x81\xa2\x00\x61a\x02\xf9\x7e\x00", "not finite"),
        (b"\x81\xa2\x00\x61a\x02\xf9\x7c\x00", "not finite"),
        (b"\x81\xa1\x00\x61a\x00", "1 bytes follow"),
        (b"\x81", "not CBOR: premature end"),
        (b"\x80", "not an array of SenML records"),
        (b"\x9f\xff", "not an array of SenML records"),
        (b"\x80".ljust(MAX_PAYLOAD + 1), "larger than"),
    ],
)
def test_refused_bytes(payload: bytes, reason: str) -> None:
    with pytest.raises(PayloadInvalid, match=reason):
        one(payload)


@pytest.mark.parametrize("tag", [0, 1, 2, 3, 5, 28, 29, 30, 35, 36, 256, 258, 60_000])
def test_tags_that_would_cost_something_are_refused(tag: int) -> None:
    payload = b"\x81\xa2\x00\x61a\x02" + cbor2.dumps(cbor2.CBORTag(tag, "(a+)+$"))
    if tag in (2, 3):
        payload = b"\x81\xa2\x00\x61a\x02" + bytes([0xC0 + tag]) + b"\x49" + b"\xff" * 9
    with pytest.raises(PayloadInvalid, match="a tag that SenML does not have"):
        one(payload)


@pytest.mark.parametrize(
    ("fraction", "value"),
    [
        # RFC 8949, section 3.4.4: 273.15 is 27315 times 10 to the -2.
        ("c48221196ab3", 273.15),
        ("c4820018c8", 200.0),
    ],
)
def test_decimal_fractions(fraction: str, value: float) -> None:
    payload = b"\x81\xa2\x00\x61a\x02" + bytes.fromhex(fraction)
    assert one(payload).measurements == [("a", None, NOW_US, value)]


@pytest.mark.parametrize(
    "fraction",
    [
        "c4821a3b9aca0001",  # 1 times 10 to the thousand-millionth
        "c48219019101",  # 1 times 10 to the 401st
        "c48100",  # no mantissa
        "c48200f5",  # true times 1
        "c40a",  # no array
    ],
)
def test_refused_decimal_fractions(fraction: str) -> None:
    payload = b"\x81\xa2\x00\x61a\x02" + bytes.fromhex(fraction)
    with pytest.raises(PayloadInvalid, match="not CBOR"):
        one(payload)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["co2", "air_temperature", "soil_moisture.0.2"]),
            st.floats(allow_nan=False, allow_infinity=False),
            st.integers(-86_400, 0) | st.floats(-86_400, 0),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_both_representations_say_the_same(
    rows: list[tuple[str, float, float]],
) -> None:
    as_json = [{"n": name, "v": value, "t": t} for name, value, t in rows]
    as_cbor = [{0: name, 2: value, 6: t} for name, value, t in rows]
    expected = one(json.dumps(as_json).encode()).measurements
    assert one(cbor2.dumps(as_cbor)).measurements == expected
    assert [value for *_, value in expected] == [value for _, value, _ in rows]


@given(st.binary(max_size=300))
def test_any_cbor_gives_a_pack_or_a_reason(rest: bytes) -> None:
    for first in (b"\x81", b"\x82\xa2\x00\x61a\x02", b"\x9f"):
        result = attempt(TOPIC, first + rest)
        assert isinstance(result, str | list)
        if isinstance(result, str):
            assert result.isprintable()
            assert len(result) < 300


def test_half_floats_are_taken() -> None:
    payload = b"\x81\xa2\x00\x61a\x02\xf9" + struct.pack(">e", 1.5)
    assert one(payload).measurements == [("a", None, NOW_US, 1.5)]
