"""Checksums as STAC and the producers write them: multihashes in hexadecimal.

Source: https://multiformats.io/multihash/, the table of codes; ``file:checksum`` of
the STAC file extension 2.1 is one.
"""

import hashlib
from pathlib import Path
from typing import Final

from raster.files import sha256

__all__ = ["agrees", "multihash", "sha256_multihash"]

# Code of the function and length of the digest, as unsigned varints.
_PREFIXES: Final = {
    "sha1": "1114",
    "sha256": "1220",
    "sha512": "1340",
    "sha3_256": "1620",
    "md5": "d50110",
}


def multihash(name: str, digest: str) -> str:
    """Write a digest as a multihash.

    Parameters
    ----------
    name : str
        "md5", "sha1", "sha256", "sha512" or "sha3_256".
    digest : str
        Hexadecimal, in upper or lower case.

    Raises
    ------
    KeyError
        A function that is not known here.
    """
    return _PREFIXES[name] + digest.lower()


def agrees(path: Path, checksum: str) -> bool | None:
    """Whether a file has this multihash; None for a function not known here."""
    for name, prefix in _PREFIXES.items():
        digest = checksum.lower().removeprefix(prefix)
        if digest != checksum.lower() and len(digest) == int(prefix[-2:], 16) * 2:
            with path.open("rb") as file:
                return hashlib.file_digest(file, name).hexdigest() == digest
    return None


def sha256_multihash(path: Path) -> str:
    """SHA-256 of a file as a hexadecimal multihash; its size does not matter."""
    return multihash("sha256", sha256(path))
