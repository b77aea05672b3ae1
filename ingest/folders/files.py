"""What lies in a folder, a zip or a tar: names, sizes, contents and GDAL paths.

Nothing is unpacked: GDAL reads pixels inside a zip or an uncompressed tar by their
place in it, and metadata are small enough to be read whole.
"""

import hashlib
import os
import re
import tarfile
import zipfile
import zlib
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from ingest.folders.errors import FolderMissing, ProductInvalid

__all__ = ["Files", "check_packed", "listing"]

# Larger metadata are no metadata: a zip can hold gigabytes of zeros in kilobytes.
METADATA_BYTES = 1 << 26
PIECE = 1 << 20
JP2_END = b"\xff\xd9"

Scheme = Literal["", "/vsizip/", "/vsitar/"]
SCHEMES: dict[str, Scheme] = {".zip": "/vsizip/", ".tar": "/vsitar/"}
# Metadata of a product in its folder: who names them means the product.
_METADATA = re.compile(r"MTD_MSI\w+\.xml|.+_MTL\.(json|xml|txt)")
LONG_NAMES = "its long names are in PAX format, which GDAL does not read; unpack it"
# A zip written with an error, a wrong password, an unknown method, a wrong CRC.
DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    RuntimeError,
    NotImplementedError,
    EOFError,
    OSError,
    KeyError,
)


@dataclass(frozen=True)
class Files:
    """Files of one folder or of one container.

    Attributes
    ----------
    root : Path
        Folder that the names are relative to, or the zip or tar that holds them.
    sizes : mapping of str to int
        Bytes by name, "/" between the parts.
    scheme : str
        Prefix by which GDAL opens a file of a container; "" for a folder.
    """

    root: Path
    sizes: Mapping[str, int]
    scheme: Scheme = ""

    def href(self, name: str) -> str:
        """Path for GDAL; the file need not be there."""
        return f"{self.scheme}{self.root.joinpath(*PurePosixPath(name).parts)}"

    def size(self, name: str) -> int | None:
        """Bytes of a file; None where there is none of that name."""
        return self.sizes.get(name)

    def without(self, names: Collection[str]) -> "Files":
        """Give the same, less some files."""
        rest = {name: size for name, size in self.sizes.items() if name not in names}
        return replace(self, sizes=rest)

    def below(self, folder: str) -> frozenset[str]:
        """Names of all files in a folder and its folders; "" is the top."""
        if not folder:
            return frozenset(self.sizes)
        # "0" is the character after "/".
        first, last = (bisect_left(self._names, f"{folder}{end}") for end in "/0")
        return frozenset(self._names[first:last])

    @cached_property
    def _names(self) -> list[str]:
        return sorted(self.sizes)

    def read(self, name: str) -> bytes:
        """Read a file of metadata.

        Raises
        ------
        ProductInvalid
            It is not there, too large for metadata, encrypted or damaged.
        """
        size = self.size(name)
        if size is None or size > METADATA_BYTES:
            problem = "is missing" if size is None else f"has {size} bytes"
            raise _damaged(self.href(name), name, problem)
        try:
            with self._opened(name) as file:
                return file.read()
        except DAMAGED as exc:
            raise _damaged(self.href(name), name, f"cannot be read ({exc})") from exc

    def digest(self, name: str) -> str:
        """Tell a file of pixels from others without reading all of it.

        Returns
        -------
        str
            SHA-256, hexadecimal, of its size in bytes as decimal digits, its first and
            its last MiB.

        Raises
        ------
        ProductInvalid
            It cannot be read.
        """
        size = self.sizes[name]
        found = hashlib.sha256(b"%d" % size)
        try:
            with self._opened(name) as file:
                found.update(file.read(PIECE))
                file.seek(max(size - PIECE, 0))
                found.update(file.read(PIECE))
        except DAMAGED as exc:
            raise _damaged(self.href(name), name, f"cannot be read ({exc})") from exc
        return found.hexdigest()

    @contextmanager
    def _opened(self, name: str) -> Iterator[IO[bytes]]:
        if self.scheme == "/vsizip/":
            with zipfile.ZipFile(self.root) as packed, packed.open(name) as file:
                yield file
        elif self.scheme == "/vsitar/":
            with tarfile.open(self.root, "r:") as archive:
                yield _member(archive, name)
        else:
            with Path(self.href(name)).open("rb") as file:
                yield file


