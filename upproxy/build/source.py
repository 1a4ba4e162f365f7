"""The project's own files: what of them goes into the artefact, and by which rule the others do not."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import pathspec

from upproxy.build.archive import Member
from upproxy.build.errors import BuildError

FILE = ".upignore"
DEFAULTS = (
    ".*",
    "__pycache__/",
    "*.py[co]",
    "*.egg-info/",
    "node_modules/",
    "/up.yml",
    "/up.yaml",
    "/up.json",
)
"""What is left out unless .upignore takes it back in; patterns of gitignore."""

RESERVED = ".upproxy"  # the artefact's own folder, and where builds are put
_ATTEMPTS = 3


class LeftOut(NamedTuple):
    """A file or folder that is not in the artefact, and the rule that says so."""

    path: str
    rule: str


class _Rules:
    """gitignore's semantics: the last pattern that matches decides."""

    def __init__(self, directory: str, defaults: Sequence[str]) -> None:
        lines = _ignore_file(directory)
        self._names = [f"{pattern} (default)" for pattern in defaults]
        numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]  # pathspec drops the others
        self._names += [f"{line} ({FILE}:{number})" for number, line in numbered]
        try:
            self._spec = pathspec.GitIgnoreSpec.from_lines([*defaults, *(line for _, line in numbered)])
        except ValueError as error:
            raise BuildError(f"{FILE} has a pattern that cannot be read: {error}") from None

    def leaving_out(self, path: str) -> str | None:
        """Return the rule that leaves a path out; None where it stays. Folders end with a slash."""
        found = self._spec.check_file(path)
        return self._names[found.index] if found.include and found.index is not None else None


def _ignore_file(directory: str) -> list[str]:
    try:
        with open(os.path.join(directory, FILE), encoding="utf-8-sig") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []
    except UnicodeDecodeError:
        raise BuildError(f"{FILE} is no UTF-8 text", "Save it as UTF-8.") from None
    except OSError as error:
        raise BuildError(f"cannot read {FILE}: {error.strerror}") from None


def collect(
    directory: str, left_out: Callable[[LeftOut], None], *, defaults: Sequence[str] = DEFAULTS, skip: str = ""
) -> list[Member]:
    """Return the files of a project, in a fixed order.

    `left_out` is told of everything that is not taken; `skip` is a path that never is, such as the zip's own. Links to
    what lies in the project are followed. Raises BuildError for what cannot be read, and for links that lead out of the
    project or in a circle.
    """
    walk = _Walk(os.path.realpath(directory), _Rules(directory, defaults), left_out, os.path.realpath(skip))
    return [Member(name, *_read(path, name)) for name, path in walk.files("", (walk.root,))]


class _Walk:
    def __init__(self, root: str, rules: _Rules, left_out: Callable[[LeftOut], None], skip: str) -> None:
        self.root = root
        self._rules = rules
        self._left_out = left_out
        self._skip = skip

    def files(self, folder: str, above: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        """Go through the names and paths of the files in a folder; `above` are the real folders on the way to it."""
        try:
            names = sorted(os.listdir(os.path.join(self.root, folder)))
        except OSError as error:
            raise BuildError(f"cannot read the folder {folder or self.root}: {error.strerror}", _LEAVE_OUT) from None
        for entry in names:
            name = f"{folder}/{entry}" if folder else entry
            path = os.path.join(self.root, name)
            kind = _kind(path)
            is_folder = stat.S_ISDIR(kind)
            if rule := self._rule(name, path, kind):
                self._left_out(LeftOut(_printable(name) + "/" * is_folder, rule))
                continue
            if not _encodable(name):
                raise BuildError(
                    f"the name of {_printable(name)} is no UTF-8, which a zip cannot hold",
                    f"Rename it, or leave it out with {FILE}.",
                )
            real = self._followed(name, path) if os.path.islink(path) else os.path.join(above[-1], entry)
            if not is_folder:
                yield name, path
            elif real in above:
                raise BuildError(f"the link {name} leads back to a folder that it is in", _LEAVE_OUT)
            else:
                yield from self.files(name, (*above, real))

    def _rule(self, name: str, path: str, kind: int) -> str | None:
        if name == RESERVED:
            return "the folder of builds"
        is_folder = stat.S_ISDIR(kind)
        if rule := self._rules.leaving_out(f"{name}/" if is_folder else name):
            return rule
        if is_folder:
            return "a virtual environment" if os.path.exists(os.path.join(path, "pyvenv.cfg")) else None
        if path == self._skip:
            return "the build itself"
        if kind and not stat.S_ISREG(kind):
            return "no regular file"
        return None

    def _followed(self, name: str, path: str) -> str:
        real = os.path.realpath(path)
        if not os.path.exists(real):
            raise BuildError(f"the link {name} leads to {os.readlink(path)}, which is not there", _LEAVE_OUT)
        if real != self.root and not real.startswith(self.root + os.sep):
            raise BuildError(
                f"the link {name} leads out of the project, to {os.readlink(path)}",
                f"Copy what it leads to into the project, or leave the link out with {FILE}.",
            )
        return real


_LEAVE_OUT = f"Put it right, or leave it out with {FILE}."


def _kind(path: str) -> int:
    """Return the type of what a path leads to; 0 for a link to nothing."""
    try:
        return stat.S_IFMT(os.stat(path).st_mode)
    except OSError:
        return 0


def _read(path: str, name: str) -> tuple[bytes, bool]:
    """Return the bytes of a file, and whether it is executable; never a mixture of two versions of it."""
    try:
        for _ in range(_ATTEMPTS):
            with open(path, "rb") as file:
                before = os.fstat(file.fileno())
                content = file.read()
                after = os.fstat(file.fileno())
            if (
                (before.st_size, before.st_mtime_ns)
                == (after.st_size, after.st_mtime_ns)
                == (
                    len(content),
                    before.st_mtime_ns,
                )
            ):
                return content, bool(before.st_mode & stat.S_IXUSR)
    except OSError as error:
        raise BuildError(f"cannot read {name}: {error.strerror}", _LEAVE_OUT) from None
    raise BuildError(f"{name} changes while it is read", f"Stop what writes to it, or leave it out with {FILE}.")


def _encodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _printable(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
