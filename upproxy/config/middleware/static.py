"""`static`: files served without the app."""

# pydantic copies mutable defaults

from __future__ import annotations

from upproxy.config.derive import Strict
from upproxy.config.values import UrlPath


class Static(Strict):
    """Files served without the app."""

    dir: str = "."
    """Their folder."""
    prefix: UrlPath = "/"
    """The path that they appear under."""
