"""`redirects`: redirects and rewrites by path."""

# pydantic copies mutable defaults

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from upproxy.config.derive import Strict


class Redirect(Strict):
    """Where a path leads."""

    location: str
    """The target; `:name` and `:splat` stand for what the pattern matched."""
    status: Annotated[int, Field(ge=200, le=399)] | None = None
    """A redirect's status; absent or 200 rewrites the path within the app."""
    force: bool = False
    """Rewrite even where the app has an answer of its own."""
