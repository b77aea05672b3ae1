"""Listening sockets, and how many descriptors the process may have."""

import errno
import logging
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv6Address

from sensors.endpoint.errors import AddressUnusable, PortTaken

__all__ = ["listening_sockets", "network_of", "raise_descriptor_limit"]

logger = logging.getLogger(__name__)

# Connections that the kernel completes before they are accepted.
BACKLOG = 4_096
# Seconds of silence before the first probe, between probes, and probes unanswered
# before a half-open connection is given up: two minutes.
KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, KEEPALIVE_PROBES = 60, 20, 3
# Port 0 must be free at the same number on every address.
ATTEMPTS = 20
# An address family that this machine does not have.
_ABSENT = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}

Address = tuple[socket.AddressFamily, str]


def listening_sockets(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """Bind and listen on every address of `hosts`, all on one port.

    A name may stand for several addresses; those whose family the machine does not
    have are left out as long as one remains. Port 0 takes any free one.

    Raises
    ------
    AddressUnusable
        A host has no address here, or the port needs more rights.
    PortTaken
        Another program listens there.
    """
    addresses = [address for host in hosts for address in _resolve(host)]
    for attempt in range(ATTEMPTS):
        try:
            return _bind_all(dict.fromkeys(addresses), port)
        except PortTaken:
            # Of a port that was asked for, or of one free on only some addresses.
            if port or attempt == ATTEMPTS - 1:
                raise
    raise AssertionError  # pragma: no cover


def _resolve(host: str) -> list[Address]:
    try:
        found = socket.getaddrinfo(
            host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as error:
        raise AddressUnusable(
            f"cannot listen on {host!r}: {error}; give an address of this machine, such"
            f" as 127.0.0.1 or :: · 无法监听 {host!r}：请填写本机地址"
        ) from error
    return [(family, str(address[0])) for family, *_, address in found]


def _bind_all(addresses: dict[Address, None], port: int) -> list[socket.socket]:
    bound: list[socket.socket] = []
    absent: OSError | None = None
    try:
        for family, address in addresses:
            try:
                listening = _bind(family, address, port)
            except OSError as error:
                if error.errno not in _ABSENT:
                    raise _refused(address, port, error) from error
                absent = error
                logger.warning("not listening on %s: %s", address, error)
            else:
                bound.append(listening)
                port = listening.getsockname()[1]
        if not bound and absent is not None:
            names = ", ".join(address for _, address in addresses)
            raise _refused(names, port, absent) from absent
    except (AddressUnusable, PortTaken):
        for listening in bound:
            listening.close()
        raise
    return bound


def _bind(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            # Connections of an earlier endpoint may still be closing.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        _find_half_open(listening)
        listening.bind((address, port))
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def _find_half_open(listening: socket.socket) -> None:
    """Let accepted connections, which inherit it, be probed by TCP."""
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE),
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
    ):
        if hasattr(socket, name):
            listening.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _refused(address: str, port: int, error: OSError) -> AddressUnusable | PortTaken:
    if error.errno == errno.EADDRINUSE:
        return PortTaken(
            f"MQTT port {port} on {address} is in use: stop the program that listens"
            " there, or choose another port"
            f" · MQTT 端口 {port}（{address}）已被占用：请停止占用它的程序，"
            "或换一个端口"
        )
    return AddressUnusable(
        f"cannot listen on {address} port {port}: {error}; give an address of this"
        " machine and a port above 1023"
        f" · 无法监听 {address} 端口 {port}：请填写本机地址和 1023 以上的端口"
    )


def network_of(address: str) -> str:
    """Return what counts as one origin: an IPv4 address, or an IPv6 /64 network."""
    if ":" not in address:
        return address
    with suppress(ValueError):
        return str(int(IPv6Address(address)) >> 64)
    return address


def raise_descriptor_limit() -> int:
    """Raise the limit of open files to what the system allows; return the limit.

    Zero where there is no such limit (Windows).
    """
    if sys.platform == "win32":
        return 0
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return 0
    if soft != hard:
        # macOS names an unlimited hard limit that it does not grant.
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    granted = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 0 if granted == resource.RLIM_INFINITY else granted
