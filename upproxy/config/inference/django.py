"""A Django project's entry point, by manage.py and its settings."""

from __future__ import annotations

import ast
import os
import re
from typing import NamedTuple

from upproxy.config.inference import places


class Project(NamedTuple):
    """A Django project: its folder below the directory, and by interface its app objects (`shop.wsgi:application`)."""

    folder: str
    apps: dict[str, str]


def find(directory: str) -> Project | None:
    """Return the project whose manage.py is in the directory or a folder of it; its `apps` may be empty."""
    for folder in ("", *places.folders(directory, "")):
        text = _read(os.path.join(directory, folder, "manage.py"))
        if match := re.search(r"""DJANGO_SETTINGS_MODULE["']\s*,\s*["']([\w.]+)["']""", text):
            return Project(folder, _apps(os.path.join(directory, folder), match[1]))
    return None


def _apps(project: str, settings: str) -> dict[str, str]:
    apps = {}
    package = settings.split(".")[0]
    for interface in ("wsgi", "asgi"):
        named = _setting(project, settings, f"{interface.upper()}_APPLICATION")
        if named and "." in named:
            apps[interface] = ":".join(named.rsplit(".", 1))
        elif os.path.isfile(os.path.join(project, package, f"{interface}.py")):
            apps[interface] = f"{package}.{interface}:application"
    return apps


def _setting(project: str, settings: str, name: str) -> str | None:
    """Return the text that a setting is given in the settings module, or in the files of a settings package."""
    base = os.path.join(project, *settings.split("."))
    folder = os.path.dirname(base)
    files = [base + ".py", os.path.join(base, "__init__.py")]
    if os.path.basename(folder) == "settings" and os.path.isdir(folder):
        files += [os.path.join(folder, file) for file in sorted(os.listdir(folder)) if file.endswith(".py")]
    if os.path.isdir(base):
        files += [os.path.join(base, file) for file in sorted(os.listdir(base)) if file.endswith(".py")]
    for file in files:
        try:
            tree = ast.parse(_read(file))
        except (SyntaxError, ValueError, RecursionError):
            continue
        for node in ast.walk(tree):
            match node:
                case ast.Assign(targets=[ast.Name(id=target)], value=ast.Constant(value=str(value))) if target == name:
                    return value
    return None


def _read(file: str) -> str:
    try:
        with open(file, encoding="utf-8", errors="replace") as source:
            return source.read(1_000_000)
    except OSError:
        return ""
