"""Looks for bytes that break what reads the devices.

``python bench/fuzz.py --minutes 10 [--target mqtt|formats|all]`` gives mutated input to
the MQTT protocol (``ServerConnection.receive``) and to the payload formats
(``sensors.formats.decode``), each in a process of its own for all of the minutes. A
finding is

- an exception, except the one that a format may raise (``PayloadInvalid``),
- a stream whose events depend on how it is cut, or that fills a connection's memory,
- a reading that is not finite, or of a time that no device may report,
- more than a second of processor time for one input,
- a process that ends by itself, or grows by more than 20 MB after a tenth of the time.

Each is printed with its input as hex, and kept once for each line of code that raises.
With atheris (``pip install atheris``, Linux) inputs are guided by the coverage of the
code, else by the outcomes of a seeded mutator; ``engine`` says which. The last line is
one JSON object; the exit code is 1 with findings.
"""

import argparse
import importlib.util
import itertools
import json
import math
import mmap
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

from fuzz_seeds import RECEIVED_US, SEEDS, TOKENS, TOPICS
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from sensors.uplink import Uplink

HANG_S = 1.0
GROWTH_MB = 20.0
# Bytes; the largest packet is small, so that inputs reach it.
LONGEST_INPUT = 4096
LARGEST_PACKET = 1024
MEMORY = 4096
EARLIEST_US = 946_684_800_000_000
LATEST_US = RECEIVED_US + 300_000_000

Check = Callable[[bytes], Hashable]


class Wrong(Exception):
    """A result that may not be."""


class Hang(BaseException):
    """One input takes too long; no `except Exception` of the tested code stops it."""


def check_mqtt() -> Check:
    """Return a function that reads a stream at once and in pieces."""
    from sensors.mqtt import Failed, ReasonCode, ServerConnection

    def connected(before: int) -> ServerConnection:
        connection = ServerConnection(maximum_packet_size=LARGEST_PACKET)
        if before:
            none = b"\0" if before == 2 else b""
            head = b"\0\4MQTT" + bytes([3 + before, 2, 0, 60]) + none + b"\0\1c"
            connection.receive(bytes([0x10, len(head)]) + head)
            connection.connack(ReasonCode.SUCCESS, receive_maximum=20)
        return connection

    def size(connection: ServerConnection) -> int:
        held = (getattr(connection, name) for name in connection.__slots__)
        kept = [each for each in held if isinstance(each, str | bytes | bytearray)]
        return sys.getsizeof(connection) + sum(map(sys.getsizeof, kept))

    def check(data: bytes) -> Hashable:
        before, stream = data[0] % 3, data[1:]
        events = connected(before).receive(stream)
        pieces, by_pieces = connected(before), []
        for piece in cut(stream):
            by_pieces += pieces.receive(piece)
        if size(pieces) > MEMORY:
            raise Wrong(f"a connection keeps {size(pieces)} bytes")
        if events != by_pieces:
            raise Wrong(f"at once {events}, in pieces {by_pieces}")
        last = events[-1] if events else None
        if isinstance(last, Failed):
            pieces.farewell(last.reason, last.message)
            return before, len(events), last.reason, last.message[:20]
        return before, tuple(type(event).__name__ for event in events)

    return check


def cut(stream: bytes) -> Iterator[bytes]:
    """Yield `stream` in eight pieces, at the same places for the same bytes."""
    places = random.Random(zlib.crc32(stream))
    edges = sorted(places.choices(range(len(stream) + 1), k=7))
    for start, end in itertools.pairwise([0, *edges, len(stream)]):
        yield stream[start:end]


def check_formats() -> Check:
    """Return a function that decodes a payload and looks at its readings."""
    from sensors.errors import PayloadInvalid
    from sensors.formats import decode

    def check(data: bytes) -> Hashable:
        topic = TOPICS[data[0] % len(TOPICS)]
        try:
            uplinks = decode(topic, data[1:], RECEIVED_US, publisher="ws-1")
        except PayloadInvalid as error:
            error.reason.encode()
            return topic, error.reason[:20]
        if not uplinks:
            raise Wrong("nothing was decoded, and nothing refused")
        for uplink in uplinks:
            check_uplink(uplink)
        return topic, len(uplinks), len(uplinks[0].measurements)

    return check


def check_uplink(uplink: "Uplink") -> None:
    """Raise where a device says what none can say."""
    uplink.device_id.encode()
    times = [measurement.time_us for measurement in uplink.measurements]
    if uplink.report is not None:
        times.append(uplink.report.time_us)
    for name, unit, _, value in uplink.measurements:
        (name + (unit or "")).encode()
        if not (type(value) is float and math.isfinite(value)):
            raise Wrong(f"{name} is {value!r}")
    for time_us in times:
        if not (type(time_us) is int and EARLIEST_US <= time_us <= LATEST_US):
            raise Wrong(f"a reading of {time_us!r}")


