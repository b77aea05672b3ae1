"""Checksums as the STAC file extension writes them."""

from pathlib import Path

from raster.files import multihash, sha256


def sha256_multihash(path: Path) -> str:
    """SHA-256 of a file as a hexadecimal multihash; its size does not matter."""
    return multihash(sha256(path))
