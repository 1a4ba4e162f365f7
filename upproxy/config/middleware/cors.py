"""`cors`: cross-origin requests."""

# ruff: noqa: RUF012  # pydantic copies mutable defaults

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from upproxy.config.derive import Strict
from upproxy.config.values import METHOD, ORIGIN, FieldName, wrong

if TYPE_CHECKING:
    from upproxy.config.settings import Settings


_DEFAULT_PORTS = {"http": "80", "https": "443"}
_NEVER_WITH_CREDENTIALS = {
    "*": "expected origins by name in `allowed_origins`, since browsers take no `*` with `allow_credentials`",
    "null": "expected no `null` in `allowed_origins` with `allow_credentials`: any site is that in a sandboxed frame",
}


def _port(origin: str) -> str:
    scheme, _, host = origin.partition("://")
    port = host.rpartition(":")[2]
    if port.isdigit() and (int(port) > 65_535 or port != str(int(port))):
        raise wrong(f"expected a port up to 65535, found {port}")
    if port == _DEFAULT_PORTS.get(scheme):
        raise wrong(f"expected the origin without `:{port}`, as browsers write it")
    return origin


def _some(value: list[str]) -> list[str]:
    if not value:
        raise wrong("expected one at least; `enable: false` allows none")
    return value


class Cors(Strict):
    """Cross-origin requests that browsers may make."""

    enable: bool = False
    """Answer for the app."""
    allowed_origins: Annotated[
        list[Annotated[str, Field(pattern=ORIGIN), AfterValidator(_port)]], AfterValidator(_some)
    ] = ["*"]
    """Origins; `https://*.shop.example` for subdomains, `http://localhost:*` for ports, `*` for all."""
    allowed_methods: Annotated[list[Annotated[str, Field(pattern=METHOD)]], AfterValidator(_some)] = [
        "GET", "HEAD", "POST",
    ]  # fmt: skip
    """Methods, `*` for all."""
    allowed_headers: list[FieldName] = []
    """Request header fields beside the ones that are always allowed, `*` for all."""
    exposed_headers: list[FieldName] = []
    """Response header fields that scripts may read, `*` for all."""
    max_age: Annotated[int, Field(ge=0)] = 0
    """Seconds that browsers may remember the answer to a preflight; 0 leaves it to them."""
    allow_credentials: bool = False
    """Allow cookies and other credentials; not for all origins."""
    allow_private_network: bool = False
    """Allow pages of the internet to ask an app that is in a private network."""
    debug: bool = False
    """Log each decision."""

    @model_validator(mode="after")
    def _credentials_for_some(self) -> Cors:
        if self.allow_credentials:
            for origin, why in _NEVER_WITH_CREDENTIALS.items():
                if origin in self.allowed_origins:
                    raise wrong(why)
            if "*" in self.exposed_headers:
                raise wrong(
                    "expected fields by name in `exposed_headers`, since browsers take no `*` with `allow_credentials`"
                )
        return self


def section(settings: Settings, directory: str) -> dict[str, Any] | None:  # noqa: ARG001
    """Return the middleware's options."""
    if not settings.cors.enable:
        return None
    options = settings.cors.model_dump(exclude={"enable"})
    for key in ("allowed_headers", "exposed_headers"):
        options[key] = [name.lower() for name in options[key]]
    return options