CHECKS: dict[str, Callable[[], Check]] = {
    "mqtt": check_mqtt,
    "formats": check_formats,
}


class Worker:
    """Runs inputs of one target in this process and prints what comes of it as JSON.

    Parameters
    ----------
    target
        Key of `CHECKS`.
    minutes
        How long.
    current
        File that holds the input being run, for whoever finds this process dead.
    """

    def __init__(self, target: str, *, minutes: float, current: Path) -> None:
        self.check = CHECKS[target]()
        self.executions = 0
        self.found: set[str] = set()
        self._started = time.monotonic()
        self._seconds = minutes * 60
        self._next_report = 0.0
        self._warm_mb: float | None = None
        current.write_bytes(bytes(LONGEST_INPUT + 4))
        with current.open("r+b") as file:
            self._current = mmap.mmap(file.fileno(), 0)
        signal.signal(signal.SIGVTALRM, _hang)

    def run(self, data: bytes) -> Hashable:
        """Run one input; returns its outcome. Ends the process when time is over."""
        self._report()
        data = data[:LONGEST_INPUT] or b"\0"
        self._current[: 4 + len(data)] = len(data).to_bytes(4) + data
        self.executions += 1
        try:
            with _watched():
                return self.check(data)
        # Whatever it is, it is what is looked for.
        except (Exception, Hang) as error:  # noqa: BLE001
            return self._find(data, error)

    def _find(self, data: bytes, error: BaseException) -> str:
        place = f"{type(error).__name__} at {_line(error.__traceback__)}"
        if place not in self.found:
            self.found.add(place)
            said = {"finding": f"{place}: {error}"[:2000], "input": data.hex()}
            print(json.dumps(said), flush=True)
        return place

    def _report(self) -> None:
        elapsed = time.monotonic() - self._started
        if elapsed < self._next_report:
            return
        self._next_report = elapsed + 1
        memory = resident_mb()
        if self._warm_mb is None and elapsed >= self._seconds / 10:
            self._warm_mb = memory
        growth = 0.0 if self._warm_mb is None else memory - self._warm_mb
        said = {"executions": self.executions, "growth_mb": growth}
        print(json.dumps(said), flush=True)
        if elapsed >= self._seconds:
            # The engine's own way out prints a report, and calls what it has to.
            os._exit(0)


def _hang(signum: int, frame: FrameType | None) -> None:
    raise Hang(f"more than {HANG_S} s of processor time")


