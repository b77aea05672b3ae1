"""The live sessions, one a device, and who is to hear a command."""

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sensors.endpoint.connection import Connection

__all__ = ["Sessions"]


class Sessions:
    """Live sessions by device, and the gateways of each farm.

    Changed in the endpoint's loop; `reserve` may be called from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._devices: dict[str, Connection] = {}
        self._gateways: dict[str, dict[str, Connection]] = {}

    def __len__(self) -> int:
        return len(self._devices)

    def get(self, device_id: str) -> "Connection | None":
        """Return the session of a device, if it has one."""
        return self._devices.get(device_id)

    def add(self, connection: "Connection") -> None:
        """Enter a session; the device must have none."""
        principal = connection.principal
        with self._lock:
            self._devices[principal.device_id] = connection
            if principal.gateway:
                gateways = self._gateways.setdefault(principal.farm, {})
                gateways[principal.device_id] = connection

    def remove(self, connection: "Connection") -> None:
        """Take a session out."""
        principal = connection.principal
        with self._lock:
            del self._devices[principal.device_id]
            gateways = self._gateways.get(principal.farm, {})
            gateways.pop(principal.device_id, None)
            if not gateways:
                self._gateways.pop(principal.farm, None)

    def reserve(
        self, device_id: str, topic: str, payload: bytes
    ) -> "Connection | None":
        """Return the session that is to hear a message, with a place kept for it.

        That of the device, else of a gateway of the farm that `topic` names, if it has
        subscribed to the topic and can take the message now.
        """
        with self._lock:
            for connection in self._candidates(device_id, topic):
                downlink = connection.downlink
                if downlink is not None and downlink.takes(topic, payload):
                    downlink.promised += 1
                    return connection
        return None

    def release(self, connection: "Connection") -> None:
        """Give back one place that was kept."""
        with self._lock:
            if connection.downlink is not None:
                connection.downlink.promised -= 1

    def _candidates(self, device_id: str, topic: str) -> "list[Connection]":
        own = self._devices.get(device_id)
        farm = topic.split("/")[1] if topic.startswith("farm/") else ""
        gateways = [g for g in self._gateways.get(farm, {}).values() if g is not own]
        return gateways if own is None else [own, *gateways]
