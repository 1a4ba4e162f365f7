"""`python -m bench.build`: what a build takes. Needs PyPI, or uv's cache warm."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from uv import find_uv_bin

from bench.figures import Figure, WrongAnswer

NAME = "build"
ROUNDS = 9
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
REQUIREMENTS = "fastapi\nsqlalchemy\ncryptography\n"
APP = """\
from cryptography.fernet import Fernet
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import create_engine, text

app = FastAPI()
engine = create_engine("sqlite://")
fernet = Fernet(Fernet.generate_key())


class Answer(BaseModel):
    number: int


@app.get("/")
def index() -> Answer:
    with engine.connect() as connection:
        return Answer(number=connection.execute(text("select 42")).scalar_one())
"""


def measure(rounds: int, progress: Callable[[str], None]) -> list[Figure]:
    """Measure both. Raises WrongAnswer where a build fails."""
    with tempfile.TemporaryDirectory(prefix="upproxy-bench-") as folder:
        project = _project(os.path.join(folder, "project"))
        progress("build/first")
        _build(project, os.path.join(folder, "warming"))  # uv's cache
        first = [_build(project, os.path.join(folder, f"cache-{number}")) for number in range(rounds)]
        progress("build/code-only")
        cache = os.path.join(folder, "cache-0")
        again = []
        for number in range(rounds):
            with open(os.path.join(project, "main.py"), "a") as file:
                file.write(f"# {number}\n")
            again.append(_build(project, cache))
    return [
        Figure("first build, uv's cache warm", statistics.median(first), 6, " s", first),
        Figure("build after a change of code", statistics.median(again), 1.5, " s", again),
    ]


def _project(folder: str) -> str:
    os.mkdir(folder)
    for name, text in {
        "main.py": APP,
        "requirements.txt": REQUIREMENTS,
        "up.yml": f"name: bench\npython: {PYTHON}\n",
    }.items():
        with open(os.path.join(folder, name), "w") as file:
            file.write(text)
    return folder


def _build(project: str, cache: str) -> float:
    """Return how long a build takes, in seconds."""
    uv = os.environ.get("UV_CACHE_DIR") or subprocess.check_output([find_uv_bin(), "cache", "dir"], text=True).strip()
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "upproxy", "build", "-C", project],
        env={**os.environ, "XDG_CACHE_HOME": cache, "UV_CACHE_DIR": uv},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise WrongAnswer(f"upproxy build: {done.stderr}")
    return time.perf_counter() - started


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.build", description="Measure builds.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds a figure (default {ROUNDS})")
    arguments = parser.parse_args()
    try:
        print(*measure(arguments.rounds, lambda name: print(name, file=sys.stderr)), sep="\n")
    except WrongAnswer as error:
        print(f"wrong: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
