"""What may be commanded: actuators the kind has, and a state that is known.

Telling a fan to start when nobody knows how it stands is a guess; the sender must say
that he wants it all the same.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from sensors.commands.errors import CommandInvalid
from sensors.quantities import device_kind
from store.commands import Reported, Value

__all__ = [
    "LONGEST_S",
    "STALE_S",
    "check_desired",
    "check_id",
    "check_validity",
    "doubt",
]

COMMAND_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
LONGEST_S = 7 * 86_400

STALE_S: Mapping[str, float] = {"pump": 1800.0, "fan": 1800.0, "valve": 7200.0}
"""Seconds after which a reported state is stale, by device kind; else `DEFAULT_S`.

Pumps and fans have mains power and report often, valves live on batteries.
"""

DEFAULT_S = 3600.0


def check_desired(kind: str, desired: Mapping[str, Value]) -> None:
    """Check the wanted states against the actuators of a device kind.

    Raises
    ------
    CommandInvalid
        Nothing is wanted, or an actuator or its value is not of the kind.
    DeviceKindUnknown
        `kind` is no device kind.
    """
    actuators = {actuator.name: actuator for actuator in device_kind(kind).actuators}
    if not desired:
        raise CommandInvalid(
            "the command sets nothing: give the state of an actuator, as valve=open"
            " · 命令没有要设置的内容"
        )
    for name, value in desired.items():
        if name not in actuators:
            known = ", ".join(actuators) or "none"
            raise CommandInvalid(
                f"devices of kind {kind!r} have no actuator {name!r:.60}; they have:"
                f" {known} · 该类设备没有执行器 {name:.60}"
            )
        if not actuators[name].accepts(value):
            wanted = ", ".join(map(str, actuators[name].values)) or (
                f"{actuators[name].low:g} to {actuators[name].high:g}"
            )
            raise CommandInvalid(
                f"{name} cannot be {value!r:.60}: it takes {wanted}"
                f" · {name} 的取值应为 {wanted}"
            )


def check_validity(valid_s: int) -> None:
    """Check the seconds that a command stays valid.

    Raises
    ------
    CommandInvalid
    """
    if not 1 <= valid_s <= LONGEST_S:
        raise CommandInvalid(
            f"a command is valid for 1 to {LONGEST_S} seconds, not {valid_s}"
            f" · 命令有效期应为 1 至 {LONGEST_S} 秒"
        )


def check_id(command_id: str) -> None:
    """Check the id that a sender chose.

    Raises
    ------
    CommandInvalid
    """
    if not COMMAND_ID.fullmatch(command_id):
        raise CommandInvalid(
            f"command id {command_id!r:.80}: use 1 to 64 letters, digits, . _ : -"
            " · 命令编号只能用 1 至 64 个字母、数字和 . _ : -"
        )


def doubt(
    kind: str,
    desired: Mapping[str, Value],
    reported: Mapping[str, Reported],
    *,
    at: datetime,
) -> str | None:
    """Return why the present state is not known well enough; None when it is."""
    limit = timedelta(seconds=STALE_S.get(kind, DEFAULT_S))
    for name in desired:
        if name not in reported:
            return (
                f"the state of {name} was never reported: force the command to send it"
                f" all the same · {name} 的状态从未上报，如确需发送请强制执行"
            )
        age = at - reported[name].time
        if age > limit:
            seconds = round(age.total_seconds())
            return (
                f"the state of {name} was last reported {seconds} s ago, more than"
                f" {limit.total_seconds():.0f} s: force the command to send it all the"
                f" same · {name} 的状态已过期，如确需发送请强制执行"
            )
    return None
