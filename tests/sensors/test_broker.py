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


def test_broker_is_deaf_to_interrupts_from_its_first_moment(
    serving: subprocess.Popen[str],
) -> None:
    # While Python starts in the broker's process, an interrupt would print a traceback.
    # The mask shows what was so then: it came with the process and nobody changes it.
    proc = Path("/proc")
    if not proc.joinpath("self/task").exists():
        pytest.skip("needs the signal masks in Linux's /proc")
    assert serving.stdout is not None
    serving.stdout.readline()
    children = proc / f"{serving.pid}/task/{serving.pid}/children"
    (child,) = children.read_text().split()
    status = proc.joinpath(child, "status").read_text().splitlines()
    (blocked,) = [line.split()[1] for line in status if line.startswith("SigBlk")]
    serving.send_signal(signal.SIGINT)
    serving.communicate(timeout=20)
    assert int(blocked, 16) & 1 << (signal.SIGINT - 1)
