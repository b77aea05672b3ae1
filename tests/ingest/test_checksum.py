from pathlib import Path

from ingest.checksum import sha256_multihash


def test_multihash_of_abc_is_the_published_digest(tmp_path: Path) -> None:
    # FIPS 180-2 appendix B.1: SHA-256("abc").
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_multihash(tmp_path / "abc") == (
        "1220ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_multihash_of_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert sha256_multihash(tmp_path / "empty") == (
        "1220e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
