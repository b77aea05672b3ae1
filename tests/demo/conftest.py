"""One finished demo folder for all tests of the platform as a whole."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True, slots=True)
class Demo:
    """A data folder that `heitu demo --exit` has finished, and what it printed."""

    data: Path
    result: dict[str, Any]


def heitu(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from api.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        check=False,
        # Any free ports: other tests listen at the same time.
        env={"HEITU_PORT": "0", "HEITU_MQTT_PORT": "0", **os.environ, "COLUMNS": "200"},
    )


def run_demo(data: Path) -> dict[str, Any]:
    """Run `heitu demo --exit`; returns the object on its last line."""
    ran = heitu("demo", "--exit", "--data", str(data))
    assert ran.returncode == 0, ran.stderr
    result: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return result


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    # Not pytest's own folder: another run under root closes that to the database.
    with tempfile.TemporaryDirectory(prefix="heitu-demo-") as folder:
        data = Path(folder) / "data"
        yield Demo(data, run_demo(data))
