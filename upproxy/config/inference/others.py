"""Apps that are not found by their Python source: what a project's own files say, and other languages."""

from __future__ import annotations

import json
import os
import re

from upproxy.config.errors import ConfigError


def procfile(directory: str) -> str | None:
    """Return the command of the `web` line of a Procfile."""
    match = re.search(r"^web:\s*(\S.*?)\s*$", _text(directory, "Procfile"), re.MULTILINE)
    return match[1] if match else None


def package_json(directory: str) -> str | None:
    """Return the command of package.json's start script, run without npm, which is slow and keeps signals to itself."""
    text = _text(directory, "package.json")
    if not text:
        return None
    try:
        scripts = json.loads(text).get("scripts") or {}
        start = scripts.get("start")
    except (ValueError, AttributeError, RecursionError):
        raise ConfigError(
            "is no JSON that npm would understand", file=os.path.join(directory, "package.json")
        ) from None
    if not isinstance(start, str) or not start.strip():
        return None
    if "prestart" in scripts:
        return "npm start --silent"
    return f'export PATH="$PWD/node_modules/.bin:$PATH"; {start.strip()}'


def go(directory: str) -> tuple[str, str] | None:
    """Return the command for a Go program, and in words what it runs: a binary that was built, else the source."""
    if not os.path.isfile(os.path.join(directory, "main.go")):
        return None
    for name in ("server", "main"):
        path = os.path.join(directory, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return f"./{name}", f"the binary `{name}` beside main.go"
    return "go run .", "main.go"


def static(directory: str) -> bool:
    """Whether the folder is a static site."""
    return os.path.isfile(os.path.join(directory, "index.html"))


def _text(directory: str, name: str) -> str:
    try:
        with open(os.path.join(directory, name), encoding="utf-8-sig", errors="replace") as file:
            return file.read(1_000_000)
    except OSError:
        return ""
