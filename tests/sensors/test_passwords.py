"""Hashes are compared with those of mosquitto_passwd, an implementation of its own."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.passwords import NOBODY, hash_secret, make_secret, matches

# mosquitto_passwd -U of Mosquitto 2.0.11 for the secret "secret-of-p1".
FROM_MOSQUITTO = (
    "$7$101$f+97os9pVAiUN900$Y0MrUz2gPlP54HdSlY2nQ/8OltdNpqwMbsFXP19Y93vVl17xlAp5"
    "/jCmdT4in0aRhv83RlTUhB3vvPu5HL8BDA=="
)


def test_hash_that_mosquitto_made() -> None:
    assert matches(FROM_MOSQUITTO, b"secret-of-p1")
    assert not matches(FROM_MOSQUITTO, b"secret-of-p2")


def test_hash_is_the_one_mosquitto_makes() -> None:
    # The salt above, decoded.
    salt = bytes.fromhex("7fef7ba2cf6954089437dd34")
    assert hash_secret("secret-of-p1", salt=salt) == FROM_MOSQUITTO


def test_hash_of_the_installed_mosquitto(tmp_path: Path) -> None:
    program = shutil.which("mosquitto_passwd")
    if program is None:
        pytest.skip("mosquitto_passwd is not installed")
    file = tmp_path / "passwords"
    secret = make_secret()
    file.write_text(f"p1:{secret}\n")
    subprocess.run([program, "-U", file], check=True, timeout=60)
    assert matches(file.read_text().strip().removeprefix("p1:"), secret.encode())


def test_secret_has_256_bits() -> None:
    secrets = {make_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert {len(secret) for secret in secrets} == {43}


@given(st.text(max_size=100), st.text(max_size=100))
def test_only_its_own_secret_matches(secret: str, other: str) -> None:
    secret, other = (s.encode("utf-8", "replace").decode() for s in (secret, other))
    hashed = hash_secret(secret)
    assert matches(hashed, secret.encode())
    assert matches(hashed, other.encode()) is (secret == other)


def test_same_secret_is_hashed_with_another_salt() -> None:
    assert hash_secret("a") != hash_secret("a")


@pytest.mark.parametrize(
    "hashed",
    [
        "",
        "secret",
        "$6$c2FsdA==$aGFzaA==",
        "$7$101$c2FsdA==$aGFzaA==",
        "$7$0" + FROM_MOSQUITTO[6:],
        "$7$-1" + FROM_MOSQUITTO[6:],
        "$7$999999999" + FROM_MOSQUITTO[6:],
        "$7$x" + FROM_MOSQUITTO[6:],
        FROM_MOSQUITTO + "$",
        FROM_MOSQUITTO[:-1],
        FROM_MOSQUITTO.replace("f+97", "f 97"),
    ],
)
def test_what_is_no_hash_matches_nothing(hashed: str) -> None:
    assert not matches(hashed, b"secret-of-p1")


def test_long_or_odd_secret_is_refused_not_a_fault() -> None:
    assert not matches(FROM_MOSQUITTO, b"x" * 100_000)
    assert not matches(FROM_MOSQUITTO, b"\xff\x00")
    assert not matches(NOBODY, b"")
