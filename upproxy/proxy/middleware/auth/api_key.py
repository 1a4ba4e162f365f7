"""Keys in a header field or in the query."""

from __future__ import annotations

from hmac import compare_digest

from upproxy.proxy import options
from upproxy.proxy.middleware.auth.credentials import Fingerprints, Identity, Refused, secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from upproxy.proxy.messages import Request
    from upproxy.proxy.middleware.context import Context

_HEX = frozenset("0123456789abcdefABCDEF")


class Options(options.Options):
    """`keys` are references such as `${PARTNER_KEY}`. `header` and `query` name where a request has its key."""

    keys: list[str]
    header: str | None = "X-Api-Key"
    query: str | None = None
    realm: str = "Restricted"


class ApiKey:
    """Compares a key with all that are known, whichever it is. Whoever passes is named by the key's variable.

    Raises ManifestError for a variable that is unset or empty.
    """

    def __init__(self, options: Options, context: Context) -> None:  # noqa: ARG002
        # There is no registered scheme for keys, and a 401 has to have a challenge (RFC 9110 section 15.5.2).
        self.challenge = f'ApiKey realm="{options.realm}"'
        self._header = options.header.lower() if options.header else ""
        self._query = options.query or ""
        self._fingerprints = Fingerprints()
        self._names = {self._fingerprints.of(secret(key)): key.strip("${}") for key in options.keys}

    async def identify(self, request: Request) -> Identity | None:
        """Return the key's holder, None where the request shows no key. Raises Refused."""
        keys = [value.strip(" \t").encode("latin-1") for value in request.headers.get_all(self._header)]
        if self._query:
            keys += values_of(self._query, request.query)
        if not keys:
            return None
        if len(keys) > 1:  # apps may take either
            raise Refused("more than one key")
        given = self._fingerprints.of(keys[0])
        matches = [compare_digest(given, known) for known in self._names]
        if not any(matches):
            raise Refused("unknown key")
        return Identity("api_key", self._names[given])


def values_of(name: str, query: str) -> list[bytes]:
    """Return the decoded values of a parameter, whose name is compared as it stands in the raw query.

    A name that is spelt otherwise is another one: the access log, which takes the values out, knows only this.
    """
    pairs = [pair.partition("=") for pair in query.split("&")]
    return [_decoded(value) for key, _, value in pairs if key == name]


def _decoded(value: str) -> bytes:
    first, *rest = value.replace("+", " ").split("%")
    parts = [first.encode("latin-1", "replace")]
    for part in rest:
        if len(part) >= 2 and _HEX.issuperset(part[:2]):
            parts += bytes((int(part[:2], 16),)), part[2:].encode("latin-1", "replace")
        else:
            parts += b"%", part.encode("latin-1", "replace")
    return b"".join(parts)
