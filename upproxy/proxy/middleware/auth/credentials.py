"""What the ways to show who one is have in common."""

from __future__ import annotations

import posix
from hmac import digest

from upproxy.proxy.manifest import ManifestError, expand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from upproxy.proxy.messages import Request

    class Method(Protocol):
        """A way to show who one is. `challenge` asks for it (RFC 9110 section 11.6.1)."""

        challenge: str

        async def identify(self, request: Request) -> Identity | None:
            """Return who it is, None where the request shows nothing of this kind. Raises Refused."""


class Refused(Exception):
    """A request that may not pass: `str(error)` says why, for the log, and has no secret in it.

    `challenges` are the values of WWW-Authenticate; none stands for those of the methods that were tried. `fields` go
    into the log line.
    """

    def __init__(
        self, reason: str, *, status: int = 401, level: str = "warn", challenges: tuple[str, ...] = (), **fields: Any
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.level = level
        self.challenges = list(challenges)
        self.fields = fields


class Identity:
    """Who has passed: by which method, under what name, with what claims of a token (JSON); empty where unknown."""

    __slots__ = ("claims", "method", "user")

    def __init__(self, method: str, user: str, claims: str = "") -> None:
        self.method = method
        self.user = user
        self.claims = claims


class Fingerprints:
    """Keyed hashes with a key of this process: secrets of any length are compared by them, and kept in memory as them.

    Equal fingerprints mean equal secrets, and how long comparing takes tells nothing of either.
    """

    def __init__(self) -> None:
        self._key = posix.urandom(32)

    def of(self, secret: bytes) -> bytes:
        """Return the fingerprint, 32 bytes."""
        return digest(self._key, secret, "sha256")


def secret(reference: str) -> bytes:
    """Resolve the references in a value. Raises ManifestError for a variable that is unset or empty."""
    value = expand(reference, posix.environ).encode("utf-8", "surrogateescape")
    if not value:
        raise ManifestError(f"{reference}, which `auth` in up.yml refers to, is empty: anybody could pass")
    return value


def authorization(request: Request) -> tuple[str, str]:
    """Return the scheme in lower case and what follows it (RFC 9110 section 11.4); both are empty without the field.

    Raises Refused for a repeated field, of which apps may take either.
    """
    values = request.headers.get_all("authorization")
    if len(values) > 1:
        raise Refused("more than one Authorization field")
    scheme, _, rest = "".join(values).strip(" \t").partition(" ")
    return scheme.lower(), rest.strip(" \t")
