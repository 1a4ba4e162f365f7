"""`error_pages`: pages in place of bare errors."""

# ruff: noqa: RUF012  # pydantic copies mutable defaults

from __future__ import annotations

from upproxy.config.derive import Strict
from upproxy.config.values import Text


class ErrorPages(Strict):
    """Pages in place of bare errors, for clients that accept HTML."""

    enable: bool = False
    """Serve them."""
    dir: str = "."
    """The folder with error.html, 4xx.html, 5xx.html, 404.html and the like."""
    variables: dict[str, Text] = {}
    """Values for the pages."""
