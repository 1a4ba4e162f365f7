"""`compress`: compression of responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from upproxy.config.derive import Strict
from upproxy.config.values import MediaType
from upproxy.proxy.middleware.compress import Options

if TYPE_CHECKING:
    from upproxy.config.settings import StageSettings


class Compress(Strict):
    """Compression of responses."""

    enable: bool = False
    """Compress what the app leaves uncompressed, for clients that accept it."""
    min_size: Annotated[int, Field(ge=0)] = Options.min_size
    """Bytes from which it is worth it."""
    types: list[MediaType] = Options.types
    """Media types that it is worth it for, such as `text/*`; the list takes the place of the default one."""


def section(settings: StageSettings, directory: str) -> dict[str, Any] | None:  # noqa: ARG001
    """Return the middleware's options."""
    if not settings.compress.enable:
        return None
    return settings.compress.model_dump(exclude={"enable"})
