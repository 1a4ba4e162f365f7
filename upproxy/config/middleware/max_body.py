"""`max_body`: how large the body of a request may be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from upproxy.config.values import bytes_of
from upproxy.proxy.middleware.max_body import Options

if TYPE_CHECKING:
    from upproxy.config.settings import Settings

_LAMBDA = 6 * 1024**2  # bytes of an event, the rest of it and base64 included


def section(settings: Settings, directory: str) -> dict[str, Any] | None:  # noqa: ARG001
    """Return the middleware's options."""
    return None if settings.max_body is None else vars(Options(bytes=bytes_of(settings.max_body)))


def warnings(settings: Settings) -> Iterator[str]:
    """Go through what is allowed and may not be what is meant."""
    if settings.max_body is not None and bytes_of(settings.max_body) >= _LAMBDA:
        yield "`max_body` is never reached: Lambda takes no request of 6mb or more"
