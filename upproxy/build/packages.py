"""Packages for the target: installed by uv into a folder, checked, trimmed, and made ready for the archive."""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from email.parser import BytesHeaderParser
from functools import cache

from packaging.utils import canonicalize_name

from upproxy.build import dependencies, elf, requirements, trim, uv
from upproxy.build.archive import Member
from upproxy.build.dependencies import Dependencies
from upproxy.build.errors import BuildError
from upproxy.build.interpreter import Interpreter
from upproxy.build.source import LeftOut
from upproxy.build.target import Target

_PINNED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pinned.txt")


class Folder:
    """A folder of packages for a target, while it is filled. `path` is the folder, which is there from the first on."""

    def __init__(self, work: str, target: Target) -> None:
        self.path = os.path.join(work, "packages")
        self._work = work
        self._target = target
        os.mkdir(self.path)

    def install(
        self, wanted: Dependencies, directory: str, *, allow_sdist: bool = False, without: Sequence[str] = ()
    ) -> None:
        """Install what a project depends on, but for the packages in `without`. Raises BuildError."""
        arguments = ["-r", wanted.file if wanted.text is None else "-", "--no-editable"]
        if wanted.constraints:
            arguments += ["-c", self._file("constraints.txt", wanted.constraints)]
        if without:
            arguments += ["--excludes", self._file("excludes.txt", "\n".join(without))]
        if not allow_sdist:
            arguments += ["--only-binary", ":all:"]
            # Folders and repositories have no wheels anywhere.
            arguments += [f"--no-binary={name}" for name in wanted.sources]
        self._run(arguments, directory, f"cannot install what {wanted.file} names", wanted.text or "")

    def add(self, *names: str) -> list[str]:
        """Install packages of our own choice that are not there yet; returns what was installed, with versions.

        What is there already stays as it is. Raises BuildError.
        """
        there = dependencies.installed(self.path)
        missing = [name for name in names if canonicalize_name(name) not in there]
        if not missing:
            return []
        pins = {**pinned(), **there}
        constraints = "".join(f"{name}=={version}\n" for name, version in pins.items())
        arguments = ["-r", "-", "-c", self._file("pins.txt", constraints), "--only-binary", ":all:"]
        what = f"cannot add {', '.join(missing)}"
        self._run(arguments, self._work, what, "".join(f"{name}\n" for name in missing))
        return [f"{name} {dependencies.installed(self.path)[canonicalize_name(name)]}" for name in missing]

    def _run(self, arguments: Sequence[str], directory: str, what: str, text: str) -> None:
        target = self._target
        try:
            uv.run(
                (
                    "pip", "install", "--target", self.path, "--python", sys.executable,
                    "--python-version", target.python, "--python-platform", target.wheels, *arguments,
                ),
                directory,
                f"{what} for {target}",
                text.encode(),
            )  # fmt: skip
        except uv.NoWheel as error:
            raise BuildError(
                f"{error.package} has no wheel for {target} on Lambda ({target.tag} or older, or any)\n{error}",
                f"Three ways out: another version of {error.package} that has one; `--allow-sdist`, if it is Python "
                "alone; or a container image, in which it can be compiled: `upproxy build --image`.",
            ) from None

    def _file(self, name: str, text: str) -> str:
        path = os.path.join(self._work, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def check_built(self, names: Sequence[str] | None = None) -> None:
        """See that packages which were built here have no code of this machine in them; all, or those that are named.

        Raises BuildError.
        """
        wanted = None if names is None else {canonicalize_name(name) for name in names}
        for info in sorted(glob.glob(os.path.join(glob.escape(self.path), "*.dist-info"))):
            name = os.path.basename(info).partition("-")[0]
            if wanted is None or canonicalize_name(name) in wanted:
                _check_wheel(info, name, self._target)

    def members(self, prefix: str, interpreter: Interpreter | None) -> tuple[list[Member], list[LeftOut]]:
        """Return the files for the archive, under a prefix, and what was left out. Raises BuildError.

        `interpreter` is one that can import the packages, where there is one.
        """
        left_out = trim.tests(self.path, interpreter)
        members = []
        for folder, folders, files in os.walk(self.path):
            folders.sort()
            for file in sorted(files):
                full = os.path.join(folder, file)
                path = os.path.relpath(full, self.path)
                if rule := trim.rule(path):
                    left_out.append(LeftOut(path, rule))
                    continue
                with open(full, "rb") as stream:
                    content = stream.read()
                check_machine(path, content, self._target, "packages")
                if os.path.dirname(path) == "bin":
                    content = _relocated(content)
                members.append(Member(prefix + path, content, os.access(full, os.X_OK)))
        return members, left_out


@cache
def pinned() -> dict[str, str]:
    """Return the versions of what the build adds of its own, by name."""
    return {one.name: next(iter(one.specifier)).version for one in requirements.read(_PINNED).named}


def check_machine(path: str, content: bytes, target: Target, where: str) -> None:
    """See that a file has no compiled code for another processor. Raises BuildError."""
    machine = elf.machine(content[:20])
    if machine is not None and machine != target.architecture:
        raise BuildError(
            f"{path} in {where} is compiled for {machine}, and the function runs on {target.architecture}",
            "Set `lambda.architecture` in up.yml, or leave the file out with .upignore."
            if where != "packages"
            else "Take a version of the package that has a wheel for it, or set `lambda.architecture` in up.yml.",
        )


def _check_wheel(info: str, name: str, target: Target) -> None:
    """See that a package was not compiled here, by the tags of its wheel (PEP 427)."""
    with suppress(FileNotFoundError), open(os.path.join(info, "WHEEL"), "rb") as file:
        for tag in BytesHeaderParser().parse(file).get_all("Tag", []):
            if re.search(r"-(linux|macosx|win)[_0-9a-z]*$", tag.strip()):
                raise BuildError(
                    f"{name} was compiled on this machine ({tag.strip()}): it may not run on Lambda",
                    f"Take a version that has a wheel for {target.tag}, or build a container image: "
                    "`upproxy build --image`.",
                )


_INTERPRETER = re.compile(rb"\A#!(?:[^\n]*python[^\n]*|/bin/sh\n'''exec'[^\n]*\n' ''')\n")


def _relocated(script: bytes) -> bytes:
    """Let a console script run on whichever Python comes first on PATH, not on the one of this machine."""
    return _INTERPRETER.sub(b"#!/usr/bin/env python3\n", script, count=1)
