"""What the command line takes: `upproxy --help`, and `upproxy start` until the app's first response.

Both are the whole command as a person runs it, on any core. Beside them: Python alone, and the app by its launcher.
"""

from __future__ import annotations

import http.client
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from time import perf_counter_ns

from bench import local
from bench.candidates import LAUNCHERS, Direct, Upproxy
from bench.cases import ROOT
from bench.figures import WrongAnswer
from bench.rounds import Row, Series, row

NAME = "cli"
HELP, START = f"{NAME}/help", f"{NAME}/start"
PYTHON_ALONE = "Python alone"


def measure(rounds: int, progress: Callable[[str], None]) -> list[Row]:
    """Measure both. Raises WrongAnswer."""
    rows = []
    for case, ways in WAYS.items():
        progress(case)
        series = {name: Series() for name in ways}
        for turn in range(rounds + 1):
            for name, way in ways.items():
                before = _cpu_ns()
                began = perf_counter_ns()
                took = way() - began
                if turn:  # the first ones read from the disk
                    one = series[name]
                    one.medians.append(took)
                    one.elapsed.append(took)
                    one.cpu.append(_cpu_ns() - before)
                    one.cpu_all += one.cpu[-1]
                    one.n += 1
        floor = next(iter(series.values())).medians
        rows += [row(case, name, one, floor) for name, one in series.items()]
    return rows


def _cpu_ns() -> int:
    """The CPU time of all processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return int((usage.ru_utime + usage.ru_stime) * 1e9)


def _run(words: Sequence[str], start: str) -> int:
    """Return when the command had ended, whose output has to begin so."""
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    ended = perf_counter_ns()
    if done.returncode or not done.stdout.startswith(start):
        raise WrongAnswer(f"python {' '.join(words)} says {done.stdout + done.stderr!r}")
    return ended


def _python() -> int:
    return _run(("-c", "pass"), "")


def _help() -> int:
    return _run(("-m", "upproxy", "--help"), "Usage: ")


def _start() -> int:
    with local.served() as connection:
        local.ask(connection)
        return perf_counter_ns()


def _app() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, os.path.join(LAUNCHERS, "asgi.py"), str(listener.fileno()), "main:app"],
            cwd=local.APP,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[listener.fileno()],
        )
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=local.PATIENCE)
        local.ask(connection)
        ended = perf_counter_ns()
        connection.close()
    finally:
        process.terminate()
        process.wait()
    return ended


WAYS: dict[str, dict[str, Callable[[], int]]] = {
    HELP: {PYTHON_ALONE: _python, Upproxy.name: _help},
    START: {Direct.name: _app, Upproxy.name: _start},
}
