import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensors.broker import Broker, free_port
from sensors.errors import BrokerFailed, BrokerPortTaken
from tests.sensors.conftest import until

SERVE = """
import signal, sys
from sensors.broker import Broker
try:
    with Broker(port=int(sys.argv[1])) as broker:
        try:
            print("ready", flush=True)
            signal.pause()
        finally:
            print("broker running:", broker.running)
except KeyboardInterrupt:
    print("stopped")
"""


@pytest.fixture
def serving() -> Iterator[subprocess.Popen[str]]:
    """Start a program with a broker, as the leader of its own process group."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(free_port())],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        yield process


def test_broker_listens_on_the_loopback_only(broker: Broker) -> None:
    socket.create_connection(("127.0.0.1", broker.port), timeout=5).close()
    # The same port of another address would be taken by a listener on 0.0.0.0.
    with socket.socket() as other:
        other.bind(("127.0.0.2", broker.port))


def test_stop_releases_the_port() -> None:
    port = free_port()
    for _ in range(2):
        with Broker(port=port) as broker:
            assert broker.running
        assert not broker.running


def test_taken_port_says_what_to_do(broker: Broker) -> None:
    with pytest.raises(BrokerPortTaken, match=rf"{broker.port} on 127.0.0.1.*another"):
        Broker(port=broker.port).start()


def test_foreign_address_is_refused() -> None:
    # TEST-NET-1 of RFC 5737 is no address of any machine.
    with pytest.raises(BrokerFailed, match=r"192\.0\.2\.1"):
        Broker(host="192.0.2.1", port=free_port()).start()


def test_interrupt_from_a_terminal_stops_cleanly(
    serving: subprocess.Popen[str],
) -> None:
    assert serving.stdout is not None
    assert serving.stdout.readline() == "ready\n"
    os.killpg(serving.pid, signal.SIGINT)
    output, errors = serving.communicate(timeout=20)
    assert (output, errors) == ("broker running: True\nstopped\n", "")
    assert serving.returncode == 0


def python_runs(pid: str) -> bool:
    """Tell from Linux's /proc whether the broker's process handles SIGINT by now."""
    if "iotcore" not in Path(f"/proc/{pid}/cmdline").read_text():
        return False
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    (caught,) = [line.split()[1] for line in status if line.startswith("SigCgt")]
    return bool(int(caught, 16) & 1 << (signal.SIGINT - 1))


def test_interrupt_while_the_broker_starts(serving: subprocess.Popen[str]) -> None:
    children = Path(f"/proc/{serving.pid}/task/{serving.pid}/children")
    if not children.exists():
        pytest.skip("needs the list of child processes in Linux's /proc")
    # Python listens to SIGINT from early on, long before the broker's code is loaded.
    until(lambda: any(python_runs(pid) for pid in children.read_text().split()))
    os.killpg(serving.pid, signal.SIGINT)
    output, errors = serving.communicate(timeout=20)
    assert (output, errors) == ("stopped\n", "")
    assert serving.returncode == 0
