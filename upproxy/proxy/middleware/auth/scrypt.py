"""Hashes of passwords by scrypt (RFC 7914), as text: `$scrypt$ln=14,r=8,p=1$salt$hash`.

`ln` is the binary logarithm of the cost; salt and hash are base64 without padding. Passlib reads and writes the same.
"""

from __future__ import annotations

import posix
from binascii import Error, a2b_base64, b2a_base64
from hashlib import scrypt

COST = (14, 8, 1)  # ln, r, p: 16 MB and about 60 ms, what RFC 7914 section 2 has for logins
MEMORY_LIMIT = 64 << 20  # bytes: a function of Lambda has as little as 128 MB for all
_MARK = "$scrypt$"
_DIGITS = frozenset("0123456789")


class HashError(ValueError):
    """The text is no hash that can be used; `str(error)` says why, and does not hold it."""


class Hash:
    """What is known of a password: the cost (ln, r, p), the salt, and what scrypt makes of them."""

    __slots__ = ("cost", "digest", "salt")

    def __init__(self, cost: tuple[int, int, int], salt: bytes, digest: bytes) -> None:
        self.cost = cost
        self.salt = salt
        self.digest = digest

    def derive(self, password: bytes) -> bytes:
        """Return what the digest is if the password is right. Takes long."""
        ln, r, p = self.cost
        # OpenSSL wants room for the blocks that are mixed in parallel too.
        memory = 128 * r * ((1 << ln) + p + 2)
        return scrypt(password, salt=self.salt, n=1 << ln, r=r, p=p, maxmem=memory + (1 << 20), dklen=len(self.digest))

    def __str__(self) -> str:
        ln, r, p = self.cost
        return f"{_MARK}ln={ln},r={r},p={p}${_encoded(self.salt)}${_encoded(self.digest)}"


def is_hash(text: str) -> bool:
    """Whether a text claims to be one."""
    return text.startswith(_MARK)


def parse(text: str) -> Hash:
    """Read a hash. Raises HashError."""
    try:
        empty, mark, settings, salt, digest = text.split("$")
        names, values = zip(*[setting.split("=") for setting in settings.split(",")], strict=True)
    except ValueError:
        raise HashError("expected `$scrypt$ln=…,r=…,p=…$salt$hash`, as `upproxy auth hash` prints it") from None
    if empty or mark != "scrypt" or names != ("ln", "r", "p"):
        raise HashError("expected `$scrypt$ln=…,r=…,p=…$salt$hash`, as `upproxy auth hash` prints it")
    if not all(value and len(value) <= 3 and _DIGITS.issuperset(value) for value in values):
        raise HashError("the cost of a password's hash is no number")
    ln, r, p = map(int, values)
    # The least is where guessing gets cheap; RFC 7914 section 6 bounds the rest.
    if not (10 <= ln <= 20 and 1 <= r <= 64 and 1 <= p <= 16) or (128 * r) << ln > MEMORY_LIMIT:
        raise HashError(f"a hash of this cost (ln={ln},r={r},p={p}) is too cheap, or takes more than 64 MB")
    hashed = Hash((ln, r, p), _decoded(salt), _decoded(digest))
    if len(hashed.salt) < 4 or not 16 <= len(hashed.digest) <= 64:
        raise HashError("the salt or the hash is too short or too long")
    return hashed


def make(password: bytes) -> Hash:
    """Hash a password with a new salt. Takes long."""
    hashed = Hash(COST, posix.urandom(16), bytes(32))
    hashed.digest = hashed.derive(password)
    return hashed


def _encoded(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    try:
        return a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except (Error, ValueError):
        raise HashError("the salt or the hash is no base64") from None
