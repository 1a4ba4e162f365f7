"""`inject`: pieces added to HTML pages."""

# ruff: noqa: RUF012  # pydantic copies mutable defaults

from __future__ import annotations

from typing import Literal

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from upproxy.config.derive import Strict


class Injection(Strict):
    """A piece added to HTML pages."""

    type: Literal[
        "literal", "comment", "style", "script", "inline style", "inline script", "google analytics", "segment"
    ] = "literal"
    """What it is."""
    value: str | None = None
    """Its text, address or key."""
    file: str | None = None
    """The file that holds it."""

    @model_validator(mode="after")
    def _one_source(self) -> Injection:
        if (self.value is None) == (self.file is None):
            raise PydanticCustomError("injection", "expected either `value` or `file`")
        return self


class Inject(Strict):
    """Pieces added to HTML pages."""

    head: list[Injection] = []
    """At the end of the head."""
    body: list[Injection] = []
    """At the end of the body."""
