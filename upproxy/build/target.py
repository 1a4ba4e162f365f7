"""What is built for: a version of Python and a processor, as Lambda, wheels and ELF files name them."""

from __future__ import annotations

import os
import platform
import re
import sys
from typing import NamedTuple

from upproxy.build.errors import BuildError
from upproxy.config import Config

VERSIONS = ("3.11", "3.12", "3.13", "3.14")
DEFAULT = "3.13"
_WHEEL_NAMES = {"x86_64": "x86_64", "arm64": "aarch64"}


class Target(NamedTuple):
    """`python` is a minor version such as 3.13, `architecture` Lambda's name of a processor."""

    python: str
    architecture: str

    @property
    def wheels(self) -> str:
        """The platform as uv names it.

        Python 3.12 and later run on Amazon Linux 2023 (glibc 2.34), 3.11 on Amazon Linux 2 (glibc 2.26).
        """
        return f"{_WHEEL_NAMES[self.architecture]}-{self._glibc}"

    @property
    def tag(self) -> str:
        """The newest platform tag of wheels that fit (PEP 600)."""
        return f"{self._glibc}_{_WHEEL_NAMES[self.architecture]}"

    @property
    def runs_here(self) -> bool:
        """Whether this machine runs programs for it."""
        return sys.platform == "linux" and platform.machine() == _WHEEL_NAMES[self.architecture]

    @property
    def cache_tag(self) -> str:
        """What names of bytecode files have in them (PEP 3147)."""
        return f"cpython-{self.python.replace('.', '')}"

    @property
    def _glibc(self) -> str:
        return "manylinux_2_17" if self.python == "3.11" else "manylinux_2_28"

    def __str__(self) -> str:
        return f"Python {self.python} on {self.architecture}"


def of(config: Config) -> Target:
    """Return what a project is built for: `python`, else `lambda.runtime`, else .python-version, else the default.

    Raises BuildError for a runtime that is not Python, or of a version that is not supported.
    """
    settings = config.settings
    runtime = settings.lambda_.runtime
    if runtime and not runtime.startswith("python"):
        raise BuildError(
            f"`lambda.runtime: {runtime}` has no Python for the proxy to run on",
            "Choose python3.13 or the like, or build a container image: `upproxy build --image`.",
        )
    named = runtime.removeprefix("python") if runtime else ""
    if settings.python and named and settings.python != named:
        raise BuildError(
            f"`python: {settings.python}` and `lambda.runtime: {runtime}` differ", "Leave one of them out."
        )
    version = settings.python or named or _pinned(config.directory) or DEFAULT
    if version not in VERSIONS:
        raise BuildError(
            f"there is no support for Python {version}", f"Write one of {', '.join(VERSIONS)} as `python` in up.yml."
        )
    return Target(version, settings.lambda_.architecture)


def _pinned(directory: str) -> str:
    """Return the minor version that .python-version names, as uv and pyenv read it; empty where it names none."""
    try:
        with open(os.path.join(directory, ".python-version"), encoding="utf-8") as file:
            first = file.readline(100).strip()
    except (OSError, UnicodeDecodeError):
        return ""
    match = re.match(r"(?:cpython[-@]?)?(3\.\d+)(\.\d+)?$", first)
    return match[1] if match else ""
