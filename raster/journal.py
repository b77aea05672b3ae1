"""The journal of finished blocks: what a product that was interrupted goes on from.

One line of text a block, added after its data are on disk: a checksum of the line,
then JSON. A line that was half-written or altered counts as not there, and its block
is computed again.
"""

import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from raster.files import replace_file, reported

Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class FinishedBlock:
    """A block whose data are on disk.

    Attributes
    ----------
    place
        (row, column) among the blocks.
    files
        Size in bytes and SHA-256 of every file that holds its data, by path below the
        product's working folder.
    clear
        Pixels with a clear observation, one number a time step; empty when clear
        observations were not counted.
    seen
        Pixels with a clear observation at any time.
    valid
        Values that are not nodata, of each variable that has a nodata value: one
        number a band of a map, one number of a series.
    """

    place: Place
    files: Mapping[str, tuple[int, str]]
    clear: tuple[int, ...]
    seen: int
    valid: Mapping[str, tuple[int, ...]]


class Journal:
    """Finished blocks by place, kept in a file.

    Parameters
    ----------
    path
        The file; absent is an empty journal.
    recipe
        Fingerprint of what is being made; a journal of another one counts as empty.

    Raises
    ------
    DiskFull, WriteFailed
        The file cannot be written.
    """

    def __init__(self, path: Path, recipe: str) -> None:
        self.path = path
        self._head = _line({"recipe": recipe})
        self.blocks = {block.place: block for block in _finished(path, self._head)}

    @property
    def begun(self) -> bool:
        """Whether the file is there; made by `start`."""
        return self.path.exists()

    def start(self, kept: Iterable[FinishedBlock]) -> None:
        """Write the file anew with the blocks that are kept."""
        self.blocks = {block.place: block for block in kept}
        lines = [self._head, *(_line(asdict(b)) for b in self.blocks.values())]
        replace_file(self.path, "".join(lines).encode())

    def add(self, block: FinishedBlock) -> None:
        """Add a block whose data are on disk."""
        with reported(self.path), self.path.open("ab") as file:
            file.write(_line(asdict(block)).encode())
            file.flush()
            os.fsync(file.fileno())
        self.blocks[block.place] = block


def _line(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, separators=(",", ":"))
    return f"{zlib.crc32(text.encode()):08x} {text}\n"


def _finished(path: Path, head: str) -> Iterator[FinishedBlock]:
    try:
        content = path.read_bytes().decode("ascii", errors="replace")
    except FileNotFoundError:
        return
    first, *rest = content.splitlines(keepends=True) or [""]
    if first != head:
        return
    for line in rest:
        checksum, _, text = line.partition(" ")
        if line.endswith("\n") and checksum == f"{zlib.crc32(text[:-1].encode()):08x}":
            yield _block(json.loads(text))


def _block(content: Mapping[str, Any]) -> FinishedBlock:
    row, column = content["place"]
    return FinishedBlock(
        place=(row, column),
        files={n: (size, digest) for n, (size, digest) in content["files"].items()},
        clear=tuple(content["clear"]),
        seen=content["seen"],
        valid={name: tuple(counts) for name, counts in content["valid"].items()},
    )
