"""What bench/readings.py starts, kills and asks: devices, ingest, network, database."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from rich.console import Console

from api.fleet import Registration, add
from sensors.access import new_secret
from store import Store

HEITU = (sys.executable, "-c", "from api.cli import main; main()")
FOLDER = Path(__file__).parent
CONSOLE = Console(stderr=True)
START_SECONDS = 60
Device = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything runs."""

    data: Path
    store: Store

    @property
    def environment(self) -> dict[str, str]:
        """No limits for a device: each stands for many."""
        return {
            **os.environ,
            "HEITU_DEVICE_MESSAGES_PER_MINUTE": "0",
            "HEITU_DEVICE_MEGABYTES_PER_DAY": "0",
            "HEITU_DATA": str(self.data),
        }


def fleet(place: Place, name: str, count: int) -> list[Device]:
    """Register cattle collars; returns id, farm and secret of each."""
    with place.store.connection(timeout=60) as conn:
        return [_collar(conn, f"{name}-{number:05}") for number in range(count)]


def _collar(conn: psycopg.Connection, device_id: str) -> Device:
    new = Registration(
        device_id=device_id,
        farm="bench",
        kind="cattle-collar",
        lon=124.34,
        lat=43.31,
        name_zh=device_id,
        name_en=device_id,
        thing=device_id,
    )
    add(conn, new, places=[])
    return device_id, new.farm, new_secret(conn, device_id).secret


@contextmanager
def swarm(
    devices: Sequence[Device], *, port: int, messages: int, window: int, start: int
) -> Iterator[subprocess.Popen[str]]:
    """Run the devices in a process of their own."""
    command = [sys.executable, str(FOLDER / "device_swarm.py")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen(command, text=True, **pipes)
    task = {
        "port": port,
        "devices": list(devices),
        "messages": messages,
        "window": window,
        "start": start,
    }
    assert process.stdin is not None
    process.stdin.write(json.dumps(task) + "\n")
    process.stdin.flush()
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def outcome(
    process: subprocess.Popen[str], progress: Callable[[int], None]
) -> dict[str, float]:
    """Follow the devices to their end; returns what they say of it."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):
            result: dict[str, float] = json.loads(line)
            return result
        progress(int(line))
    raise SystemExit("the devices ended without a result")


class Ingest:
    """`heitu listen` or `heitu subscribe`, which may be killed and started again."""

    def __init__(
        self, place: Place, *arguments: str, environment: dict[str, str] | None = None
    ) -> None:
        self._command = [*HEITU, *arguments]
        self._environment = place.environment | (environment or {})
        self._log = place.data.parent / f"{arguments[0]}.log"
        self._start()

    def _start(self) -> None:
        with self._log.open("ab") as log:
            said = log.tell()
            self.process = subprocess.Popen(
                self._command, stderr=log, env=self._environment
            )
        until = time.monotonic() + START_SECONDS
        while b"MQTT" not in self._log.read_bytes()[said:]:
            if self.process.poll() is not None or time.monotonic() > until:
                raise SystemExit(self._log.read_text(errors="replace")[-2000:])
            time.sleep(0.02)

    def kill(self) -> None:
        """End it without a word and start it again."""
        self.process.kill()
        self.process.wait()
        self._start()

    def __enter__(self) -> "Ingest":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        self.process.kill()
        self.process.wait()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listen(place: Place, port: int) -> Ingest:
    """Start the endpoint."""
    return Ingest(place, "listen", "--mqtt-port", str(port))


class Relay:
    """The network: bench/tcp_relay.py between devices and endpoint."""

    def __init__(self, *, to: int) -> None:
        self.port = free_port()
        self._to = to
        self._start()

    def _start(self) -> None:
        script = str(FOLDER / "tcp_relay.py")
        self.process = subprocess.Popen(
            [sys.executable, script, str(self.port), str(self._to)]
        )

    def kill(self) -> None:
        """Cut every connection, and come back."""
        self.process.kill()
        self.process.wait()
        self._start()

    def __enter__(self) -> "Relay":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def kill_database(place: Place) -> None:
    """Kill PostgreSQL with all its processes; the ingest has to start it again."""
    with suppress(FileNotFoundError, ValueError, ProcessLookupError):
        pid = (place.data / "postgres" / "postmaster.pid").read_text().split()[0]
        os.kill(int(pid), signal.SIGKILL)