@contextmanager
def _watched() -> Iterator[None]:
    """Raise `Hang` when the block takes too much of the processor's time."""
    signal.setitimer(signal.ITIMER_VIRTUAL, HANG_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _line(traceback: TracebackType | None) -> str:
    """Return file and line of the innermost frame, that of the signal excepted."""
    place = "?"
    while traceback is not None and traceback.tb_frame.f_code is not _hang.__code__:
        place = f"{traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return place


def resident_mb() -> float:
    """Return the memory this process has in RAM, in MB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * mmap.PAGESIZE / 1e6


def fuzz_guided(worker: Callable[[], Worker], target: str, folder: Path) -> None:
    """Let atheris choose the inputs, by the code they reach; does not return."""
    import atheris  # type: ignore[import-untyped]

    with atheris.instrument_imports(include=["sensors"]):
        running = worker()
    corpus, dictionary = folder / "corpus", folder / "tokens"
    corpus.mkdir()
    for number, seed in enumerate(SEEDS[target]):
        (corpus / str(number)).write_bytes(seed)
    words = ["".join(f"\\x{byte:02x}" for byte in token) for token in TOKENS[target]]
    dictionary.write_text("".join(f'"{word}"\n' for word in words), encoding="ascii")
    options = [f"-max_len={LONGEST_INPUT}", f"-dict={dictionary}", "-rss_limit_mb=0"]

    def run(data: bytes) -> None:
        running.run(data)

    atheris.Setup([sys.argv[0], *options, str(corpus)], run)
    atheris.Fuzz()


def fuzz_seeded(worker: Worker, target: str, seed: int) -> None:
    """Mutate seeds, and inputs that came to an outcome not seen before."""
    generator = random.Random(seed)
    pool = list(SEEDS[target])
    seen = {worker.run(data) for data in pool}
    while True:
        data = mutated(generator, pool, TOKENS[target])
        outcome = worker.run(data)
        if outcome not in seen and len(pool) < 2_000:
            seen.add(outcome)
            pool.append(data)


def mutated(generator: random.Random, pool: list[bytes], tokens: list[bytes]) -> bytes:
    """Return an input of `pool` with one to six changes."""
    data = bytearray(generator.choice(pool))
    for _ in range(generator.randint(1, 6)):
        at = generator.randint(0, len(data))
        length = min(generator.choice((0, 1, 1, 2, 4, 16)), len(data) - at)
        other = generator.choice(pool)
        start = generator.randint(0, len(other))
        put = (
            generator.randbytes(length),
            generator.randbytes(generator.randint(1, 4)),
            generator.choice(tokens),
            other[start : start + generator.randint(1, 60)],
            bytes(data[at : at + 60]) * generator.randint(2, 20),
            b"",
        )
        data[at : at + length] = generator.choice(put)
    return bytes(data[:LONGEST_INPUT])


def work(target: str, engine: str, *, minutes: float, seed: int, folder: Path) -> None:
    """Fuzz one target in this process; does not return."""

    def worker() -> Worker:
        return Worker(target, minutes=minutes, current=folder / "current")

    if engine == "atheris":
        fuzz_guided(worker, target, folder)
    fuzz_seeded(worker(), target, seed)


class Watch:
    """Starts a process that fuzzes one target, and gathers what it says."""

    def __init__(self, target: str, arguments: argparse.Namespace) -> None:
        self.target = target
        self.executions = 0
        self.growth_mb = 0.0
        self.findings: list[str] = []
        self.process: subprocess.Popen[str] | None = None
        self._arguments = arguments
        self.thread = threading.Thread(target=self._follow)
        self.thread.start()

    def _follow(self) -> None:
        with tempfile.TemporaryDirectory(prefix="heitu-fuzz-") as name:
            folder = Path(name)
            options = ["--minutes", str(self._arguments.minutes)]
            options += ["--seed", str(self._arguments.seed), "--target", self.target]
            options += ["--engine", self._arguments.engine, "--worker", name]
            with (folder / "log").open("w") as log:
                self.process = subprocess.Popen(
                    [sys.executable, __file__, *options],
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    cwd=folder,
                )
                self._read(self.process, self._arguments.minutes * 60 + 60)
            if self.process.returncode:
                self._died(folder)
        if self.growth_mb > GROWTH_MB:
            self.findings.append(f"{self.target}: grew by {self.growth_mb:.1f} MB")

    def _read(self, process: subprocess.Popen[str], seconds: float) -> None:
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        assert process.stdout is not None
        for line in process.stdout:
            said = json.loads(line) if line.startswith("{") else {}
            self.executions = said.get("executions", self.executions)
            self.growth_mb = said.get("growth_mb", self.growth_mb)
            if "finding" in said:
                text = f"{self.target}: {said['finding']}\n  input {said['input']}"
                self.findings.append(text)
        process.wait()
        timer.cancel()

    def _died(self, folder: Path) -> None:
        assert self.process is not None
        current = folder / "current"
        kept = current.read_bytes() if current.exists() else bytes(4)
        data = kept[4 : 4 + int.from_bytes(kept[:4])]
        log = (folder / "log").read_text(encoding="utf-8", errors="replace")[-2000:]
        self.findings.append(
            f"{self.target}: its process ended with {self.process.returncode}\n"
            f"  input {data.hex()}\n{log}"
        )


def follow(watches: list[Watch], console: Console) -> None:
    """Show the progress of all targets until they are done."""
    columns = (
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[said]}"),
    )
    with Progress(*columns, console=console) as progress:
        rows = [(watch, progress.add_task(watch.target, said="")) for watch in watches]
        while any(watch.thread.is_alive() for watch in watches):
            for watch, row in rows:
                said = f"{watch.executions:,} inputs, {len(watch.findings)} findings"
                progress.update(row, said=f"{said}, {watch.growth_mb:+.1f} MB")
            time.sleep(0.2)


def parsed() -> argparse.Namespace:
    """Read the command line."""
    installed = importlib.util.find_spec("atheris") is not None
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--target", choices=[*CHECKS, "all"], default="all")
    parser.add_argument("--seed", type=int, default=1, help="of the seeded mutator")
    parser.add_argument(
        "--engine",
        choices=["atheris", "mutator"],
        default="atheris" if installed else "mutator",
    )
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Fuzz, print what was found and how much was tried; returns the exit code."""
    arguments = parsed()
    if arguments.worker is not None:
        work(
            arguments.target,
            arguments.engine,
            minutes=arguments.minutes,
            seed=arguments.seed,
            folder=arguments.worker,
        )
    console = Console(stderr=True)
    if arguments.engine == "mutator":
        console.print(
            "Without coverage: `pip install atheris` guides the inputs by it."
        )
    targets = list(CHECKS) if arguments.target == "all" else [arguments.target]
    watches = [Watch(target, arguments) for target in targets]
    follow(watches, console)
    findings = [finding for watch in watches for finding in watch.findings]
    for finding in findings:
        print(finding)
    measured = {
        "minutes": arguments.minutes,
        "executions": sum(watch.executions for watch in watches),
        "findings": len(findings),
        "rss_growth_mb": round(max(watch.growth_mb for watch in watches), 1),
        "engine": arguments.engine,
    }
    print(json.dumps(measured))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
