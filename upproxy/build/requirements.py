"""Requirements files (pip's format), as far as the build has to understand what uv reads."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement

from upproxy.build.errors import BuildError
from upproxy.build.tables import at, read_table

_OPTION = re.compile(r"(?:-r|--requirement|-c|--constraint)[ =]*(\S.*)")
_EDITABLE = re.compile(r"(?:-e|--editable)[ =]*(\S.*)")
_AFTER = re.compile(r"\s(?:#|--).*$|;.*$")
_VCS = re.compile(r"(?:git|hg|svn|bzr)\+")
_SKIPPED = frozenset(("__pycache__", "build", "dist"))  # of a local project, beside what is hidden


class Reference(NamedTuple):
    """A requirement that is a file or folder of this machine. `name` is the package's, empty where it is not known."""

    path: str
    name: str


class Read(NamedTuple):
    """What requirements say.

    `named` are those with a name, `local` files and folders of this machine, `sources` the names of those that have to
    be built from source wherever they lead, `files` every file that was read, with its content.
    """

    named: list[Requirement]
    local: list[Reference]
    sources: list[str]
    files: dict[str, bytes]

    def fingerprint(self) -> str:
        """Return a hash of all that it depends on."""
        digest = hashlib.sha256()
        for path, content in self.files.items():
            digest.update(b"%d %d %b %b" % (len(path), len(content), os.path.basename(path).encode(), content))
        for reference in self.local:
            for name, content in _contents(reference.path):
                digest.update(b"%d %d %b %b" % (len(name), len(content), os.fsencode(name), content))
        return digest.hexdigest()


def read(path: str) -> Read:
    """Read a requirements file and those that it names. Raises BuildError."""
    found = Read([], [], [], {})
    whole = os.path.abspath(path)
    _read_file(whole, os.path.dirname(whole), found, "")
    return found


def parse(text: str, directory: str) -> Read:
    """Read requirements that are no file, whose paths are relative to a folder. Raises BuildError."""
    found = Read([], [], [], {"": text.encode()})
    _add(text, directory, directory, "", found)
    return found


def _read_file(path: str, root: str, found: Read, via: str) -> None:
    """Read a file. Others that it names are relative to it, packages to the root, as uv and pip have it."""
    if path in found.files:
        return
    try:
        with open(path, "rb") as file:
            content = file.read()
        text = content.decode("utf-8-sig")
    except OSError as error:
        named = f", which {via} names" if via else ""
        raise BuildError(f"cannot read {path}{named}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BuildError(f"{path} is no UTF-8 text", "Save it as UTF-8.") from None
    found.files[path] = content
    _add(text, os.path.dirname(path), root, path, found)


def _add(text: str, directory: str, root: str, file: str, found: Read) -> None:
    for line in text.replace("\\\r\n", " ").replace("\\\n", " ").splitlines():
        stripped = line.strip()
        if match := _OPTION.match(stripped):
            if "://" not in match[1]:
                _read_file(os.path.normpath(os.path.join(directory, _bare(match[1]))), root, found, file)
            continue
        if match := _EDITABLE.match(stripped):
            stripped = match[1]
        elif not stripped or stripped.startswith(("#", "-")):
            continue
        _add_requirement(_bare(stripped), stripped, root, found)


def _bare(text: str) -> str:
    return _AFTER.sub("", text).strip().strip("\"'")


def _add_requirement(bare: str, whole: str, root: str, found: Read) -> None:
    try:
        requirement = Requirement(re.sub(r"\s(?:#|--).*$", "", whole))
    except InvalidRequirement:
        requirement = None
    if requirement is not None:
        found.named.append(requirement)
    url = requirement.url if requirement is not None else bare
    name = requirement.name if requirement is not None else ""
    if not url:
        return
    if _VCS.match(url):
        found.sources.append(name or _egg(url))
        return
    path = url.removeprefix("file://") if url.startswith("file:") else url
    if "://" in path:
        return
    path = os.path.normpath(os.path.join(root, re.sub(r"\[[^\]]*\]$", "", path)))
    if os.path.isdir(path):
        name = name or _project_name(path)
        found.sources.append(name)
    if os.path.exists(path):
        found.local.append(Reference(path, name))


def _egg(url: str) -> str:
    match = re.search(r"#(?:.*&)?egg=([A-Za-z0-9._-]+)", url)
    return match[1] if match else os.path.basename(url.partition("#")[0].rpartition("@")[0] or url).removesuffix(".git")


def _project_name(path: str) -> str:
    try:
        table = read_table(os.path.join(path, "pyproject.toml"))
    except BuildError:
        return os.path.basename(path)
    names = (at(table, "project", "name"), at(table, "tool", "poetry", "name"), os.path.basename(path))
    return next(name for name in names if isinstance(name, str))


def _contents(path: str) -> Iterator[tuple[str, bytes]]:
    """Go through the files of a local requirement: names and contents, in a fixed order. Raises BuildError."""
    try:
        if os.path.isfile(path):
            with open(path, "rb") as file:
                yield os.path.basename(path), file.read()
            return
        for folder, folders, files in os.walk(path):
            folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _SKIPPED)
            for name in sorted(files):
                full = os.path.join(folder, name)
                if not name.startswith(".") and os.path.isfile(full):
                    with open(full, "rb") as file:
                        yield os.path.relpath(full, path), file.read()
    except OSError as error:
        raise BuildError(f"cannot read {error.filename}: {error.strerror}") from None
