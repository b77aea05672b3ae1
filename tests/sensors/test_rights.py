import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from sensors.rights import Principal, matches, may_publish, may_subscribe

DEVICE = Principal("d1", "f1")
GATEWAY = Principal("g1", "f1", gateway=True)


@pytest.mark.parametrize(
    ("topic", "device", "gateway"),
    [
        ("farm/f1/d1/up", True, True),
        ("farm/f1/d1/state", True, True),
        ("farm/f1/d2/up", False, True),
        ("farm/f1/g1/up", False, True),
        ("farm/f2/d1/up", False, False),
        ("farm/f1/d1/down/command", False, False),
        ("farm/f1/d1/up/more", False, False),
        ("farm/f1/d1", False, False),
        ("farm/f1//up", False, False),
        ("/farm/f1/d1/up", False, False),
        ("v1/devices/me/telemetry", True, True),
        ("v1/gateway/telemetry", False, True),
        ("application/1/device/0102030405060708/event/up", False, True),
        ("application/1/device/0102030405060708/event/join", False, False),
        ("application//device/0102030405060708/event/up", False, False),
        ("v3/app@tenant/devices/dev/up", False, True),
        ("v3/app@tenant/devices/dev/down/push", False, False),
        ("$SYS/broker", False, False),
        ("", False, False),
    ],
)
def test_what_may_be_published(topic: str, device: bool, gateway: bool) -> None:
    assert may_publish(topic, DEVICE) is device
    assert may_publish(topic, GATEWAY) is gateway


@pytest.mark.parametrize(
    ("topic_filter", "device", "gateway"),
    [
        ("farm/f1/d1/down/#", True, True),
        ("farm/f1/d1/down", True, True),
        ("farm/f1/d1/down/command", True, True),
        ("farm/f1/d1/down/+/now", True, True),
        ("farm/f1/d1/#", False, False),
        ("farm/f1/d1/+", False, False),
        ("farm/f1/d2/down/#", False, True),
        ("farm/f1/+/down/#", False, True),
        ("farm/f1/+/down/command", False, True),
        ("farm/f2/+/down/#", False, False),
        ("farm/+/d1/down/#", False, False),
        ("farm/f1//down/#", False, False),
        ("farm/f1/d1/down/#/x", False, False),
        ("farm/f1/d1/down/x#", False, False),
        ("$share/g/farm/f1/d1/down/#", False, False),
        ("farm/f1/d1/up", False, False),
        ("#", False, False),
        ("+/+/+/down/#", False, False),
        ("", False, False),
    ],
)
def test_what_may_be_subscribed(topic_filter: str, device: bool, gateway: bool) -> None:
    assert may_subscribe(topic_filter, DEVICE) is device
    assert may_subscribe(topic_filter, GATEWAY) is gateway


@pytest.mark.parametrize("name", ["+", "#", "d+"])
def test_a_device_named_like_a_wildcard_hears_nobody(name: str) -> None:
    assert not may_subscribe(f"farm/f1/{name}/down/#", Principal(name, "f1"))


LEVEL = st.sampled_from(["a", "b", "", "$x", "farm"])
WANTED = st.lists(st.one_of(LEVEL, st.just("+")), min_size=1, max_size=5)


@given(WANTED, st.booleans(), st.lists(LEVEL, min_size=1, max_size=5))
def test_matching_is_that_of_paho(
    wanted: list[str], below: bool, given_levels: list[str]
) -> None:
    topic_filter = "/".join([*wanted, *(["#"] if below else [])])
    topic = "/".join(given_levels)
    # paho does not know that wildcards leave topics with $ alone (§4.7.2).
    if topic.startswith("$") and wanted[0] == "+":
        assert not matches(topic_filter, topic)
    else:
        assert matches(topic_filter, topic) == topic_matches_sub(topic_filter, topic)


@given(st.sampled_from([DEVICE, GATEWAY]), WANTED, st.booleans())
def test_a_granted_filter_matches_only_commands_of_the_farm(
    principal: Principal, wanted: list[str], below: bool
) -> None:
    topic_filter = "/".join([*wanted, *(["#"] if below else [])])
    for topic in ("farm/f2/d1/down/x", "farm/f1/d1/up", "a/b", "farm"):
        granted = may_subscribe(topic_filter, principal)
        assert not (granted and matches(topic_filter, topic))
