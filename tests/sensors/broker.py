"""A real MQTT broker that comes as a wheel: iotcore, which is rumqttd."""

import socket

import iotcore

from sensors.running import Running


def free_port(host: str = "127.0.0.1") -> int:
    """Return a TCP port of `host` that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port


class Broker(Running):
    """MQTT 3.1.1 broker in a process of its own; queues in memory, no passwords.

    It closes the connection of a client that sends more than 20,480 bytes in one
    message or asks for no keepalive, and has at most 100 messages in flight.
    """

    def __init__(self, *, port: int) -> None:
        self.host = "127.0.0.1"
        self.port = port
        self._broker = iotcore.Broker(port=port, listen=self.host)

    def start(self) -> None:
        self._broker.start()

    def stop(self) -> None:
        self._broker.stop()

    @property
    def running(self) -> bool:
        return bool(self._broker.is_running)
