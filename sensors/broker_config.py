"""Configuration of Mosquitto 2 for the devices of the store (mosquitto.conf(5)).

Rights are written out for each device. Patterns (``pattern write farm/+/%u/up``) would
let a device write under the farms of others, and a message from a broker carries no
publisher: what the topic says is all there is to trust. So neither ``v1/devices/me``
nor the topics of network servers are open to devices here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sensors.errors import SensorsError
from sensors.passwords import hash_secret
from store.credentials import Access

__all__ = [
    "INGEST_USER",
    "MONITOR_USER",
    "BrokerNameTaken",
    "Files",
    "Listener",
    "TlsFiles",
    "access_list",
    "configuration",
    "exportable",
    "ingest_users",
    "password_file",
]

INGEST_USER = "heitu-ingest"
"""User of the first ingest worker; the others have a number behind it."""

MONITOR_USER = "heitu-monitor"
"""User who reads the broker's own counters.

Nobody may log in as an ingest worker to look at them: client ids are user names, so the
broker would end the worker's session, and the messages queued for it.
"""

_SERVICE = re.compile(rf"{INGEST_USER}(-\d+)?|{MONITOR_USER}")
# A colon ends the name in the password file, a blank the topic in the access list; a
# line break would add lines of its own.
_NAME = re.compile(r"[^\x00-\x20\x7f-\xa0\u2028\u2029:+#/]+")


class BrokerNameTaken(SensorsError):
    """A device has the name of an ingest worker or of the monitor."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Certificate and key of the broker, and who signs those of clients, if anybody."""

    certificate: Path
    key: Path
    authority: Path | None = None


@dataclass(frozen=True, slots=True)
class Listener:
    """Numeric address and TCP port to listen on, with or without TLS."""

    host: str
    port: int
    tls: TlsFiles | None = None


@dataclass(frozen=True, slots=True)
class Files:
    """Absolute paths that the configuration names."""

    passwords: Path
    access_list: Path
    state: Path


def configuration(
    listeners: Sequence[Listener], files: Files, *, user: str | None = None
) -> str:
    """Write mosquitto.conf.

    Parameters
    ----------
    listeners
        Where to listen.
    files
        What the configuration names.
    user
        System user that Mosquitto becomes when root starts it; its own default when
        left out.
    """
    lines = [
        *_HEAD,
        *([f"user {user}"] if user else []),
        f"password_file {files.passwords}",
        f"acl_file {files.access_list}",
        "",
        *_QUEUES,
        f"persistence_location {files.state}/",
    ]
    for listener in listeners:
        lines += ["", *_listener(listener)]
    return "\n".join(lines) + "\n"


def password_file(
    devices: Sequence[Access], services: Sequence[tuple[str, str]]
) -> str:
    """Write the password file.

    Parameters
    ----------
    devices
        Those that `exportable` lets through; of two credentials the newest is taken,
        since a user has one line.
    services
        User name and secret of each ingest worker and of the monitor.
    """
    users = [(device.device_id, device.hashes[0]) for device in devices]
    users += [(user, hash_secret(secret)) for user, secret in services]
    return "".join(f"{user}:{hashed}\n" for user, hashed in users)


def access_list(devices: Sequence[Access], ingest: Sequence[str]) -> str:
    """Write the access list: each device its own topics, the ingest all of them.

    The monitor reads what the broker tells of itself, and no device's messages.

    Parameters
    ----------
    devices
        Those that `exportable` lets through.
    ingest
        User names of the ingest workers.
    """
    blocks = [_block(user, _INGEST_RIGHTS) for user in ingest]
    blocks += [_block(MONITOR_USER, ("read $SYS/#",))]
    blocks += [_block(device.device_id, _rights(device)) for device in devices]
    return "\n".join(blocks)


def exportable(devices: Sequence[Access]) -> tuple[list[Access], list[str]]:
    """Split off the ids of devices whose id or farm Mosquitto's files cannot hold.

    Raises
    ------
    BrokerNameTaken
        A device has the name of an ingest worker or of the monitor, whose rights it
        would get.
    """
    good, left_out = [], []
    for device in devices:
        if _SERVICE.fullmatch(device.device_id):
            raise BrokerNameTaken(
                f"device {device.device_id!r} has the name of a user of Heitu itself:"
                " revoke it and register it under another id"
                f" · 设备编号 {device.device_id} 与系统用户重名，请换一个编号"
            )
        if _NAME.fullmatch(device.device_id) and _NAME.fullmatch(device.farm):
            good.append(device)
        else:
            left_out.append(device.device_id)
    return good, left_out


def ingest_users(workers: int) -> list[str]:
    """Name the users of so many ingest workers: a session each, so a user each."""
    return [INGEST_USER, *(f"{INGEST_USER}-{n}" for n in range(2, workers + 1))]


_HEAD = (
    "# Made by `heitu broker-config`; made again, it is overwritten.",
    "# After a change: SIGHUP makes Mosquitto read passwords and rights again.",
    "# Alarm: $SYS/broker/publish/messages/dropped must stay 0. It counts messages",
    "# that queues had no room for; whoever sent them was told that all is well.",
    f"# Watch it as {MONITOR_USER}. Never log in by hand as {INGEST_USER}: that ends",
    "# the session of the ingest, and what is queued for it is lost.",
    "per_listener_settings false",
    "allow_anonymous false",
)
_QUEUES = (
    "# Of each client. The default of 1000 messages is a minute of a thousand collars.",
    "max_queued_messages 1000000",
    "max_queued_bytes 1073741824",
    "# How far the ingest may be behind with acknowledging; the default is 20.",
    "max_inflight_messages 2000",
    "# Larger packets end the connection; message_size_limit would swallow them.",
    "max_packet_size 65536",
    "sys_interval 10",
    "persistence true",
    "autosave_interval 30",
)
_INGEST_RIGHTS = (
    "read farm/+/+/up",
    "read farm/+/+/state",
    "write farm/+/+/down/#",
    # For network servers, which need a user and rights of their own.
    "read application/+/device/+/event/up",
    "read v3/+/devices/+/up",
)


def _listener(listener: Listener) -> list[str]:
    lines = [
        f"listener {listener.port} {listener.host}",
        # Nobody can end the session of another by taking its client id.
        "use_username_as_clientid true",
    ]
    if (tls := listener.tls) is not None:
        lines += [f"certfile {tls.certificate}", f"keyfile {tls.key}"]
        lines += ["tls_version tlsv1.2"]
        if tls.authority is not None:
            lines += [f"cafile {tls.authority}", "require_certificate true"]
    return lines


def _rights(device: Access) -> tuple[str, ...]:
    who = "+" if device.gateway else device.device_id
    place = f"farm/{device.farm}/{who}"
    return (f"write {place}/up", f"write {place}/state", f"read {place}/down/#")


def _block(user: str, rights: Sequence[str]) -> str:
    return "".join([f"user {user}\n", *(f"topic {right}\n" for right in rights)])
