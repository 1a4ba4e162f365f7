"""poetry.lock, which uv does not read, as requirements and constraints, which it does."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from upproxy.build.errors import BuildError
from upproxy.build.tables import at, read_table, tables


class Locked(NamedTuple):
    """The direct requirements of a project, and what every package is locked to, in pip's format."""

    requirements: str
    constraints: str


def read(directory: str) -> Locked:
    """Read poetry.lock and the direct requirements of pyproject.toml. Raises BuildError."""
    lock = read_table(os.path.join(directory, "poetry.lock"))
    project = read_table(os.path.join(directory, "pyproject.toml"))
    packages = tables(lock.get("package"))
    if not isinstance(lock.get("metadata"), dict):
        raise BuildError("poetry.lock has no metadata", "Write it anew: `poetry lock`.")
    hashes = _hashes(lock, packages)
    constraints: list[str] = []
    sources: dict[str, str] = {}
    for package in packages:
        name, version = str(package.get("name")), str(package.get("version"))
        marker = _marker(package, packages)
        if url := _source(name, package.get("source") or {}, directory):
            sources[canonicalize_name(name)] = url
            constraints.append(f"{name} @ {url}{marker}")
        else:
            constraints.append(f"{name}=={version}{marker}" + "".join(f" --hash={one}" for one in hashes.get(name, ())))
    direct = [_direct(requirement, sources) for requirement in _requirements(project)]
    return Locked("\n".join(direct) + "\n", "\n".join(constraints) + "\n")


def _hashes(lock: dict[str, Any], packages: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Return the hashes by package; up to Poetry 1.2 they stand at the end of the file."""
    old = lock["metadata"].get("files", {})
    found: dict[str, list[str]] = {}
    for package in packages:
        name = str(package.get("name"))
        files = package.get("files", old.get(name))
        found.setdefault(name, []).extend(sorted(str(file["hash"]) for file in tables(files) if "hash" in file))
    return found


def _marker(package: dict[str, Any], packages: list[dict[str, Any]]) -> str:
    markers = package.get("markers")
    if isinstance(markers, dict):  # by group
        markers = markers.get("main")
    if isinstance(markers, str) and markers:
        return f" ; {markers}"
    if sum(other.get("name") == package.get("name") for other in packages) > 1:
        raise BuildError(
            f"poetry.lock has several versions of {package.get('name')} and does not say which is for what",
            "Lock again with Poetry 2, which writes markers: `poetry lock`.",
        )
    return ""


def _source(name: str, source: dict[str, Any], directory: str) -> str:
    """Return the address of a package that comes from elsewhere than an index; empty where it does not."""
    kind, url = source.get("type"), str(source.get("url", ""))
    if kind == "git":
        below = f"#subdirectory={source['subdirectory']}" if source.get("subdirectory") else ""
        return f"git+{url}@{source.get('resolved_reference')}{below}"
    if kind == "url":
        return url
    if kind in ("directory", "file"):
        return f"file://{os.path.normpath(os.path.join(os.path.abspath(directory), url))}"
    if kind not in (None, "legacy"):
        raise BuildError(f"poetry.lock has {name} from a source of the type {kind!r}, which the build does not know")
    return ""


def _requirements(project: dict[str, Any]) -> list[Requirement]:
    """Return the direct runtime requirements, without the versions, which the lock says better."""
    found = []
    listed = at(project, "project", "dependencies")
    for text in listed if isinstance(listed, list) else []:
        try:
            requirement = Requirement(str(text))
        except InvalidRequirement as error:
            raise BuildError(f"pyproject.toml has a dependency that cannot be read: {text!r}: {error}") from None
        found.append(requirement)
    named = {canonicalize_name(requirement.name) for requirement in found}
    poetry = at(project, "tool", "poetry", "dependencies")
    for name, said in poetry.items() if isinstance(poetry, dict) else ():
        if canonicalize_name(name) in named or canonicalize_name(name) == "python":
            continue
        for option in said if isinstance(said, list) else [said]:
            table = option if isinstance(option, dict) else {}
            if not table.get("optional"):
                found.append(_of_table(name, table))
    return found


def _of_table(name: str, table: dict[str, Any]) -> Requirement:
    requirement = Requirement(name)
    requirement.extras = {str(extra) for extra in table.get("extras", ())}
    if marker := table.get("markers"):
        requirement = Requirement(f"{requirement} ; {marker}")
    return requirement


def _direct(requirement: Requirement, sources: dict[str, str]) -> str:
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    url = sources.get(canonicalize_name(requirement.name))
    marker = f" ; {requirement.marker}" if requirement.marker else ""
    return f"{requirement.name}{extras}{f' @ {url}' if url else ''}{marker}"
