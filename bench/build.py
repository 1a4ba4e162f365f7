"""`python -m bench.build`: what a build takes, and how its artefact starts beside the usual zip of the same app.

The usual zip is `pip install --target`, no bytecode, and a Mangum handler, run by AWS's own runtime client. Both are
started in turn, from a folder that cannot be written, under the emulated Runtime API. Needs PyPI, or uv's cache warm.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from typing import NamedTuple

from uv import find_uv_bin

from bench.figures import Figure, WrongAnswer
from upproxy.build import interpreter
from upproxy.cli.check import MOUNTED, sandbox
from upproxy.local.environment import REGION, function_arn
from upproxy.local.invocation import Buffered, FunctionError, Stream
from upproxy.local.runtime_process import RuntimeProcess
from upproxy.local.sources import SOURCES, HttpRequest

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
USUAL = "from mangum import Mangum\nfrom main import app\nhandler = Mangum(app)\n"
BODY = b'{"number":42}'


def measure(rounds: int, progress: Callable[[str], None]) -> list[Figure]:
    """Measure all of it. Raises WrongAnswer, and CalledProcessError where a build fails."""
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
        progress("build/cold-start")
        ours, usual = _ours(folder, project), _usual(folder)
        pairs = [(_start(ours), _start(usual)) for _ in range(rounds + 1)][1:]  # the first reads from the disk
    ratios = [one / other for one, other in pairs]
    ms = [statistics.median(times) * 1000 for times in zip(*pairs, strict=True)]
    return [
        Figure("first build, uv's cache warm", statistics.median(first), 6, " s", first),
        Figure("build after a change of code", statistics.median(again), 1.5, " s", again),
        Figure(
            f"cold start, ours {ms[0]:.0f} ms to the usual {ms[1]:.0f} ms", statistics.median(ratios), 0.6, "", ratios
        ),
    ]


class _Started(NamedTuple):
    """How something is started: the folder that has its `task`, its command and its environment there."""

    work: str
    command: Sequence[str]
    environment: dict[str, str]


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
    subprocess.run(
        [sys.executable, "-m", "upproxy", "build", "-C", project],
        env={**os.environ, "XDG_CACHE_HOME": cache, "UV_CACHE_DIR": uv},
        capture_output=True,
        check=True,
    )
    return time.perf_counter() - started


def _python() -> str:
    found = interpreter.find(PYTHON, print)
    if found is None:
        raise WrongAnswer(f"there is no Python {PYTHON}")
    return found.path


def _ours(folder: str, project: str) -> _Started:
    work = _work(folder, "ours")
    task = os.path.join(work, "task")
    with zipfile.ZipFile(os.path.join(project, ".upproxy", "staging.zip")) as archive:
        archive.extractall(task)
    os.chmod(os.path.join(task, ".upproxy", "bootstrap"), 0o755)
    return _Started(work, ("{root}/task/.upproxy/bootstrap", _python(), "/var/runtime/bootstrap.py"), {})


def _usual(folder: str) -> _Started:
    """Install as people do: the packages beside the source, as they come; the runtime's own client has bytecode."""
    work = _work(folder, "usual")
    for where, packages, flags in (
        ("task", [*REQUIREMENTS.split(), "mangum"], []),
        ("runtime", ["awslambdaric"], ["--compile-bytecode"]),
    ):
        subprocess.run(
            [
                find_uv_bin(), "pip", "install", "--quiet", "--python", sys.executable, "--link-mode", "copy",
                "--target", os.path.join(work, where), *flags, *packages,
            ],
            check=True,
        )  # fmt: skip
    for name, text in {"main.py": APP, "usual.py": USUAL}.items():
        with open(os.path.join(work, "task", name), "w") as file:
            file.write(text)
    return _Started(
        work,
        (_python(), "-m", "awslambdaric", "usual.handler"),
        {"PYTHONPATH": "{root}/task:{root}/runtime", "_HANDLER": "usual.handler"},
    )


def _work(folder: str, name: str) -> str:
    work = os.path.join(folder, name)
    for each in ("task", "tmp", "runtime", "bin"):
        os.makedirs(os.path.join(work, each))
    os.symlink(_python(), os.path.join(work, "bin", "python3"))
    return work


def _start(what: _Started) -> float:
    """Return the seconds from the start of the process to the first answer."""
    return asyncio.run(_cold_start(what))


async def _cold_start(what: _Started) -> float:
    words = sandbox(what.work)
    root = MOUNTED if words else what.work
    environment = {name: value.replace("{root}", root) for name, value in what.environment.items()}
    process = RuntimeProcess(
        (*words, *(word.replace("{root}", root) for word in what.command)),
        {
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_FUNCTION_NAME": "bench",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_REGION": REGION,
            "LAMBDA_RUNTIME_DIR": f"{root}/runtime",
            "LAMBDA_TASK_ROOT": f"{root}/task",
            "PATH": f"{root}/bin:/usr/local/bin:/usr/bin:/bin",
            "PYTHONDONTWRITEBYTECODE": "" if words else "1",  # as where the disk cannot be written
            **environment,
        },
        directory="/",
        function_name="bench",
        arn=function_arn("bench", REGION),
        on_line=lambda _stream, _line: None,
    )
    request = HttpRequest("GET", "/", [(b"host", b"bench")], b"", "192.0.2.1", "bench", 443, "https")
    event = SOURCES["function_url"].event(request, request_id="1", epoch_ms=0)
    started = time.perf_counter()
    try:
        await process.start()
        await process.ready()
        reply = await process.invoke(json.dumps(event).encode(), timeout=60, request_id="1", trace_id="")
        body = b""
        if isinstance(reply, Stream):
            body = b"".join([chunk async for chunk in reply])
        elif isinstance(reply, Buffered):
            body = SOURCES["function_url"].reply(reply.payload).body
        took = time.perf_counter() - started
    finally:
        await process.stop()
    if isinstance(reply, FunctionError) or body != BODY:
        raise WrongAnswer(reply.message if isinstance(reply, FunctionError) else repr(body))
    return took


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.build", description="Measure builds and what they build.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds a figure (default {ROUNDS})")
    arguments = parser.parse_args()
    try:
        figures = measure(arguments.rounds, lambda name: print(name, file=sys.stderr))
    except WrongAnswer as error:
        print(f"wrong: {error}", file=sys.stderr)
        return 1
    print(*figures, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
