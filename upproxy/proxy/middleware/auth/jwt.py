"""Signed tokens in the Authorization field (RFC 7519, RFC 6750), through PyJWT and cryptography.

Both are loaded with the first token: 120 ms that no other request pays. Keys come with the manifest; nothing is fetched
here.
"""

from __future__ import annotations

import posix
import sys
from binascii import Error, a2b_base64

from upproxy.proxy import options, vendor
from upproxy.proxy.errors import ProxyError
from upproxy.proxy.lean import JSONError, dumps_ascii, loads
from upproxy.proxy.manifest import ManifestError
from upproxy.proxy.middleware.auth.credentials import Identity, Refused, authorization, secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from upproxy.proxy.messages import Request
    from upproxy.proxy.middleware.context import Context

_FOLDERS = (
    vendor.FOLDER,
    # In a virtual environment of ours, which Python without `site` does not look into.
    f"{sys.executable.rpartition('/bin/')[0]}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages",
)
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_ALGORITHMS: dict[
    tuple[Any, Any], tuple[str, ...]
] = {  # by type and curve (RFC 7518 section 3.1, RFC 8037 section 3.1); no key has those of another type
    ("RSA", None): _RSA,
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
_SECRET_ALGORITHM = "HS256"  # noqa: S105
_SECRET_LENGTH = 32  # bytes (RFC 7518 section 3.2)
_BASE64URL = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")

_REASONS = {  # PyJWT's errors, by name
    "ExpiredSignatureError": "the token has expired",
    "ImmatureSignatureError": "the token is not valid yet",
    "InvalidAudienceError": "the token is for another audience",
    "InvalidIssuerError": "the token is of another issuer",
    "InvalidSignatureError": "the token's signature is wrong",
}


class Options(options.Options):
    """`keys` are public keys (RFC 7517), `secret` a reference to a shared one; there is one or the other.

    `leeway` is in seconds. Without `audience` or `issuer` that claim is not looked at.
    """

    keys: list[dict[str, Any]] = []  # noqa: RUF012  # never changed in place
    secret: str | None = None
    issuer: str | None = None
    audience: list[str] = []  # noqa: RUF012
    leeway: float = 30
    realm: str = "Restricted"


def algorithms_of(key: dict[str, Any]) -> tuple[str, ...]:
    """Return the algorithms that a public key may verify by; none where it cannot be used."""
    fitting = _ALGORITHMS.get((key.get("kty"), key.get("crv")), ())
    named = key.get("alg")
    return fitting if named is None else tuple(one for one in fitting if one == named)


class Jwt:
    """Checks tokens. Which algorithms may be used follows from the keys, never from the token.

    Raises ManifestError for a secret that is missing or short, and where PyJWT is not there.
    """

    def __init__(self, options: Options, context: Context) -> None:  # noqa: ARG002
        self.challenge = f'Bearer realm="{options.realm}"'
        self._options = options
        self._keys: list[tuple[str | None, str, Any]] = []  # kid, algorithm, key
        self._secret = b""
        if options.secret is not None:
            self._secret = secret(options.secret)
            if len(self._secret) < _SECRET_LENGTH:
                raise ManifestError(
                    f"{options.secret}, which `auth` in up.yml has as the secret of tokens, holds "
                    f"{len(self._secret)} bytes; {_SECRET_ALGORITHM} needs {_SECRET_LENGTH} at least"
                )
        for name in ("jwt",) if self._secret else ("jwt", "cryptography"):
            if not any(posix.access(f"{folder}/{name}/__init__.py", posix.R_OK) for folder in (*sys.path, *_FOLDERS)):
                raise ManifestError(
                    "`auth` in up.yml asks for tokens, and PyJWT and cryptography are not there to check them: "
                    'install them with `pip install "upproxy[jwt]"`'
                )

    async def identify(self, request: Request) -> Identity | None:
        """Return the token's subject, None where the request shows no token. Raises Refused."""
        scheme, token = authorization(request)
        if scheme != "bearer":
            return None
        try:
            claims = self._claims(token)
            subject = claims.get("sub", "")
            # It becomes a header field, where a line break would begin another, and the space around it is lost.
            if subject != subject.strip() or not subject.isprintable():
                raise Refused("the token's subject cannot stand in a header field")
            return Identity("jwt", subject, _json(claims))
        except Refused as refusal:
            refusal.challenges = [f'{self.challenge}, error="invalid_token"']
            raise

    def _claims(self, token: str) -> dict[str, Any]:
        algorithm, kid = head_of(token)
        jwt = _library()
        if not self._keys:
            self._keys = self._prepared(jwt)
        refusal = Refused("the token's algorithm is not one of the keys'", algorithm=algorithm[:20])
        for key in self._keys_of(kid, algorithm):
            try:
                return self._verified(jwt, token, algorithm, key)
            except jwt.PyJWTError as error:
                refusal = Refused(_REASONS.get(type(error).__name__) or f"the token is not right: {error}")
        raise refusal

    def _keys_of(self, kid: str | None, algorithm: str) -> list[Any]:
        """Return the keys that a token may be signed with: of those with its key id the ones for the algorithm."""
        known = {name for name, _, _ in self._keys}
        if kid is None:
            wanted = known
        elif kid in known:
            wanted = {kid}
        elif None in known:
            wanted = {None}
        else:
            raise Refused(
                "no key has the token's key id. If the issuer has new keys, `upproxy deploy` fetches them", kid=kid[:80]
            )
        return [key for name, one, key in self._keys if one == algorithm and name in wanted]

    def _prepared(self, jwt: Any) -> list[tuple[str | None, str, Any]]:
        """Build the keys that PyJWT verifies by, one for each algorithm. Raises ProxyError."""
        if self._secret:
            return [(None, _SECRET_ALGORITHM, self._secret)]
        try:
            return [
                (key.get("kid"), algorithm, jwt.PyJWK(key, algorithm))
                for key in self._options.keys
                for algorithm in algorithms_of(key)
            ]
        except jwt.PyJWTError as error:
            raise ProxyError(f"a key of `auth` in up.yml cannot be used: {error}") from None

    def _verified(self, jwt: Any, token: str, algorithm: str, key: Any) -> dict[str, Any]:
        options = self._options
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=options.audience or None,
            issuer=options.issuer,
            leeway=options.leeway,
            # A token that never expires can never be taken back.
            options={"require": ["exp"], "verify_aud": bool(options.audience)},
        )
        return claims


