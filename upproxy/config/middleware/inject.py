"""`inject`: pieces added to HTML pages, written here as the HTML that goes in: nothing breaks out of its place."""

# ruff: noqa: RUF012  # pydantic copies mutable defaults

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING, Any, Literal

from pydantic import model_validator

from upproxy.config.derive import Strict
from upproxy.config.middleware.files import read_text
from upproxy.config.values import wrong
from upproxy.proxy.middleware.inject import Options

if TYPE_CHECKING:
    from upproxy.config.errors import Path
    from upproxy.config.settings import StageSettings

FROM_FILES = ("literal", "comment", "inline style", "inline script")
"""Types whose text may come from a file; the value of the others is an address or a key."""

_KEYS = {"google analytics": "a measurement id, such as G-ABC123DEF4", "segment": "a write key"}


class Injection(Strict):
    """A piece added to HTML pages."""

    type: Literal[
        "literal", "comment", "style", "script", "inline style", "inline script", "google analytics", "segment"
    ] = "literal"
    """What it is."""
    value: str | None = None
    """Its text; of a style or script the address, of google analytics and segment the key."""
    file: str | None = None
    """The file that holds its text, for literal, comment, inline style and inline script."""

    @model_validator(mode="after")
    def _one_source(self) -> Injection:
        if (self.value is None) == (self.file is None):
            raise wrong("expected either `value` or `file`")
        if self.file is not None and self.type not in FROM_FILES:
            raise wrong(f"expected `value`: `file` is for {', '.join(FROM_FILES)}")
        if self.type in _KEYS and not re.fullmatch(r"[A-Za-z0-9_-]+", self.value or ""):
            raise wrong(f"expected {_KEYS[self.type]}, as `value`")
        return self


class Inject(Strict):
    """Pieces added to HTML pages."""

    head: list[Injection] = []
    """At the end of the head."""
    body: list[Injection] = []
    """At the end of the body."""


def section(settings: StageSettings, directory: str) -> dict[str, Any] | None:
    """Return the middleware's options. Raises ConfigError for a file that cannot be read."""
    places = {"head": settings.inject.head, "body": settings.inject.body}
    options = Options(
        **{
            place: "".join(
                f"{written(one.type, _text(one, directory, ('inject', place, at, 'file')))}\n"
                for at, one in enumerate(injections)
            )
            for place, injections in places.items()
        }
    )
    return vars(options) if options.head or options.body else None


def _text(injection: Injection, directory: str, key: Path) -> str:
    if injection.file is None:
        return injection.value or ""
    return read_text(directory, injection.file, key)


def written(kind: str, text: str) -> str:
    """Write a piece as HTML."""
    match kind:
        case "comment":
            return f"<!-- {_uncommented(text)} -->"
        case "style":
            return f'<link rel="stylesheet" href="{html.escape(text)}">'
        case "script":
            return f'<script src="{html.escape(text)}"></script>'
        case "inline style":
            return f"<style>{_in_style(text)}</style>"
        case "inline script":
            return f"<script>{_in_script(text)}</script>"
        case "google analytics":
            return _google_analytics(text)
        case "segment":
            return _segment(text)
        case _:
            return text


def _uncommented(text: str) -> str:
    """Part the hyphens that would end a comment."""
    return re.sub(r"-(?=-)", "- ", text)


def _in_style(text: str) -> str:
    """Escape what would end the element, in a way that is the same to CSS."""
    return re.sub(r"</(?=style)", r"<\\/", text, flags=re.IGNORECASE)


def _in_script(text: str) -> str:
    r"""Escape what would end the element, or keep its end from being one.

    `\x3C` is a `<` in JavaScript's strings and regular expressions, where these can be meant to stand.
    """
    return re.sub(r"<(?=/script|!--)", r"\\x3C", text, flags=re.IGNORECASE)


def _google_analytics(key: str) -> str:
    return (
        f'<script async src="https://www.googletagmanager.com/gtag/js?id={key}"></script>\n'
        "<script>window.dataLayer = window.dataLayer || []; function gtag() { dataLayer.push(arguments); } "
        f"gtag('js', new Date()); gtag('config', {json.dumps(key)});</script>"
    )


def _segment(key: str) -> str:
    """Load Segment's library; calls made before it is there wait in a list that it takes up."""
    methods = ["alias", "debug", "group", "identify", "off", "on", "once", "page", "ready", "reset", "track"]
    return (
        f'<script async src="https://cdn.segment.com/analytics.js/v1/{key}/analytics.min.js"></script>\n'
        "<script>var analytics = window.analytics = window.analytics || []; "
        f"analytics._writeKey = {json.dumps(key)}; "
        f"{json.dumps(methods)}.forEach(function (method) {{ analytics[method] = function () {{ "
        "analytics.push([method].concat(Array.prototype.slice.call(arguments))); return analytics; }; }); "
        "analytics.page();</script>"
    )
