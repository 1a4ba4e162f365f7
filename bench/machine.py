"""Where it was measured."""

from __future__ import annotations

import os
import platform
import sys
import time
from importlib.metadata import version
from typing import TypedDict

from bench import installed
from bench.processes import MEASURED, MEASURING

OWN = "uvicorn", "waitress", "starlette", "flask", "fastapi"  # in the environment of development too
PACKAGES = (
    *OWN, "httptools", "django", "lambda_web_adapter", "awslambdaric", "mangum", "apig-wsgi", "serverless-wsgi",
)  # fmt: skip


class Machine(TypedDict):
    """The computer and the versions; `pinned` says which cores did what, `load` how busy it was beforehand."""

    date: str
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
    found = installed.versions()
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": sys.version.split()[0],
        "packages": {name: found.get(name) or version(name) for name in PACKAGES if name in found or name in OWN},
        "pinned": {"driver": sorted(MEASURING), "candidate and its app": sorted(MEASURED)},
        "load": round(os.getloadavg()[0], 2),
    }
