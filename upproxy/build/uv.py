"""uv as a process: it resolves and installs, and what it says of a failure is said again so that a person can act."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from functools import cache

from uv import find_uv_bin

from upproxy.build.errors import BuildError

_QUIET = ("--color", "never", "--no-progress")
# Of a virtual environment that is active here nothing is to be found or changed.
_OURS = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "UV_PYTHON", "UV_PROJECT", "UV_WORKING_DIRECTORY")

_OFFLINE = re.compile("dns error|tcp connect error|error sending request|timed out|network was disabled", re.IGNORECASE)
_NO_WHEEL = re.compile(r"(?:Because|and) (?:only )?([A-Za-z0-9._-]+)(?:[=<>!~,. 0-9a-z]*)? has no (?:usable )?wheels")
_HINTS = (
    (re.compile(r"[Hh]ash mismatch"), "The file is not the one that was locked: lock again if you trust the new one."),
    (re.compile(r"attempted to build"), "It has no wheel: `--allow-sdist` builds it here, if it is Python alone."),
)


def attempt(*arguments: str) -> str | None:
    """Run uv and return what it prints; None where it fails."""
    done = _run(arguments, None, b"")
    return None if done.returncode else done.stdout.decode("utf-8", "replace")


def run(arguments: Sequence[str], directory: str, what: str, text: bytes = b"") -> bytes:
    """Run uv in a folder, with `text` as its input, and return what it prints.

    Raises BuildError, whose message begins with `what`, such as `cannot install uv.lock`.
    """
    done = _run(arguments, directory, text)
    if done.returncode == 0:
        return done.stdout
    raise _error(what, done.stderr.decode("utf-8", "replace"))


@cache
def version() -> str:
    """Return uv's version."""
    return (attempt("--version") or "").strip()


def _run(arguments: Sequence[str], directory: str | None, text: bytes) -> subprocess.CompletedProcess[bytes]:
    environment = {name: value for name, value in os.environ.items() if name not in _OURS}
    try:
        return subprocess.run(
            [find_uv_bin(), *_QUIET, *arguments],
            cwd=directory,
            input=text,
            env=environment,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise BuildError(f"there is no uv: {error}", f"{sys.executable} -m pip install uv") from None


class NoWheel(BuildError):
    """A package has no wheel for the target; `package` is its name."""

    def __init__(self, what: str, package: str, said: str) -> None:
        super().__init__(f"{what}: {said}")
        self.package = package


def _error(what: str, stderr: str) -> BuildError:
    said = _said(stderr)
    if match := _NO_WHEEL.search(" ".join(stderr.split())):
        return NoWheel(what, match[1], said)
    if _OFFLINE.search(stderr):
        return BuildError(f"{what}: the network cannot be reached: {said}", "Check the connection, or UV_INDEX.")
    hint = next((hint for pattern, hint in _HINTS if pattern.search(stderr)), "")
    return BuildError(f"{what}: {said}", hint)


def _said(stderr: str) -> str:
    """Return uv's own words from its error on, without its notes on the way."""
    start = stderr.find("error: ")
    lines = [line.rstrip() for line in stderr[max(start, 0) :].strip().splitlines()]
    return "\n".join(lines).removeprefix("error: ") or "uv failed without a word"
