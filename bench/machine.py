"""Where it was measured."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import version
from typing import TypedDict

from bench.processes import MEASURED, MEASURING


class Machine(TypedDict):
    """The computer and the versions; `pinned` says which cores did what, `load` how busy it was beforehand."""

    cpu: str
    cores: int
    kernel: str
    python: str
    packages: dict[str, str]
    pinned: dict[str, list[int]]
    load: float


def describe() -> Machine:
    """Look at this machine."""
    with open("/proc/cpuinfo") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": sys.version.split()[0],
        "packages": {name: version(name) for name in ("uvicorn", "waitress", "starlette", "flask", "fastapi")},
        "pinned": {"driver": sorted(MEASURING), "candidate and its app": sorted(MEASURED)},
        "load": round(os.getloadavg()[0], 2),
    }
