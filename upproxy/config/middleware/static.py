"""`static`: files served without the app."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator

from upproxy.config.derive import Strict
from upproxy.config.errors import Path
from upproxy.config.values import UrlPath, wrong
from upproxy.proxy.middleware.static import Options

if TYPE_CHECKING:
    from upproxy.config.settings import Settings

INSTRUCTIONS = ["_headers"]
"""Files among those of a site that say how to serve it, and are not part of it."""

PUBLIC_ONLY = (
    "expected a folder with nothing but public files, such as `public`: the project's own holds the app's source. "
    "For a site without an app write `type: static`"
)

CONFIGURATION = ["up.json", "up.yaml", "up.yml"]


def _inside(value: str) -> str:
    path = os.path.normpath(value) if value else ".."
    if os.path.isabs(path) or path.split(os.sep)[0] == "..":
        raise wrong("expected a folder of the project, such as `public`")
    return path


class Static(Strict):
    """Files served without the app."""

    dir: Annotated[str, AfterValidator(_inside)] | None = None
    """Their folder. Absent for the project's own, where there is no app."""
    prefix: UrlPath = "/"
    """The path that they appear under."""


def conflicts(settings: Settings) -> Iterator[tuple[Path, str]]:
    """Go through what does not fit other keys, with its path."""
    given = "static" in settings.model_fields_set
    if given and settings.type == "server" and settings.static.dir in (None, "."):
        yield ("static", "dir"), PUBLIC_ONLY


def section(settings: Settings, directory: str) -> dict[str, Any] | None:  # noqa: ARG001
    """Return the middleware's options. The folder need not exist yet: the project's own build may make it."""
    if settings.type == "server" and "static" not in settings.model_fields_set:
        return None
    folder = settings.static.dir or "."
    hidden = INSTRUCTIONS + (CONFIGURATION if folder == "." else [])
    return vars(Options(dir=folder, prefix=settings.static.prefix, hidden=hidden))
