"""A small MQTT broker in a process of its own, for one machine."""

import errno
import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import iotcore

from sensors.errors import BrokerFailed, BrokerPortTaken
from sensors.running import Running

logger = logging.getLogger(__name__)


def free_port(host: str = "127.0.0.1") -> int:
    """Return a TCP port of `host` that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port


class Broker(Running):
    """MQTT 3.1.1 broker (iotcore) bound to one address; a context manager.

    Queues live in memory: messages that nobody has stored yet are lost when the broker
    itself stops. It closes the connection of a client that sends more than 20,480 bytes
    in one message or asks for no keepalive, and has at most 100 messages in flight on
    one connection.

    Parameters
    ----------
    host
        Numeric address to listen on. There are no passwords: leave it on the loopback.
    port
        TCP port.
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 1883) -> None:
        self.host = host
        self.port = port
        self._broker = iotcore.Broker(port=port, listen=host)

    def start(self) -> None:
        """Start the process and wait until it accepts connections.

        Raises
        ------
        BrokerPortTaken
            Another program listens on the address.
        BrokerFailed
            `host` is no address of this machine, or the process did not listen within
            ten seconds.
        """
        _check_free(self.host, self.port)
        try:
            with _interrupts_held():
                self._broker.start()
        except (OSError, RuntimeError) as error:
            raise BrokerFailed(
                f"the MQTT broker on {self.host}:{self.port} did not start ({error});"
                " try again, or use a broker of your own"
                " · MQTT 服务未能启动，请重试或使用自己的 MQTT 服务"
            ) from error
        logger.info("MQTT broker listening on %s:%d", self.host, self.port)

    def stop(self) -> None:
        """Stop the process and release the port; harmless when it is stopped."""
        self._broker.stop()

    @property
    def running(self) -> bool:
        """Whether the broker's process is alive."""
        return bool(self._broker.is_running)


def _check_free(host: str, port: int) -> None:
    # iotcore reports every failure to listen as one OSError without errno.
    with socket.socket() as probe:
        # As iotcore binds: connections of an earlier broker may still be closing.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise BrokerFailed(
                    f"cannot listen on {host}:{port}: {error}"
                ) from error
            raise BrokerPortTaken(
                f"MQTT port {port} on {host} is in use: stop the program that listens"
                " there, or choose another port"
                f" · MQTT 端口 {port} 已被占用：请停止占用它的程序，或换一个端口"
            ) from error


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Let child processes started inside be deaf to Ctrl-C.

    A terminal sends Ctrl-C to the whole process group; the broker must outlive it until
    the last messages are stored and acknowledged. A blocked signal stays blocked in a
    child, and is delivered here as soon as the block ends.
    """
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
