"""The MQTT listener for devices: a message is acknowledged when it is stored.

An ingest door, not a general broker: devices publish on their own topics and hear their
own commands; nothing is retained, nothing passes from one device to another.
"""

import asyncio
import logging
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from sensors.delivery import Sink
from sensors.endpoint.authentication import Authenticator
from sensors.endpoint.connection import Connection
from sensors.endpoint.errors import EndpointError
from sensors.endpoint.limits import Limits
from sensors.endpoint.presence import Presence
from sensors.endpoint.service import EndpointCounts, Service
from sensors.endpoint.sockets import (
    BACKLOG,
    listening_sockets,
    raise_descriptor_limit,
)
from sensors.endpoint.tls import Tls
from sensors.mqtt.codes import ReasonCode
from sensors.running import Running

__all__ = ["Endpoint"]

logger = logging.getLogger(__name__)

TLS_PORT = 8883
# Descriptors kept for everything but devices: files, the database, the pages.
OTHER_DESCRIPTORS = 256
# Seconds a client has to agree on TLS, and to take leave of it.
TLS_SECONDS = 10.0


class Endpoint(Running):
    """MQTT 3.1.1 and 5.0 for devices, with a thread of its own; a context manager.

    Parameters
    ----------
    sink
        Where the messages go; a message is acknowledged when the sink has settled it.
    authenticator
        Who may come in. The user name is the device id; any client id is taken.
    host
        Address or name of this machine to listen on, or several. A name that stands for
        both an IPv4 and an IPv6 address (``localhost``) listens on both.
    port
        TCP port without TLS; 0 for any free one, None for none.
    tls, tls_port
        Certificate, and the port for TLS (8883 where not given).
    limits
        How much a device may send and a connection may take.
    presence
        Told of the coming and going of devices.

    Attributes
    ----------
    on_subscribed
        Called with the device id when a device (or gateway) listens for commands.
    on_delivered
        Called with the token given to `send` when a device has acknowledged. Both are
        called in the endpoint's loop and must not block.
    """

    def __init__(
        self,
        sink: Sink,
        authenticator: Authenticator,
        *,
        host: str | Sequence[str] = "127.0.0.1",
        port: int | None = 1883,
        tls: Tls | None = None,
        tls_port: int | None = None,
        limits: Limits | None = None,
        presence: Presence | None = None,
    ) -> None:
        self.on_subscribed: Callable[[str], None] | None = None
        self.on_delivered: Callable[[Any], None] | None = None
        self._sink = sink
        self._authenticator = authenticator
        self._hosts = [host] if isinstance(host, str) else list(host)
        self._wanted_port = port
        self._tls = tls
        self._wanted_tls_port = TLS_PORT if tls_port is None else tls_port
        self._limits = limits or Limits()
        self._presence = presence
        self._service: Service | None = None
        self._servers: list[asyncio.AbstractServer] = []
        self._port = self._tls_port = 0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen; devices can connect when this returns.

        Raises
        ------
        AddressUnusable, PortTaken
            It cannot listen there.
        CertificateInvalid
            The certificate or its key cannot be used.
        """
        context = None if self._tls is None else self._tls.context()
        plain, secure = self._listen(secure=context is not None)
        loop = _new_loop()
        service = self._service = Service(
            loop=loop,
            sink=self._sink,
            authenticator=self._authenticator,
            limits=self._limits,
            presence=self._presence,
            most_connections=_most_connections(self._limits),
            subscribed=self._subscribed,
            delivered=self._delivered,
        )
        self._thread = threading.Thread(
            target=_run, args=(loop,), name="sensors-endpoint"
        )
        self._thread.start()
        service.doorman.start(loop)
        opening = self._open(service, plain, secure, context)
        try:
            asyncio.run_coroutine_threadsafe(opening, loop).result()
        except OSError:
            self.stop()
            raise
        for listening, what in ((plain, "MQTT"), (secure, "MQTT over TLS")):
            for each in listening:
                logger.info("%s: listening on %s port %d", what, *_address(each))

    def stop(self, *, timeout: float = 5.0) -> None:
        """Take no more, acknowledge what the sink settles in time, and close.

        Waits at most `timeout` seconds for the sink. Devices send again, when they
        next connect, what was not acknowledged. Harmless when it does not run; a
        stopped endpoint can be started again.
        """
        service, thread = self._service, self._thread
        if service is None or thread is None:
            return
        loop = service.loop
        ending = self._close(service, timeout)
        asyncio.run_coroutine_threadsafe(ending, loop).result()
        service.doorman.stop()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        self._thread = self._service = None

    @property
    def port(self) -> int:
        """TCP port without TLS that it listens on; 0 where there is none."""
        return self._port

    @property
    def tls_port(self) -> int:
        """TCP port for TLS that it listens on; 0 where there is none."""
        return self._tls_port

    @property
    def running(self) -> bool:
        """Whether devices are served: it was started, and its threads are alive."""
        service, thread = self._service, self._thread
        return (
            service is not None
            and thread is not None
            and thread.is_alive()
            and service.doorman.running
        )

    @property
    def connections(self) -> int:
        """Devices that are connected and were let in."""
        service = self._service
        return 0 if service is None else len(service.sessions)

    @property
    def counts(self) -> EndpointCounts:
        """What happened since the start."""
        service = self._service
        return EndpointCounts() if service is None else replace(service.counts)

    def send(self, device_id: str, topic: str, payload: bytes, *, token: Any) -> bool:  # noqa: ANN401
        """Send a command with QoS 1; callable from any thread.

        It goes to the live session of the device, or of a gateway of the farm that
        `topic` names, if that has subscribed to the topic.

        Returns
        -------
        bool
            True when it was handed to such a session; `on_delivered` is called with
            `token` when the other side has acknowledged it. A connection that breaks
            before takes it along, unsaid. False when nobody listens, or 100 commands
            are on their way there already.
        """
        service = self._service
        if service is None:
            return False
        connection = service.sessions.reserve(device_id, topic, payload)
        if connection is None:
            return False
        service.wake(connection.command, topic, payload, token)
        return True

    def kick(
        self,
        device_ids: Iterable[str],
        reason: ReasonCode = ReasonCode.ADMINISTRATIVE_ACTION,
    ) -> None:
        """Close the sessions of these devices; callable from any thread.

        MQTT 5 clients are told the `reason`.
        """
        if self._service is not None:
            self._service.wake(self._service.kick, tuple(device_ids), reason)

    def _subscribed(self, device_id: str) -> None:
        if self.on_subscribed is not None:
            self.on_subscribed(device_id)

    def _delivered(self, token: object) -> None:
        if self.on_delivered is not None:
            self.on_delivered(token)

    def _listen(
        self, *, secure: bool
    ) -> tuple[list[socket.socket], list[socket.socket]]:
        """Return the listening sockets without and with TLS."""
        plain: list[socket.socket] = []
        if self._wanted_port is not None:
            plain = listening_sockets(self._hosts, self._wanted_port)
            self._port = _address(plain[0])[1]
        if not secure:
            return plain, []
        try:
            encrypted = listening_sockets(self._hosts, self._wanted_tls_port)
        except EndpointError:
            for listening in plain:
                listening.close()
            raise
        self._tls_port = _address(encrypted[0])[1]
        return plain, encrypted

    async def _open(
        self,
        service: Service,
        plain: Sequence[socket.socket],
        secure: Sequence[socket.socket],
        context: ssl.SSLContext | None,
    ) -> None:
        service.watch()
        loop = service.loop
        for listening in plain:
            server = await loop.create_server(
                lambda: Connection(service), sock=listening, backlog=BACKLOG
            )
            self._servers.append(server)
        for listening in secure:
            server = await loop.create_server(
                lambda: Connection(service),
                sock=listening,
                backlog=BACKLOG,
                ssl=context,
                ssl_handshake_timeout=TLS_SECONDS,
                ssl_shutdown_timeout=TLS_SECONDS,
            )
            self._servers.append(server)

    async def _close(self, service: Service, timeout: float) -> None:
        for server in self._servers:
            server.close()
        self._servers = []
        await service.shut_down(timeout)


def _new_loop() -> asyncio.AbstractEventLoop:
    # uvloop does not exist for Windows; elsewhere it takes half the time.
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


def _most_connections(limits: Limits) -> int:
    descriptors = raise_descriptor_limit()
    room = max(1, descriptors - OTHER_DESCRIPTORS) if descriptors else sys.maxsize
    wanted = limits.connections or room
    if wanted > room:
        logger.warning(
            "only %d of %d connections: the limit of open files is %d; raise it"
            " (ulimit -n) · 打开文件数上限为 %d，只能接受 %d 个连接，请调高 ulimit -n",
            room,
            wanted,
            descriptors,
            descriptors,
            room,
        )
    elif descriptors:
        logger.info(
            "at most %d connections (limit of open files: %d)", wanted, descriptors
        )
    return min(room, wanted)


def _address(listening: socket.socket) -> tuple[str, int]:
    host, port, *_ = listening.getsockname()
    return host, port
