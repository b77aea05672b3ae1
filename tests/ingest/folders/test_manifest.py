"""The checksums of a SAFE's manifest: decoding does not notice a changed byte."""

import hashlib
from pathlib import Path

import pytest

from ingest.folders import FolderSource
from ingest.source_errors import ChecksumDiffers
from tests.ingest.folders.builders import offered, reason
from tests.ingest.folders.safe_builder import Safe
from tests.ingest.wording import english

NAMES = {"md5": "MD5", "sha3_256": "SHA3-256"}


def _product(folder: Path, kind: str) -> Path:
    """Write a product whose manifest holds the checksums of its images."""
    root = Safe().at(folder)
    objects = "".join(
        '<dataObject><byteStream mimeType="application/octet-stream">'
        f'<fileLocation href="./{path.relative_to(root)}" locatorType="URL"/>'
        f'<checksum checksumName="{NAMES[kind]}">'
        f"{hashlib.new(kind, path.read_bytes()).hexdigest().upper()}</checksum>"
        "</byteStream></dataObject>"
        for path in root.rglob("*.jp2")
    )
    (root / "manifest.safe").write_text(f"<xfdu>{objects}</xfdu>")
    return root


@pytest.mark.parametrize("kind", NAMES)
def test_a_file_that_the_manifest_describes_is_taken(tmp_path: Path, kind: str) -> None:
    _product(tmp_path, kind)
    offer = offered(tmp_path)
    source = FolderSource(tmp_path)
    assert offer.bands["B04"].checksum is not None
    assert source.fetch(offer, "B04", clip=None, folder=tmp_path).path.is_file()


@pytest.mark.parametrize("kind", NAMES)
def test_a_changed_byte_in_an_image_is_named(tmp_path: Path, kind: str) -> None:
    root = _product(tmp_path, kind)
    path = next(root.rglob("*_B04_10m.jp2"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ChecksumDiffers) as caught:
        FolderSource(tmp_path).fetch(
            offered(tmp_path), "B04", clip=None, folder=tmp_path
        )
    assert "is not the file that its item describes" in english(str(caught.value))
    assert not (tmp_path / "B04.tif").exists()


def test_a_product_without_manifest_is_taken(tmp_path: Path) -> None:
    (Safe().at(tmp_path) / "manifest.safe").unlink()
    assert offered(tmp_path).bands["B04"].checksum is None


def test_a_manifest_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (Safe().at(tmp_path) / "manifest.safe").write_text("<xfdu>")
    assert "manifest.safe" in english(reason(tmp_path))
