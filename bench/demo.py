"""How long and how large the demo is: from an empty folder, and started again.

Prints one JSON object on its last line:
``first_s`` wall seconds of `heitu demo --exit` from an empty data folder,
``first_cpu_s`` its CPU seconds, ``peak_mb`` by how much the machine's available memory
fell meanwhile (all processes together, so keep the machine quiet), ``second_page_s``
wall seconds from a second start to the first page served. The limits the demo has to
keep are 180 s, 4,096 MB and 15 s on two cores.
"""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HEITU = (sys.executable, "-c", "from api.cli import main; main()")


def first_run(data: Path) -> dict[str, float]:
    """Run the demo from nothing; returns wall and CPU seconds and memory."""
    started, before = time.monotonic(), available_mb()
    least = before
    process = subprocess.Popen([*HEITU, "demo", "--exit", "--data", str(data)])
    while process.poll() is None:
        least = min(least, available_mb())
        time.sleep(0.1)
    if process.returncode:
        raise SystemExit(process.returncode)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "first_s": round(time.monotonic() - started, 1),
        "first_cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "peak_mb": round(before - least),
    }


def available_mb() -> float:
    """Return the memory that processes could still take (Linux)."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return int(fields["MemAvailable"].split()[0]) / 1024


def second_start(data: Path) -> dict[str, float]:
    """Start the demo again; returns wall seconds until the page is served."""
    started = time.monotonic()
    process = subprocess.Popen(
        [*HEITU, "demo", "--data", str(data), "--port", "0", "--mqtt-port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert process.stderr is not None
    address = next(filter(None, map(_address, process.stderr)))
    with urllib.request.urlopen(address) as page:
        page.read()
    seconds = time.monotonic() - started
    process.send_signal(signal.SIGTERM)
    process.communicate()
    return {"second_page_s": round(seconds, 1)}


def _address(line: str) -> str | None:
    found = re.search(r"http://\S+", line)
    return found[0] if found else None


def main() -> None:
    """Measure in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="heitu-bench-") as folder:
        data = Path(folder) / "data"
        print(json.dumps(first_run(data) | second_start(data)))


if __name__ == "__main__":
    main()
