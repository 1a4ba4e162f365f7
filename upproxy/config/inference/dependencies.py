"""Which packages a project says it needs, read from the files that say so."""

from __future__ import annotations

import glob
import os
import re
import tomllib
from collections.abc import Iterator
from typing import Any

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(?:==\s*([0-9][0-9.]*))?")
_DEVELOPMENT = re.compile(r"dev|test|doc|lint|ci")


class Dependencies:
    """The packages that a project names, and the versions known of them.

    `named` are the direct ones of requirements files, pyproject.toml (also Poetry's) and Pipfile; `locked` all of
    uv.lock. Files for development alone are left out. `installed` looks beside an interpreter.
    """

    def __init__(self, directory: str, python: str = "") -> None:
        self.named: dict[str, str] = {}
        self.locked: dict[str, str] = {}
        self._python = python
        for file in sorted(
            glob.glob("requirements*.txt", root_dir=directory) + glob.glob("requirements/*.txt", root_dir=directory)
        ):
            if not _DEVELOPMENT.search(os.path.basename(file).removeprefix("requirements")):
                self._add(_lines(os.path.join(directory, file)))
        project = _toml(os.path.join(directory, "pyproject.toml"))
        self._add(_texts(_at(project, "project", "dependencies")))
        for table in (
            _at(project, "tool", "poetry", "dependencies"),
            _at(_toml(os.path.join(directory, "Pipfile")), "packages"),
        ):
            if isinstance(table, dict):
                self._add(name + (version if isinstance(version, str) else "") for name, version in table.items())
        packages = _at(_toml(os.path.join(directory, "uv.lock")), "package")
        for package in packages if isinstance(packages, list) else ():
            if isinstance(package, dict) and isinstance(package.get("name"), str):
                self.locked[_normal(package["name"])] = str(package.get("version", ""))

    def _add(self, requirements: Iterator[str]) -> None:
        for requirement in requirements:
            if match := _REQUIREMENT.match(requirement):
                self.named[_normal(match[1])] = match[2] or ""

    def first_of(self, names: tuple[str, ...]) -> str | None:
        """Return the first of these packages that is named, else the first that is locked."""
        for known in (self.named, self.locked):
            for name in names:
                if name in known:
                    return name
        return None

    def version(self, name: str) -> tuple[int, ...] | None:
        """Return the version that is installed beside the interpreter, else locked, else pinned; None if unknown."""
        found = self._installed(name) or self.locked.get(name) or self.named.get(name)
        numbers = re.findall(r"\d+", found)[:3] if found else []
        return tuple(map(int, numbers)) or None

    def _installed(self, name: str) -> str:
        packages = os.path.join(os.path.dirname(os.path.dirname(self._python)), "lib", "python3*", "site-packages")
        for folder in glob.glob(os.path.join(packages, f"{name}-*.dist-info")) if os.sep in self._python else ():
            return os.path.basename(folder).removeprefix(f"{name}-").removesuffix(".dist-info")
        return ""


def _normal(name: str) -> str:
    """Normalise a package's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _lines(file: str) -> Iterator[str]:
    try:
        with open(file, encoding="utf-8", errors="replace") as lines:
            yield from (line for line in lines if not line.lstrip().startswith(("#", "-")))
    except OSError:
        return


def _toml(file: str) -> dict[str, Any]:
    """Read a TOML file; what cannot be read says nothing."""
    try:
        with open(file, "rb") as source:
            return tomllib.load(source)
    except (OSError, ValueError):
        return {}


def _at(table: Any, *keys: str) -> Any:
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    return table


def _texts(values: Any) -> Iterator[str]:
    return (value for value in values if isinstance(value, str)) if isinstance(values, list) else iter(())
