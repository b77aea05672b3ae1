"""What is forwarded of a message: the bytes as they came, or with the time put in.

A message whose meaning hangs on the moment of receipt (``age_s``, a relative time of
SenML, ThingsBoard without ``ts``) would mean another time once the line is back. It is
decoded at receipt and written anew with its times. The rest passes unchanged, so that
what a device sends twice is the same message twice.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

import orjson

from sensors.delivery import Delivery
from sensors.errors import PayloadInvalid
from sensors.formats import MAX_PAYLOAD, decode
from sensors.uplink import Measurement, Uplink

__all__ = ["Forward", "How", "Outgoing", "forward", "iso", "state_message"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Any other moment of receipt will do to see whether it matters.
LATER_US = 1_000_003
DEVICE_TELEMETRY = "v1/devices/me/telemetry"
GATEWAY_TELEMETRY = "v1/gateway/telemetry"

Outgoing = tuple[str, bytes]
"""Topic and payload."""


class How(Enum):
    """What was done to a message."""

    AS_IT_CAME = "as it came"
    REWRITTEN = "rewritten"
    # Forwarded as it came, for the platform to quarantine it.
    UNDECODABLE = "undecodable"


@dataclass(frozen=True, slots=True)
class Forward:
    """What to send for one message, at least one, and what the message says."""

    how: How
    messages: Sequence[Outgoing]
    uplinks: Sequence[Uplink] = ()


def forward(delivery: Delivery, *, farm: str) -> Forward:
    """Say what is to be forwarded of a message.

    Parameters
    ----------
    delivery
        As a device of the farm published it.
    farm
        The farm, for topics that do not tell it.
    """
    topic = delivery.topic
    if topic == DEVICE_TELEMETRY:
        # "me" would be the gateway.
        topic = f"farm/{farm}/{delivery.device_id}/up"
    try:
        uplinks = _decoded(delivery, delivery.received_us)
    except PayloadInvalid:
        return Forward(How.UNDECODABLE, [(topic, delivery.payload)])
    if topic == delivery.topic and not _hangs_on_receipt(delivery, uplinks):
        return Forward(How.AS_IT_CAME, [(topic, delivery.payload)], uplinks)
    if topic == GATEWAY_TELEMETRY:
        return Forward(How.REWRITTEN, [(topic, _telemetry(uplinks))], uplinks)
    messages = [each for uplink in uplinks for each in _messages(uplink, farm)]
    return Forward(How.REWRITTEN, messages, uplinks)


def state_message(
    *,
    farm: str,
    device_id: str,
    time_us: int,
    state: dict[str, str | float | bool],
    command_id: str | None = None,
    seq: int | None = None,
) -> Outgoing:
    """Write a report of state."""
    document: dict[str, Any] = {"ts": iso(time_us), "state": state}
    if command_id is not None:
        document["command"] = command_id
    if seq is not None:
        document["seq"] = seq
    return f"farm/{farm}/{device_id}/state", orjson.dumps(document)


def iso(time_us: int) -> str:
    """Write microseconds since 1970 UTC as ISO 8601."""
    time = EPOCH + timedelta(microseconds=time_us)
    return time.replace(tzinfo=None).isoformat() + "Z"


def _decoded(delivery: Delivery, received_us: int) -> list[Uplink]:
    return decode(
        delivery.topic, delivery.payload, received_us, publisher=delivery.device_id
    )


def _hangs_on_receipt(delivery: Delivery, uplinks: list[Uplink]) -> bool:
    try:
        later = _decoded(delivery, delivery.received_us + LATER_US)
    except PayloadInvalid:
        return True
    return later != uplinks


def _messages(uplink: Uplink, farm: str) -> list[Outgoing]:
    if uplink.report is not None:
        report = uplink.report
        return [
            state_message(
                farm=farm,
                device_id=uplink.device_id,
                time_us=report.time_us,
                state=dict(report.state),
                command_id=report.command_id,
                seq=uplink.seq,
            )
        ]
    topic = f"farm/{farm}/{uplink.device_id}/up"
    payloads: list[bytes] = []
    for together in _grouped(uplink.measurements):
        # One number for one message: the others would look like repetitions.
        seq = None if payloads else uplink.seq
        payloads += _compact(together, seq, correction=uplink.correction)
    return [(topic, payload) for payload in payloads]


def _grouped(measurements: Iterable[Measurement]) -> list[list[Measurement]]:
    """Group measurements of one time, no name twice in a group; order of times kept."""
    groups: dict[tuple[int, int], list[Measurement]] = {}
    seen: dict[tuple[int, str], int] = {}
    for measurement in measurements:
        key = (measurement.time_us, measurement.name)
        repetition = seen.get(key, 0)
        seen[key] = repetition + 1
        groups.setdefault((measurement.time_us, repetition), []).append(measurement)
    return list(groups.values())


def _compact(
    together: list[Measurement], seq: int | None, *, correction: bool
) -> list[bytes]:
    """Write measurements of one time as one message, as more where it is too long."""
    document: dict[str, Any] = {} if seq is None else {"seq": seq}
    document["ts"] = iso(together[0].time_us)
    document["readings"] = {each.name: each.value for each in together}
    if units := {each.name: each.unit for each in together if each.unit is not None}:
        document["units"] = units
    if correction:
        document["corr"] = True
    payload = orjson.dumps(document)
    if len(payload) <= MAX_PAYLOAD or len(together) == 1:
        return [payload]
    middle = len(together) // 2
    first = _compact(together[:middle], seq, correction=correction)
    return first + _compact(together[middle:], None, correction=correction)


def _telemetry(uplinks: Sequence[Uplink]) -> bytes:
    """Write what a ThingsBoard gateway sent with its times, whole milliseconds."""
    return orjson.dumps(
        {
            uplink.device_id: [
                {
                    "ts": together[0].time_us // 1_000,
                    "values": {each.name: each.value for each in together},
                }
                for together in _grouped(uplink.measurements)
            ]
            for uplink in uplinks
        }
    )
