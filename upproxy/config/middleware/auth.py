"""`auth`: who may pass, by path."""

# ruff: noqa: RUF012  # pydantic copies mutable defaults

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from upproxy.config.derive import Strict
from upproxy.config.values import PASSWORD, Reference, UrlPath


class BasicAuth(Strict):
    """HTTP basic authentication."""

    users: dict[str, Annotated[str, Field(pattern=PASSWORD)]]
    """Names, each with a password's hash or a reference such as `${PASSWORD}`."""
    realm: str = "Restricted"
    """What browsers show."""


class ApiKey(Strict):
    """A key in a header field or the query."""

    keys: list[Reference]
    """References such as `${API_KEY}`."""
    header: str | None = "X-Api-Key"
    """The header field that holds it."""
    query: str | None = None
    """The query parameter that holds it."""


class Jwt(Strict):
    """A signed token in the Authorization field."""

    issuer: str | None = None
    """The issuer that it has to name."""
    audience: list[str] = []
    """The audiences, one of which it has to name."""
    jwks: str | None = None
    """Address of the issuer's keys."""
    secret: Reference | None = None
    """A shared secret, as a reference such as `${JWT_SECRET}`."""

    @model_validator(mode="after")
    def _one_key(self) -> Jwt:
        if (self.jwks is None) == (self.secret is None):
            raise PydanticCustomError("jwt", "expected either `jwks` or `secret`")
        return self


class Networks(Strict):
    """Client addresses, as the event's source saw them."""

    allow: list[str] = []
    """Networks that may pass, such as `10.0.0.0/8`."""
    deny: list[str] = []
    """Networks that may not."""


class Rule(Strict):
    """Who may pass under a path."""

    path: UrlPath = "/*"
    """The path; `*` stands for anything."""
    public: bool = False
    """Everybody."""
    basic: BasicAuth | None = None
    """Users with passwords."""
    api_key: ApiKey | None = None
    """Holders of a key."""
    jwt: Jwt | None = None
    """Holders of a signed token."""
    ip: Networks | None = None
    """Certain networks."""
