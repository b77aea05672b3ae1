"""Secrets of devices and their hashes, as Mosquitto 2's password file has them.

A line of that file is ``user:$7$ITERATIONS$SALT$HASH``: PBKDF2-HMAC-SHA512 with 64
bytes of output, salt and hash in base64 (mosquitto_passwd(1); RFC 8018 section 5.2). It
takes 101 iterations, which is few for a password somebody chose. These secrets are 256
random bits of our own: no number of iterations makes guessing them any less hopeless.
"""

import base64
import binascii
import hashlib
import hmac
import secrets

__all__ = ["NOBODY", "hash_secret", "make_secret", "matches"]

ITERATIONS = 101
SALT_BYTES = 12
HASH_BYTES = 64
# What a longer one would cost: PBKDF2 begins by hashing the secret once.
LONGEST_SECRET = 1024
# A file that was made elsewhere must not make a log-in last for minutes.
MOST_ITERATIONS = 1_000_000


def make_secret() -> str:
    """Return a new secret: 256 random bits, base64url, 43 characters."""
    return secrets.token_urlsafe(32)


def hash_secret(secret: str, *, salt: bytes | None = None) -> str:
    """Hash a secret as ``$7$101$SALT$HASH``.

    Parameters
    ----------
    secret
        UTF-8 is hashed.
    salt
        Twelve random bytes when left out.
    """
    salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
    digest = hashlib.pbkdf2_hmac("sha512", secret.encode(), salt, ITERATIONS)
    return f"$7${ITERATIONS}${_base64(salt)}${_base64(digest)}"


def matches(hashed: str, secret: bytes) -> bool:
    """Whether a secret has this hash; False where `hashed` is no such hash at all.

    Takes the same time wherever the two differ.
    """
    parts = _parts(hashed)
    if parts is None or len(secret) > LONGEST_SECRET:
        return False
    iterations, salt, digest = parts
    found = hashlib.pbkdf2_hmac("sha512", secret, salt, iterations, len(digest))
    return hmac.compare_digest(found, digest)


def _parts(hashed: str) -> tuple[int, bytes, bytes] | None:
    try:
        blank, kind, iterations, salt, digest = hashed.split("$")
        parts = (
            int(iterations),
            base64.b64decode(salt, validate=True),
            base64.b64decode(digest, validate=True),
        )
    except (ValueError, binascii.Error):
        return None
    known = (blank, kind) == ("", "7") and 0 < parts[0] <= MOST_ITERATIONS
    return parts if known and len(parts[2]) == HASH_BYTES else None


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


NOBODY = hash_secret(make_secret())
"""A hash that no secret has, to spend the same time on a device that is unknown."""
