"""Checksums as the STAC file extension writes them."""

import hashlib
from pathlib import Path

SHA256_PREFIX = "1220"


def sha256_multihash(path: Path) -> str:
    """SHA-256 of a file as a hexadecimal multihash, read in pieces.

    Parameters
    ----------
    path : Path
        File to read; its size does not matter.

    Returns
    -------
    str
        ``"1220"`` (code 0x12 for sha2-256, 0x20 = 32 bytes) and 64 hexadecimal
        digits, lower case. Source: https://multiformats.io/multihash/ and
        ``file:checksum`` of the STAC file extension 2.1.
    """
    with path.open("rb") as file:
        return SHA256_PREFIX + hashlib.file_digest(file, "sha256").hexdigest()
