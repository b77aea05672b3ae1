"""Topic names and topic filters (MQTT 5.0 §4.7)."""

from sensors.mqtt.codes import ReasonCode
from sensors.mqtt.errors import ProtocolViolated, protocol_error
from sensors.mqtt.wire import decoded

__all__ = ["checked_filter", "checked_name", "topic_name"]


def topic_name(field: bytes) -> str:
    """Return the topic name in the bytes of a string field.

    Raises
    ------
    ProtocolViolated
        Not a string, empty [MQTT-4.7.3-1], or with a wildcard [MQTT-3.3.2-2].
    """
    name = decoded(field)
    if not name:
        raise protocol_error("a message without a topic · 消息没有主题")
    return checked_name(name)


def checked_name(name: str) -> str:
    """Return `name` as it is; raises where it has a wildcard [MQTT-3.3.2-2]."""
    if "+" in name or "#" in name:
        raise ProtocolViolated(
            ReasonCode.TOPIC_NAME_INVALID,
            "a topic name with a wildcard (+ or #) · 主题名含有通配符（+ 或 #）",
        )
    return name


def checked_filter(topic_filter: str, *, version: int) -> str:
    """Return `topic_filter` as it is.

    Raises
    ------
    ProtocolViolated
        Empty [MQTT-4.7.3-1]; `#` not alone on the last level [MQTT-4.7.1-1] or `+` not
        alone on its level [MQTT-4.7.1-2]; in MQTT 5.0 a shared subscription (§4.8.2).
    """
    if version == 5 and topic_filter.startswith("$share/"):
        raise ProtocolViolated(
            ReasonCode.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED,
            "shared subscriptions are not offered · 不支持共享订阅",
        )
    levels = topic_filter.split("/")
    wild = [level for level in levels if "+" in level or "#" in level]
    if (
        not topic_filter
        or any(level not in ("+", "#") for level in wild)
        or "#" in levels[:-1]
    ):
        raise ProtocolViolated(
            ReasonCode.TOPIC_FILTER_INVALID,
            "a topic filter that is empty or has + or # in a wrong place · "
            "主题过滤器为空，或 + 或 # 的位置不对",
        )
    return topic_filter
