"""Password hashes in RabbitMQ's format: base64(salt + digest(salt + password)), the salt 4 bytes long."""

import base64
import hashlib
import hmac
import os
from typing import Final

SALT_SIZE_BYTES: Final = 4
SHA256: Final = "rabbit_password_hashing_sha256"
SHA512: Final = "rabbit_password_hashing_sha512"
MD5: Final = "rabbit_password_hashing_md5"
DEFAULT_ALGORITHM: Final = SHA256

# RabbitMQ's name -> hashlib's name
ALGORITHMS: Final[dict[str, str]] = {SHA256: "sha256", SHA512: "sha512", MD5: "md5"}


def random_salt() -> bytes:
    """A fresh salt of 4 bytes from the operating system; the only randomness in this room."""
    return os.urandom(SALT_SIZE_BYTES)


def _digest(salt: bytes, password: str, algorithm: str) -> bytes:
    # surrogateescape: a password of bytes that are not UTF-8 reaches the digest unchanged
    data = salt + password.encode("utf-8", "surrogateescape")
    return hashlib.new(ALGORITHMS[algorithm], data, usedforsecurity=False).digest()


def hash_password(password: str, salt: bytes, algorithm: str = DEFAULT_ALGORITHM) -> str:
    """Hash a password the way RabbitMQ 3.10 stores and exports it.

    Raises ValueError for an unknown algorithm or a salt that is not 4 bytes long.
    """
    if algorithm not in ALGORITHMS:
        raise ValueError(f"unknown password hashing algorithm '{algorithm}'")
    if len(salt) != SALT_SIZE_BYTES:
        raise ValueError(f"salt of {len(salt)} bytes, expected {SALT_SIZE_BYTES}")
    return base64.b64encode(salt + _digest(salt, password, algorithm)).decode("ascii")


def verify(password: str, password_hash: str, algorithm: str = DEFAULT_ALGORITHM) -> bool:
    """True if the password has this hash; compared in constant time.

    An empty password never matches, nor does an empty or malformed hash or an unknown algorithm.
    """
    if not password or algorithm not in ALGORITHMS:
        return False
    try:
        salted = base64.b64decode(password_hash, validate=True)
        digest = _digest(salted[:SALT_SIZE_BYTES], password, algorithm)
    except ValueError:  # not base64, or a password that has no bytes
        return False
    return hmac.compare_digest(digest, salted[SALT_SIZE_BYTES:])
