"""`cors`: cross-origin requests."""

# ruff: noqa: RUF012  # pydantic copies mutable defaults

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from upproxy.config.derive import Strict


class Cors(Strict):
    """Cross-origin requests that browsers may make."""

    enable: bool = False
    """Answer for the app."""
    allowed_origins: list[str] = ["*"]
    """Origins, with `*` for a part of one or for all."""
    allowed_methods: list[str] = ["GET", "HEAD", "POST"]
    """Methods."""
    allowed_headers: list[str] = []
    """Request header fields beside the ones that are always allowed."""
    exposed_headers: list[str] = []
    """Response header fields that scripts may read."""
    max_age: Annotated[int, Field(ge=0)] = 0
    """Seconds that browsers may remember the answer to a preflight."""
    allow_credentials: bool = False
    """Allow cookies and other credentials."""
    debug: bool = False
    """Log each decision."""
