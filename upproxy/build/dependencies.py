"""What a project depends on: which of its files says so, and what uv is asked for. Runtime dependencies only."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Callable
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from upproxy.build import poetry, requirements, uv
from upproxy.build.errors import BuildError
from upproxy.build.tables import at, read_table, tables

OF_THE_RUNTIME = ("boto3", "botocore")
"""Packages that Lambda's own Python runtimes bring."""


class Dependencies(NamedTuple):
    """What uv is asked for.

    `file` is where it comes from, `text` requirements and `constraints` constraints in pip's format; without a text uv
    reads the file itself. `locked` says that all versions are fixed, `sources` names packages that have to be built,
    `asked` that the project wants those of `OF_THE_RUNTIME` of its own.
    """

    file: str
    fingerprint: str
    text: str | None = None
    constraints: str = ""
    locked: bool = False
    sources: tuple[str, ...] = ()
    asked: bool = False


def find(directory: str) -> Dependencies | None:
    """Return the dependencies of a project; None where no file names any. Raises BuildError."""
    for file, read in _READERS.items():
        if os.path.lexists(os.path.join(directory, file)) and (found := read(directory)):
            return found
    if os.path.exists(os.path.join(directory, "Pipfile")):
        raise BuildError(
            "the build does not read Pipfile.lock",
            "Write it as requirements: `pipenv requirements > requirements.txt`.",
        )
    return None


def _uv_lock(directory: str) -> Dependencies:
    exported = uv.run(
        (
            "export",
            "--frozen",
            "--no-default-groups",
            "--no-editable",
            "--no-emit-project",
            "--no-header",
            "--no-annotate",
        ),
        directory,
        "cannot read uv.lock",
    ).decode()
    found = requirements.parse(exported, directory)
    return Dependencies("uv.lock", found.fingerprint(), exported, locked=True, sources=tuple(found.sources))


def _pylock(directory: str) -> Dependencies:
    path = os.path.join(directory, "pylock.toml")
    packages = tables(read_table(path).get("packages"))
    folders = [
        requirements.Reference(os.path.join(directory, str(package["directory"].get("path"))), str(package.get("name")))
        for package in packages
        if isinstance(package.get("directory"), dict)
    ]
    built = tuple(str(package.get("name")) for package in packages if "directory" in package or "vcs" in package)
    read = requirements.Read([], folders, [], {path: _content(path)})
    return Dependencies("pylock.toml", read.fingerprint(), locked=True, sources=built)


def _poetry_lock(directory: str) -> Dependencies:
    locked = poetry.read(directory)
    asked = requirements.parse(locked.requirements, directory)
    fixed = requirements.parse(locked.constraints, directory)
    fingerprint = hashlib.sha256(f"{asked.fingerprint()} {fixed.fingerprint()}".encode()).hexdigest()
    return Dependencies(
        "poetry.lock", fingerprint, locked.requirements, locked.constraints, locked=True, sources=tuple(fixed.sources)
    )


def _requirements_txt(directory: str) -> Dependencies:
    found = requirements.read(os.path.join(directory, "requirements.txt"))
    return Dependencies(
        "requirements.txt", found.fingerprint(), sources=tuple(found.sources), asked=_asked(found.named)
    )


def _pyproject(directory: str) -> Dependencies | None:
    path = os.path.join(directory, "pyproject.toml")
    table = read_table(path)
    project = table.get("project")
    listed = project.get("dependencies") if isinstance(project, dict) else None
    if not isinstance(listed, list):
        if at(table, "tool", "poetry", "dependencies"):
            raise BuildError("there is no poetry.lock beside pyproject.toml", "Write it: `poetry lock`.")
        return None
    named = []
    for text in listed:
        try:
            named.append(Requirement(str(text)))
        except InvalidRequirement as error:
            raise BuildError(f"pyproject.toml has a dependency that cannot be read: {text!r}: {error}") from None
    # What else stands there, such as tools and their settings, would only empty the cache. Sources may be folders.
    text = "\n".join(map(str, listed)) + "\n"
    own = at(table, "tool", "uv", "sources")
    sources = own if isinstance(own, dict) else {}
    folders = [
        requirements.Reference(os.path.normpath(os.path.join(directory, str(said["path"]))), name)
        for name, said in sources.items()
        if isinstance(said, dict) and "path" in said
    ]
    built = tuple(name for name, said in sources.items() if isinstance(said, dict) and {"path", "git"} & said.keys())
    read = requirements.parse(text, directory)
    whole = requirements.Read([], [*read.local, *folders], [], {path: f"{text}{at(table, 'tool', 'uv')}".encode()})
    return Dependencies("pyproject.toml", whole.fingerprint(), sources=(*read.sources, *built), asked=_asked(named))


_READERS: dict[str, Callable[[str], Dependencies | None]] = {
    "uv.lock": _uv_lock,
    "pylock.toml": _pylock,
    "poetry.lock": _poetry_lock,
    "requirements.txt": _requirements_txt,
    "pyproject.toml": _pyproject,
}
"""Files, the first that exists wins."""


def _asked(named: list[Requirement]) -> bool:
    """Whether a package of the runtime is named with a version, an address or extras."""
    return any(
        canonicalize_name(one.name) in OF_THE_RUNTIME and (one.specifier or one.url or one.extras) for one in named
    )


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def installed(folder: str) -> dict[str, str]:
    """Return the versions of the packages in a folder, by normalised name."""
    found: dict[str, str] = {}
    for path in glob.glob(os.path.join(glob.escape(folder), "*.dist-info")):
        name, _, version = os.path.basename(path).removesuffix(".dist-info").partition("-")
        found[canonicalize_name(name)] = version
    return found
