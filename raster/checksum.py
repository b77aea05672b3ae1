"""Checksums of files, each taken once a process, however many threads ask."""

from functools import lru_cache
from pathlib import Path
from threading import Lock

from raster.files import multihash, sha256

# A lock for each of some groups of files: hashing one tile must not stop the others.
_LOCKS = tuple(Lock() for _ in range(61))


def checksum_of(href: str, version: tuple[int, ...]) -> str:
    """SHA-256 of a local file as a multihash, `file:checksum` of STAC.

    Parameters
    ----------
    href
        Path of the file.
    version
        What changes when the file is replaced; with another one it is read again.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    with _LOCKS[hash((href, version)) % len(_LOCKS)]:
        return _checksum_of(href, version)


@lru_cache(maxsize=65_536)
def _checksum_of(href: str, version: tuple[int, ...]) -> str:
    return multihash(sha256(Path(href)))