def head_of(token: str) -> tuple[str, str | None]:
    """Return the algorithm and the key id that a token names (RFC 7515 section 7.1). Raises Refused."""
    parts = token.split(".")
    if len(parts) != 3 or not all(_BASE64URL.issuperset(part) for part in parts):
        raise Refused("malformed token")
    try:
        head = loads(a2b_base64(parts[0].replace("-", "+").replace("_", "/") + "=" * (-len(parts[0]) % 4)))
    except (Error, JSONError):
        raise Refused("malformed token") from None
    if not isinstance(head, dict):
        raise Refused("malformed token")
    algorithm, kid = head.get("alg"), head.get("kid")
    if not isinstance(algorithm, str) or not isinstance(kid, str | None):
        raise Refused("malformed token")
    if "crit" in head:  # an extension that one must understand, or refuse the token (RFC 7515 section 4.1.11)
        raise Refused("the token has a critical extension")
    return algorithm, kid


def _library() -> Any:
    """Import PyJWT. Raises ProxyError."""
    vendor.look_into(*_FOLDERS)
    try:
        import jwt
    except ImportError as error:  # built for another platform, or without what it needs itself
        raise ProxyError(f"PyJWT, which `auth` in up.yml needs, cannot be loaded: {error}") from None
    return jwt


def _json(claims: dict[str, Any]) -> str:
    try:
        return dumps_ascii(claims)
    except JSONError:  # NaN, which PyJWT reads
        raise Refused("the token's claims are no JSON") from None
