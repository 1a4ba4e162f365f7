"""`python -m bench --cases deploy`: what the commands around a release take, against the local AWS without its delays.

Each is the whole command as a person runs it, in a project with 40 MB of its own.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

from bench.cases import ROOT
from bench.figures import Figure, WrongAnswer

NAME = "deploy"
ROUNDS = 5
SIZE = 40_000_000  # bytes of the project's own, which do not compress
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
APP = """\
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"{text}"]
"""


def measure(rounds: int, progress: Callable[[str], None]) -> list[Figure]:
    """Return the figures. Raises WrongAnswer."""
    changed: list[float] = []
    unchanged: list[float] = []
    back: list[float] = []
    with tempfile.TemporaryDirectory(prefix="upproxy-bench-") as folder, _aws() as environment:
        with open(os.path.join(folder, "data.bin"), "wb") as data:
            data.write(os.urandom(SIZE))
        with open(os.path.join(folder, "up.yml"), "w") as up:
            up.write(f"name: bench\napp: app:app\nserver: waitress\npython: {PYTHON}\n")

        def run(*words: str) -> tuple[float, str]:
            command = [sys.executable, "-m", "upproxy", *words]
            began = perf_counter()
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                raise WrongAnswer(f"upproxy {' '.join(words)}: {done.stderr}")
            return perf_counter() - began, done.stdout

        for turn in range(min(rounds, ROUNDS) + 1):
            progress(f"{NAME} {turn}")
            text = f"release {turn}"
            with open(os.path.join(folder, "app.py"), "w") as app:
                app.write(APP.format(text=text))
            took, told = run("deploy", "--json")
            (region,) = json.loads(told)["regions"]
            _check(region["url"], text)
            start = (region["health"]["init_ms"] + region["health"]["duration_ms"]) / 1000
            if not turn:  # in the first everything is new
                continue
            changed.append(took - start)
            took, told = run("deploy", "--json")
            if json.loads(told)["regions"][0]["released"]:
                raise WrongAnswer("what was unchanged was released")
            unchanged.append(took)
            took, _ = run("rollback")
            _check(region["url"], f"release {turn - 1}")
            back.append(took)
            run("rollback", region["version"])
    return [
        _figure("deploy of changed code, beside the app's own start", changed, 3.0),
        _figure("deploy of what is live already", unchanged, 1.0),
        _figure("rollback", back, 1.0),
    ]


def _figure(name: str, values: list[float], target: float) -> Figure:
    return Figure(name, statistics.median(values), target, " s", values)


def _check(url: str, text: str) -> None:
    with urllib.request.urlopen(url, timeout=30) as answer:
        body = answer.read().decode()
    if body != text:
        raise WrongAnswer(f"{url} answers with {body!r} in place of {text!r}")


@contextmanager
def _aws() -> Iterator[dict[str, str]]:
    """Run the sandbox, and give the environment that calls it."""
    command = [sys.executable, "-m", "upproxy", "sandbox", "--port", "0", "--no-delays", "--json"]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {"PYTHONPATH": ROOT}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=plain) as process:
        try:
            assert process.stdout is not None
            yield plain | json.loads(process.stdout.readline())["environment"]
        finally:
            process.terminate()
