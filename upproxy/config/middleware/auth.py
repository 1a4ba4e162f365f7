"""`auth`: who may pass, by path."""

# ruff: noqa: RUF012  # pydantic copies mutable defaults

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, model_validator

from upproxy.config.derive import Strict
from upproxy.config.middleware import key_sets
from upproxy.config.values import PASSWORD, REFERENCE, FieldName, Network, PathPattern, Reference, wrong
from upproxy.proxy.errors import ProxyError
from upproxy.proxy.events.fields import request_headers
from upproxy.proxy.middleware.auth import METHODS, scrypt

if TYPE_CHECKING:
    from upproxy.config.settings import StageSettings

_RENAMING = {"function_url": "Function URLs", "rest_api": "REST APIs"}
_QUERY_NAME = r"[A-Za-z0-9_.~-]+"
# Fields that every request has, or that hold other things than keys.
_TAKEN = ("authorization", "cookie", "host", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto")

Many = TypeVar("Many", list[str], dict[str, str])


def _password(value: str) -> str:
    if scrypt.is_hash(value):
        try:
            scrypt.parse(value)
        except scrypt.HashError as error:
            raise wrong(str(error)) from None
    elif not re.fullmatch(REFERENCE, value):
        raise wrong("expected a hash that `upproxy auth hash` prints, or a reference such as ${PASSWORD}")
    return value


def _user(value: str) -> str:
    if not value or ":" in value or value != value.strip() or not value.isprintable():
        raise wrong("expected a name without colons, control characters, and space around it")
    return value


def _realm(value: str) -> str:
    if not value.isascii() or not value.isprintable() or '"' in value or "\\" in value:
        raise wrong("expected plain characters without quotes")
    return value


def _header(value: str) -> str:
    try:
        arrives = len(request_headers({value: "x"})) == 1
    except ProxyError:
        arrives = False
    if not arrives or value.lower() in _TAKEN:
        raise wrong("expected a header field for keys alone that clients may send, such as X-Api-Key")
    return value


def _query(value: str) -> str:
    if not re.fullmatch(_QUERY_NAME, value):
        raise wrong("expected a parameter's name of letters, digits, and the characters _ . ~ -")
    return value


def _some(values: Many) -> Many:
    if not values:
        raise wrong("expected one at least")
    return values


def _key_set(value: str | dict[str, Any]) -> str | dict[str, Any]:
    try:
        if isinstance(value, str):
            key_sets.check_place(value)
        else:
            key_sets.public_keys(value)
    except key_sets.KeySetError as error:
        raise wrong(str(error)) from None
    return value


Realm = Annotated[str, AfterValidator(_realm)]


class BasicAuth(Strict):
    """HTTP basic authentication."""

    users: Annotated[
        dict[Annotated[str, AfterValidator(_user)], Annotated[str, Field(pattern=PASSWORD), AfterValidator(_password)]],
        AfterValidator(_some),
    ]
    """Names, each with a password's hash (`upproxy auth hash`) or a reference such as `${PASSWORD}`."""
    realm: Realm = "Restricted"
    """What browsers show."""


class ApiKey(Strict):
    """A key in a header field or the query."""

    keys: Annotated[list[Reference], AfterValidator(_some)]
    """References such as `${API_KEY}`."""
    header: Annotated[FieldName, AfterValidator(_header)] | None = "X-Api-Key"
    """The header field that holds it."""
    query: Annotated[str, AfterValidator(_query)] | None = None
    """The query parameter that holds it."""
    realm: Realm = "Restricted"
    """What clients are told that the key is for."""

    @model_validator(mode="after")
    def _some_place(self) -> ApiKey:
        if self.header is None and self.query is None:
            raise wrong("expected a `header` or a `query` that holds the key")
        return self


class Jwt(Strict):
    """A signed token in the Authorization field."""

    issuer: str | None = None
    """The issuer that it has to name."""
    audience: list[str] = []
    """The audiences, one of which it has to name."""
    jwks: Annotated[str | dict[str, Any], AfterValidator(_key_set)] | None = None
    """The issuer's public keys: their https address, a file of the project, or the key set itself."""
    secret: Reference | None = None
    """A shared secret of at least 32 bytes, as a reference such as `${JWT_SECRET}`."""
    leeway: Annotated[float, Field(ge=0, le=300)] = 30
    """Seconds that the issuer's clock may differ from ours."""
    realm: Realm = "Restricted"
    """What clients are told that the token is for."""

    @model_validator(mode="after")
    def _one_key(self) -> Jwt:
        if (self.jwks is None) == (self.secret is None):
            raise wrong("expected either `jwks` or `secret`")
        return self


class Networks(Strict):
    """Client addresses, as the event's source saw them."""

    allow: list[Network] = []
    """Networks that may pass, such as `10.0.0.0/8`; absent for all that are not denied."""
    deny: list[Network] = []
    """Networks that may not."""

    @model_validator(mode="after")
    def _one_network(self) -> Networks:
        if not self.allow and not self.deny:
            raise wrong("expected networks to `allow` or to `deny`")
        return self


class Rule(Strict):
    """Who may pass under a path."""

    path: PathPattern = "/*"
    """The path; `*` stands for anything, `:name` for one segment."""
    public: bool = False
    """Everybody."""
    basic: BasicAuth | None = None
    """Users with passwords."""
    api_key: ApiKey | None = None
    """Holders of a key."""
    jwt: Jwt | None = None
    """Holders of a signed token."""
    ip: Networks | None = None
    """Certain networks; beside users, keys or tokens both are needed."""

    @model_validator(mode="after")
    def _somebody(self) -> Rule:
        asked = [name for name in (*METHODS, "ip") if getattr(self, name) is not None]
        if self.public and asked:
            raise wrong(f"expected either `public` or `{asked[0]}`")
        if not self.public and not asked:
            raise wrong("expected who may pass: `public: true`, or some of `basic`, `api_key`, `jwt` and `ip`")
        return self


def section(settings: StageSettings, directory: str) -> dict[str, Any] | None:
    """Return the rules, with the keys that tokens are verified by; an address is asked for them.

    Raises ConfigError where keys cannot be had.
    """
    if not settings.auth:
        return None
    rules = []
    for position, rule in enumerate(settings.auth):
        data = {key: value for key, value in rule.model_dump(mode="json").items() if value is not None}
        if rule.jwt is not None:
            jwks = data["jwt"].pop("jwks")
            if jwks is not None:
                data["jwt"]["keys"] = key_sets.load(jwks, directory, ("auth", position, "jwt", "jwks"))
        rules.append(data)
    return {"rules": rules}


def secrets(settings: StageSettings) -> Iterator[str]:
    """Go through the header fields and query parameters that hold keys, whose values no log may have."""
    for rule in settings.auth:
        if rule.api_key is not None:
            yield from filter(None, (rule.api_key.header, rule.api_key.query))


def warnings(settings: StageSettings) -> Iterator[str]:
    """Go through what is allowed and may not be what is meant."""
    seen: dict[str, int] = {}
    for position, rule in enumerate(settings.auth):
        place = f"auth[{position}]"
        for path in ("/*", rule.path):
            if path in seen:
                yield f"`{place}` never decides: `auth[{seen[path]}]` comes first, and matches all that it does"
                break
        seen[rule.path] = position
        if rule.basic is not None and settings.endpoint in _RENAMING:
            yield (
                f"`{place}.basic`: {_RENAMING[settings.endpoint]} rename WWW-Authenticate, so that browsers do not ask "
                "for the password; `endpoint: http_api` leaves it as it is"
            )
        if rule.jwt is not None and rule.jwt.jwks is not None and not rule.jwt.audience:
            yield f"`{place}.jwt` names no `audience`: tokens that the issuer made for others pass too"
