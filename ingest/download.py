"""A local, sparse copy of a remote file: bytes arrive where they are asked for.

Reads of windows cost the bytes of their tiles, and whoever reads the copy reads a
local file at full speed. What has arrived is noted beside the copy, so that a killed
process or a cut line costs at most one piece. Every answer is checked: its status, the
range it says it is, its length, and that the file is still the one begun with.
"""

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from ingest.http import Signer, Web, shown
from ingest.source_errors import SourceChanged, SourceCutOff, SourceError
from ingest.tiff_layout import Span
from raster.files import part_name, reported

__all__ = ["Mirror", "merged", "missing"]

# The directories of a tile of Sentinel-2 with all its overviews fit into this.
HEAD: Final = 1 << 16
# A request costs about as much as so many bytes: holes below it are fetched too.
HOLE: Final = 1 << 16
# What a killed process can cost at most.
PIECE: Final = 1 << 24
CHUNK: Final = 1 << 20

_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(slots=True)
class Mirror:
    """Part of a remote file on disk, at the places the bytes have in the whole.

    Not for several threads at once.

    Attributes
    ----------
    href : str
        The remote file, unsigned.
    path : Path
        The sparse file; its folder exists. Its notes lie beside it, ``.json``.
    web, signer
        How the server is asked.
    size : int or None
        Bytes of the whole file, once the server has said it.
    received : int
        Bytes that came over the line, in this process.
    """

    href: str
    path: Path
    web: Web
    signer: Signer
    size: int | None = None
    received: int = 0
    _have: list[Span] = field(default_factory=list)
    _version: str | None = None
    _head: bytes = b""
    _unnoted: int = 0

    def __post_init__(self) -> None:
        """Go on from what a process before left, where it can be trusted."""
        notes = _read_notes(self._notes)
        if notes is None or notes["href"] != shown(self.href) or not self._lies(notes):
            self.discard()
            return
        self.size, self._version = notes["size"], notes["version"]
        self._have = [(first, end) for first, end in notes["have"]]

    def read(self, offset: int, length: int) -> bytes:
        """Give bytes of the file, fetched where they are not here yet.

        Raises
        ------
        SourceError
            As `need`.
        ValueError
            The file ends before.
        """
        if offset + length <= len(self._head):
            return self._head[offset : offset + length]
        self.need([(offset, offset + length)])
        with self.path.open("rb") as file:
            # Directories are read in many small pieces, nearly all from the head: as
            # far as it has come, since beyond the file is empty and not said to be.
            first, end = self._have[0]
            self._head = b"" if first else file.read(min(end, HEAD))
            file.seek(offset)
            found = file.read(length)
        if len(found) != length:
            raise ValueError(f"it ends within {length} bytes at {offset}")
        return found

    def need(self, spans: Iterable[Span]) -> None:
        """Have these bytes here.

        Raises
        ------
        SourceError
            They are not to be had, see `Web.get`.
        SourceCutOff
            The line is cut again and again.
        SourceChanged
            The file is not the one begun with; what was here is discarded.
        WriteFailed
            The disk takes no more.
        """
        with ExitStack() as broken_off:
            broken_off.callback(self._write_notes)
            self._need(spans)
            broken_off.pop_all()

    def need_all(self) -> None:
        """Have the whole file here; errors as `need`."""
        self.need([(0, self.size if self.size is not None else HEAD)])
        assert self.size is not None
        self.need([(0, self.size)])

    def discard(self) -> None:
        """Forget what is here."""
        self.path.unlink(missing_ok=True)
        self._notes.unlink(missing_ok=True)
        self.size, self._version, self._have = None, None, []
        self._head, self._unnoted = b"", 0

    def _need(self, spans: Iterable[Span]) -> None:
        if self.size is None:
            self._fetch((0, HEAD))
        assert self.size is not None
        wanted = [(first, min(end, self.size)) for first, end in spans]
        for first, end in merged(missing(wanted, self._have), hole=HOLE):
            for start in range(first, end, PIECE):
                self._fetch((start, min(start + PIECE, end)))

    @property
    def _notes(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    def _lies(self, notes: Mapping[str, Any]) -> bool:
        return self.path.is_file() and self.path.stat().st_size == notes["size"]

    def _fetch(self, span: Span) -> None:
        """Fetch one piece, going on from where the line was cut."""
        first, end = span
        stalls = 0
        while first < end:
            arrived, cause = self._receive(first, end)
            end = min(end, self.size or end)
            if cause is not None:
                stalls = 0 if arrived > first else stalls + 1
                if stalls >= self.web.tries:
                    raise self._cut_off(arrived) from cause
                self.web.pause(stalls)
            first = arrived

    def _receive(self, first: int, end: int) -> tuple[int, HTTPError | None]:
        """Make one request; return how far it came, and what cut it off."""
        wanted = {"Range": f"bytes={first}-{end - 1}", "Accept-Encoding": "identity"}
        with self.web.get(self.href, signer=self.signer, headers=wanted) as response:
            start, stop, size = self._placed(response, first, end)
            self._begin(size, _version(response.headers))
            at, cause = self._store(response, start, stop)
        self._note((start, at))
        return max(first, at), cause

    def _placed(
        self, response: BaseHTTPResponse, first: int, end: int
    ) -> tuple[int, int, int]:
        """Give first byte, the byte after the last, and the size of the whole file."""
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise self._nonsense("it packs a file that was asked for as it is")
        if response.status == 200:
            # This server knows no ranges: it sends the whole file.
            size = int(response.headers.get("Content-Length", -1))
            if size < 0:
                raise self._nonsense("it does not say how long the file is")
            return 0, size, size
        said = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if said is None:
            raise self._nonsense("it does not say which part of the file it sends")
        start, last, size = (int(number) for number in said.groups())
        if start != first or last + 1 != min(end, size):
            raise self._nonsense(
                f"it sends bytes {start}-{last}, not {first}-{end - 1}"
            )
        return start, last + 1, size

    def _begin(self, size: int, version: str | None) -> None:
        """Lay the empty file, or see that the remote one is still the same."""
        if self.size is None:
            with reported(self.path), self.path.open("wb") as file:
                file.truncate(size)
            self.size, self._version = size, version
        elif (size, version) != (self.size, self._version):
            self.discard()
            name = shown(self.href)
            raise SourceChanged(
                f"{name} was replaced at its source while it was read: run again"
                f" · {name} 在读取过程中被替换，请重新运行",
                href=name,
            )

    def _store(
        self, response: BaseHTTPResponse, start: int, stop: int
    ) -> tuple[int, HTTPError | None]:
        at = start
        # Unbuffered: the pieces are large, and each is one write.
        with self.path.open("r+b", buffering=0) as file:
            file.seek(start)
            try:
                for data in response.stream(CHUNK, decode_content=False):
                    with reported(self.path):
                        file.write(data[: stop - at])
                    at = min(at + len(data), stop)
                    self.received += len(data)
            except HTTPError as exc:
                return at, exc
        return at, None if at == stop else HTTPError("the answer is too short")

    def _note(self, span: Span) -> None:
        self._have = merged([*self._have, span])
        self._unnoted += span[1] - span[0]
        if self._unnoted >= PIECE:
            self._write_notes()

    def _write_notes(self) -> None:
        if not self._unnoted:
            return
        notes = {
            "href": shown(self.href),
            "size": self.size,
            "version": self._version,
            "boot": _boot(),
            "have": self._have,
        }
        part = part_name(self._notes)
        with reported(self._notes):
            part.write_text(json.dumps(notes))
            part.replace(self._notes)
        self._unnoted = 0

    def _cut_off(self, at: int) -> SourceCutOff:
        name = shown(self.href)
        return SourceCutOff(
            f"{name}: the line is cut again and again, at byte {at} of {self.size}; "
            "run again later, what is there is kept"
            f" · {name}：连接多次在第 {at} 字节（共 {self.size}）处中断，请稍后重试，"
            "已下载的会保留",
            href=name,
        )

    def _nonsense(self, what: str) -> SourceError:
        name = shown(self.href)
        return SourceError(
            f"{name}: the server cannot be believed, {what}; use another source"
            f" · {name}：服务器的应答不可信，请换用其他数据源",
            href=name,
        )


def merged(spans: Iterable[Span], *, hole: int = 0) -> list[Span]:
    """Join spans that touch, overlap, or lie at most `hole` bytes apart; sorted."""
    joined: list[Span] = []
    for first, end in sorted(span for span in spans if span[0] < span[1]):
        if joined and first <= joined[-1][1] + hole:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((first, end))
    return joined


def missing(wanted: Iterable[Span], have: Iterable[Span]) -> list[Span]:
    """Give what of some spans lies outside others; sorted, without overlaps."""
    here = merged(have)
    lacking: list[Span] = []
    for first, end in merged(wanted):
        for begin, stop in here:
            if stop <= first or begin >= end:
                continue
            if begin > first:
                lacking.append((first, begin))
            first = stop
        if first < end:
            lacking.append((first, end))
    return lacking


def _version(headers: Mapping[str, str]) -> str | None:
    return headers.get("ETag") or headers.get("Last-Modified")


def _boot() -> str | None:
    """Tell one start of the machine from another; None where nothing tells it.

    Notes outlive a power cut that lost the bytes they speak of: bytes are written
    without waiting for the disk, which would cost more than fetching them again.
    """
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return None


def _read_notes(path: Path) -> dict[str, Any] | None:
    try:
        notes = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    boot = _boot()
    fresh = boot is not None and isinstance(notes, dict) and notes.get("boot") == boot
    return notes if fresh else None