def listing(path: Path) -> tuple[list[Files], list[ProductInvalid]]:
    """List a folder with all that is in it, or one file.

    Hidden files are left out; links are followed, each folder once.

    Parameters
    ----------
    path : Path
        Names begin with its last part, which can be the name of a product.

    Returns
    -------
    list of Files
        The folder's own files first, then those of each zip and tar.
    list of ProductInvalid
        Zips and tars that cannot be opened.

    Raises
    ------
    FolderMissing
        There is no such path, or a folder of it cannot be listed.
    """
    path = path.resolve()
    if not path.exists():
        raise _missing(path, "is not there")
    if path.is_file() and _METADATA.fullmatch(path.name):
        path = path.parent
    sizes = dict(sorted(_walk(path))) if path.is_dir() else _single(path)
    packed = {name for name in sizes if Path(name).suffix.lower() in SCHEMES}
    found, broken = [Files(path.parent, sizes).without(packed)], []
    for name in sorted(packed):
        try:
            found.append(_container(path.parent / name))
        except DAMAGED as exc:
            broken.append(_damaged(str(path.parent / name), name, _cut_off(exc)))
    return found, broken


def check_packed(href: str, *, told: str) -> None:
    """Read a file inside a zip to its end: its checksum, and a JPEG 2000's last code.

    GDAL looks at neither, and decodes what is left of a damaged file into zeros.

    Raises
    ------
    ProductInvalid
        The file is damaged.
    """
    packed = href.removeprefix("/vsizip/")
    archive = next((p for p in Path(packed).parents if p.is_file()), None)
    if packed == href or archive is None:
        return
    name = Path(packed).relative_to(archive).as_posix()
    try:
        with zipfile.ZipFile(archive) as container, container.open(name) as file:
            last = b""
            while piece := file.read(PIECE):
                last = (last + piece)[-len(JP2_END) :]
    except DAMAGED as exc:
        raise _damaged(told, name, f"cannot be read ({exc})") from exc
    if name.lower().endswith(".jp2") and last != JP2_END:
        raise _damaged(told, name, "is cut off")


def _single(path: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size}


def _walk(top: Path) -> Iterator[tuple[str, int]]:
    seen = set()
    for folder, folders, names in os.walk(top, onerror=_not_listed, followlinks=True):
        here = Path(folder)
        status = here.stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            file = here / name
            if not name.startswith(".") and file.is_file():
                yield file.relative_to(top.parent).as_posix(), file.stat().st_size


def _container(path: Path) -> Files:
    scheme = SCHEMES[path.suffix.lower()]
    if scheme == "/vsizip/":
        with zipfile.ZipFile(path) as archive:
            sizes = {m.filename: m.file_size for m in archive.infolist()}
    else:
        with tarfile.open(path, "r:") as archive:
            members = [one for one in archive.getmembers() if one.isfile()]
            sizes = {one.name.removeprefix("./"): one.size for one in members}
            if any("path" in one.pax_headers for one in members):
                raise tarfile.ReadError(LONG_NAMES)
    kept = {name: size for name, size in sorted(sizes.items()) if name[-1:] != "/"}
    return Files(path, kept, scheme)


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    # GDAL takes the "./" away that tar can write before a name, tarfile does not.
    names = set(archive.getnames())
    file = archive.extractfile(name if name in names else f"./{name}")
    return BytesIO() if file is None else file


def _not_listed(error: OSError) -> None:
    raise _missing(Path(error.filename), "cannot be listed") from error


def _missing(path: Path, problem: str) -> FolderMissing:
    return FolderMissing(
        f"{path} {problem}: check the path and its permissions"
        f" · {path} 不存在或无法读取，请检查路径和权限",
        path=path,
    )


def _cut_off(exc: BaseException) -> str:
    return f"cannot be opened, so that it is cut off or no archive ({exc})"


def _damaged(path: str, name: str, problem: str) -> ProductInvalid:
    return ProductInvalid(
        f"{path} {problem}: copy or download it again"
        f" · {path} 缺失或已损坏，请重新复制或下载",
        product=PurePosixPath(name).name,
        file=path,
    )
