"""What a device may publish and hear, by the topic alone.

A device publishes on its own topics and hears its own commands. A gateway does so for
every device of its farm too, and may pass on what LoRaWAN network servers send.
"""

from dataclasses import dataclass

__all__ = ["Principal", "matches", "may_publish", "may_subscribe"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a connection is, once its credential was found right.

    Attributes
    ----------
    device_id
        The device whose credential it is.
    farm
        Its farm: the second level of its topics.
    gateway
        Whether it speaks for the other devices of its farm.
    """

    device_id: str
    farm: str
    gateway: bool = False


def may_publish(topic: str, principal: Principal) -> bool:
    """Whether `principal` may publish on the topic name `topic`.

    Every device: ``farm/<farm>/<device>/up`` and ``state``, and
    ``v1/devices/me/telemetry``. A gateway: those of every device of its farm, and
    ``v1/gateway/telemetry``, ``application/+/device/+/event/up`` (ChirpStack v4),
    ``v3/+/devices/+/up`` (The Things Stack v3).
    """
    levels = topic.split("/")
    if not all(levels):
        return False
    match levels:
        case ["farm", farm, device, "up" | "state"]:
            return farm == principal.farm and _speaks_for(device, principal)
        case ["v1", "devices", "me", "telemetry"]:
            return True
        case (
            ["v1", "gateway", "telemetry"]
            | ["application", _, "device", _, "event", "up"]
            | ["v3", _, "devices", _, "up"]
        ):
            return principal.gateway
    return False


def may_subscribe(topic_filter: str, principal: Principal) -> bool:
    """Whether every topic that `topic_filter` matches may be heard by `principal`.

    A device hears ``farm/<farm>/<device>/down`` and what lies below, a gateway that of
    every device of its farm (``farm/<farm>/+/down/#``).
    """
    match topic_filter.split("/"):
        case ["farm", farm, device, "down", *below]:
            return (
                farm == principal.farm
                and bool(device)
                and _hears(device, principal)
                and _well_formed(below)
            )
    return False


def _speaks_for(device: str, principal: Principal) -> bool:
    return principal.gateway or device == principal.device_id


def _hears(device: str, principal: Principal) -> bool:
    # Not by comparing alone: "+" must never pass as the name of a device.
    if device == "+":
        return principal.gateway
    return not _has_wildcard(device) and _speaks_for(device, principal)


def _has_wildcard(level: str) -> bool:
    return "+" in level or "#" in level


def _well_formed(levels: list[str]) -> bool:
    """Whether wildcards fill their level and ``#`` is the last (MQTT 5.0 §4.7.1)."""
    return all(
        level == "+"
        or (level == "#" and place == len(levels))
        or not _has_wildcard(level)
        for place, level in enumerate(levels, 1)
    )


def matches(topic_filter: str, topic: str) -> bool:
    """Whether the filter matches the topic name (MQTT 5.0 §4.7).

    ``a/#`` matches ``a`` and all below; wildcards do not match a first level that
    begins with ``$``.
    """
    wanted = topic_filter.split("/")
    given = topic.split("/")
    if given[0].startswith("$") and _has_wildcard(wanted[0]):
        return False
    if wanted[-1] == "#":
        wanted.pop()
        if len(given) < len(wanted):
            return False
        given = given[: len(wanted)]
    return len(wanted) == len(given) and all(
        level in ("+", name) for level, name in zip(wanted, given, strict=True)
    )
