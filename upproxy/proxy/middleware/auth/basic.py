"""Names with passwords, as browsers ask for them (RFC 7617)."""

from __future__ import annotations

import posix
from binascii import Error, a2b_base64
from hmac import compare_digest
from time import monotonic

from upproxy.proxy import options
from upproxy.proxy.errors import ProxyError
from upproxy.proxy.manifest import ManifestError
from upproxy.proxy.middleware.auth import scrypt
from upproxy.proxy.middleware.auth.credentials import Fingerprints, Identity, Refused, authorization, secret
from upproxy.proxy.waiting import DeadlineExceeded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from upproxy.proxy.messages import Request
    from upproxy.proxy.middleware.context import Context

REMEMBERED = 300  # seconds that a right password is not hashed again
MARGIN = 0.25  # seconds before Lambda's deadline at which we answer


class Options(options.Options):
    """`users` are names, each with a hash or a reference to a variable that holds a hash or the password itself."""

    users: dict[str, str]
    realm: str = "Restricted"


class Busy(ProxyError):
    """So many passwords wait to be hashed that this one is not in time."""

    status = 503
    public = "Too many logins at once, please try again"


class Password:
    """A user's: a fingerprint of the password itself, or a hash. The one that is absent is random or None."""

    __slots__ = ("fingerprint", "hash")

    def __init__(self, fingerprint: bytes, hash: scrypt.Hash | None) -> None:  # noqa: A002
        self.fingerprint = fingerprint
        self.hash = hash


class Basic:
    """Checks names with passwords.

    Every check does the same work, whoever is asked for: one comparison of fingerprints, and one hashing for each cost
    that the users' hashes have, against a decoy where the user has none of that cost. A right password is remembered,
    one for each user. Raises ManifestError for a password that cannot be used.
    """

    def __init__(self, options: Options, context: Context) -> None:
        self.challenge = f'Basic realm="{options.realm}", charset="UTF-8"'
        self._loop = context.loop
        self._fingerprints = Fingerprints()
        self._passwords = {name.encode(): self._password(name, value) for name, value in options.users.items()}
        self._nobodys = Password(posix.urandom(32), None)
        self._decoys = {
            known.hash.cost: scrypt.Hash(known.hash.cost, posix.urandom(16), posix.urandom(32))
            for known in self._passwords.values()
            if known.hash is not None
        }
        self._remembered: dict[bytes, tuple[bytes, float]] = {}

    def _password(self, name: str, reference: str) -> Password:
        value = secret(reference)
        text = value.decode("utf-8", "replace")
        if not scrypt.is_hash(text):
            return Password(self._fingerprints.of(value), None)
        try:
            return Password(posix.urandom(32), scrypt.parse(text))
        except scrypt.HashError as error:
            raise ManifestError(f"`auth` in up.yml, the password of {name}: {error}") from None

    async def identify(self, request: Request) -> Identity | None:
        """Return the user, None where the request shows none. Raises Refused, Busy."""
        scheme, credentials = authorization(request)
        if scheme != "basic":
            return None
        user, password = parse(credentials)
        pair = self._fingerprints.of(b"%d:%b%b" % (len(user), user, password))
        remembered, until = self._remembered.get(user, (self._nobodys.fingerprint, 0.0))
        if not (compare_digest(pair, remembered) and monotonic() < until):
            if not await self._check(user, password, request.invocation.deadline - MARGIN):
                refusal = Refused("wrong user or password")
                if user in self._passwords:  # what is no user may be a password in the wrong place
                    refusal.fields["user"] = user.decode()
                raise refusal
            self._remembered[user] = pair, monotonic() + REMEMBERED
        return Identity("basic", user.decode())

    async def _check(self, user: bytes, password: bytes, deadline: float) -> bool:
        known = self._passwords.get(user, self._nobodys)
        right = compare_digest(self._fingerprints.of(password), known.fingerprint)
        for cost, decoy in self._decoys.items():
            hashed = known.hash if known.hash is not None and known.hash.cost == cost else decoy
            try:
                derived = await self._loop.in_thread(hashed.derive, password, deadline=deadline)
            except DeadlineExceeded:
                raise Busy(
                    "a password was not hashed in time: many logins at once, or a function of little memory"
                ) from None
            right |= compare_digest(derived, hashed.digest)
        return right


def parse(credentials: str) -> tuple[bytes, bytes]:
    """Read the name and the password, as UTF-8. Raises Refused."""
    try:
        user, colon, password = a2b_base64(credentials, strict_mode=True).partition(b":")
        text = (user + password).decode()
    except (Error, ValueError):  # no base64, no UTF-8, or characters beyond ASCII
        raise Refused("malformed Basic credentials") from None
    if not colon or any(char < " " or char == "\x7f" for char in text):
        raise Refused("malformed Basic credentials")
    return user, password
