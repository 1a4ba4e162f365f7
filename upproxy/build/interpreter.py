"""A Python of the target's version on this machine: for bytecode, for import checks and to run what was built."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

from upproxy.build import uv

# The executable is not that of a virtual environment, whose packages could be mistaken for the app's.
_ASKED = """\
import sys
print(getattr(sys, "_base_executable", sys.executable))
print(sys.implementation.name)
print(sys.version.replace("\\n", " "))
"""


class Interpreter(NamedTuple):
    """A Python. `version` is all that it says of its own: number, date and compiler."""

    path: str
    version: str


def find(version: str, report: Callable[[str], None]) -> Interpreter | None:
    """Return a CPython of a minor version, such as 3.13: one that is there, else one that uv can have; else None.

    `report` is called with a sentence before one is downloaded.
    """
    if found := here(version):
        return found
    report(f"getting Python {version} for its bytecode")
    if uv.attempt("python", "install", version) is not None and (path := _uv_finds(version)):
        return _asked(path, version)
    return None


def here(version: str) -> Interpreter | None:
    """Return a CPython of a minor version that is on this machine."""
    return next((found for path in _there(version) if (found := _asked(path, version))), None)


def _there(version: str) -> Iterator[str]:
    yield sys.executable
    if path := shutil.which(f"python{version}"):
        yield path
    # pyenv's commands on PATH fail for versions that are not chosen at the moment, and uv stops there.
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    yield from sorted(glob.glob(os.path.join(glob.escape(pyenv), "versions", f"{version}.*", "bin", "python3")))
    if path := _uv_finds(version):
        yield path


def _uv_finds(version: str) -> str:
    found = uv.attempt(
        "python", "find", "--no-project", "--no-python-downloads", "--python-preference", "managed", version
    )
    return (found or "").strip()


def _asked(path: str, version: str) -> Interpreter | None:
    """Ask an interpreter for its version; None where it is another, or does not run."""
    try:
        done = subprocess.run([path, "-I", "-S", "-c", _ASKED], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    executable, implementation, said, *_ = [*done.stdout.splitlines(), "", "", ""]
    if done.returncode or implementation != "cpython" or not said.startswith(f"{version}."):
        return None
    return Interpreter(executable, said)
