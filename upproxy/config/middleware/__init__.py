"""What up.yml says of each middleware: the model of its section, and what of it goes into the manifest.

A module here is named like its middleware in `upproxy.proxy.middleware`. Its `section(settings, directory)` returns the
middleware's options as plain data, or None where it is not wanted; `directory` is the project's folder. It may have
`conflicts(settings)`, which yields what of its section does not fit other keys: paths, each with what was expected;
`warnings(settings)`, which yields sentences; and `secrets(settings)`, which yields names of header fields and query
parameters that no log may have the values of.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from upproxy.config.middleware import (
    auth,
    compress,
    cors,
    error_pages,
    headers,
    inject,
    maintenance,
    max_body,
    redirects,
    static,
)
from upproxy.proxy.chain import ORDER

if TYPE_CHECKING:
    from upproxy.config.errors import Path
    from upproxy.config.settings import Settings, StageSettings

BUILT: dict[str, Any] = {
    "auth": auth,
    "compress": compress,
    "cors": cors,
    "error_pages": error_pages,
    "headers": headers,
    "inject": inject,
    "maintenance": maintenance,
    "max_body": max_body,
    "redirects": redirects,
    "static": static,
}
"""The modules whose middleware exists, by name."""


def sections(settings: StageSettings, directory: str, stage: str) -> dict[str, Any]:
    """Return the options of every middleware that is wanted at a stage, in the order of the chain."""
    wanted = {name: BUILT[name].section(settings, directory) for name in ORDER if name in BUILT}
    if stage != "production":
        wanted["headers"] = headers.hidden(wanted["headers"])
    return {name: section for name, section in wanted.items() if section is not None}


def conflicts(settings: Settings) -> list[tuple[Path, str]]:
    """Return what does not fit together: paths, each with what was expected."""
    return [
        conflict for module in BUILT.values() if hasattr(module, "conflicts") for conflict in module.conflicts(settings)
    ]


def warnings(settings: StageSettings) -> list[str]:
    """Return sentences about what is allowed and may not be what is meant."""
    return [
        warning for module in BUILT.values() if hasattr(module, "warnings") for warning in module.warnings(settings)
    ]


def secrets(settings: StageSettings) -> list[str]:
    """Return the header fields and query parameters whose values no log may have."""
    return sorted(
        {name for module in BUILT.values() if hasattr(module, "secrets") for name in module.secrets(settings)}
    )


def private(settings: StageSettings) -> list[str]:
    """Return the variables that middleware refers to and the app's environment does not: the app never sees them."""
    known = {name for value in settings.environment.values() for name in references(value)}
    return sorted({name for rule in settings.auth for name in references(rule.model_dump_json())} - known)


def references(text: str) -> list[str]:
    """Return the names that a text refers to as `${NAME}`."""
    return re.findall(r"\$\{([a-zA-Z_][a-zA-Z0-9_]*)\}", text)
