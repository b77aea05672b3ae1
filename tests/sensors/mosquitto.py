"""Debian's Mosquitto as a broker of a test's own."""

import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Self

import pytest

from tests.sensors.broker import free_port
from tests.sensors.conftest import until

_PROGRAM = shutil.which("mosquitto") or "/usr/sbin/mosquitto"

needs_mosquitto = pytest.mark.skipif(
    not Path(_PROGRAM).exists(),
    reason="Mosquitto is not installed (Debian package mosquitto)",
)


class Mosquitto:
    """A broker on the loopback that keeps its sessions in a folder.

    Parameters
    ----------
    folder
        Empty, or of a broker that was stopped.
    lines
        More of the configuration; instead of open access when they say who may enter.
    """

    host = "127.0.0.1"

    def __init__(self, folder: Path, *lines: str) -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        entry = () if any("password" in line for line in lines) else _OPEN
        self._config.write_text(
            "\n".join(
                (
                    f"listener {self.port} {self.host}",
                    *entry,
                    *lines,
                    "persistence true",
                    f"persistence_location {folder}/",
                    "max_inflight_messages 1000",
                    "max_queued_messages 100000",
                    "user root",
                    "log_dest none",
                )
            )
            + "\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen([_PROGRAM, "-c", str(self._config)])
        until(self._listens)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=20)
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop(signal.SIGKILL)

    def _listens(self) -> bool:
        try:
            socket.create_connection((self.host, self.port), timeout=1).close()
        except OSError:
            return False
        return True


_OPEN = ("allow_anonymous true",)
