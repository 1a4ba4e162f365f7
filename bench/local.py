"""What Lambda's life on a laptop costs: a warm request beside plain `start`, and the memory of fifty instances."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

from bench.cases import ROOT
from bench.figures import Figure, WrongAnswer
from upproxy.local.fleet import Fleet, Scaling
from upproxy.local.processes import memory, sessions
from upproxy.local.runtime_api import Buffered
from upproxy.local.serve import Options, Project
from upproxy.local.sources import SOURCES, HttpRequest

NAME = "start-lambda"
APP = os.path.join(ROOT, "sample_app", "fastapi")
PATH = "/health"
REQUESTS = 50  # a round and way
INSTANCES = 50
PATIENCE = 30  # seconds until `start` serves
GIGABYTE = 10**9


def measure(rounds: int, progress: Callable[[str], None]) -> list[Figure]:
    """Measure both. Raises WrongAnswer."""
    progress(f"{NAME}/warm")
    with _served() as plain, _served("--lambda") as frozen:
        ways = [plain, frozen]
        times: list[list[float]] = [[], []]
        for turn in range(rounds + 1):
            for at in (0, 1) if turn % 2 else (1, 0):
                median = statistics.median(_ask(ways[at]) for _ in range(REQUESTS))
                if turn:  # in the first everything is new
                    times[at].append(median)
    more = [(slow - fast) * 1000 for fast, slow in zip(*times, strict=True)]
    progress(f"{NAME}/memory")
    with tempfile.TemporaryDirectory(prefix="upproxy-bench-") as folder:
        held = asyncio.run(_held(folder)) / GIGABYTE
    base = statistics.median(times[0]) * 1000
    return [
        Figure(f"a warm request with --lambda, more than the {base:.2f} ms without", statistics.median(more), 1, " ms",
               more),
        Figure(f"{INSTANCES} instances of the FastAPI sample", held, 4, " GB", [held]),
    ]  # fmt: skip


@contextmanager
def _served(*options: str) -> Iterator[http.client.HTTPConnection]:
    """Run `upproxy start`, and connect to it when it serves."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "upproxy", "start", "-C", APP, "--address", f":{port}", "--no-reload", *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    giving_up = threading.Timer(PATIENCE, process.kill)
    giving_up.start()
    try:
        told = b""
        while b"serving on" not in told:
            if process.stderr is None or not (line := process.stderr.readline()):
                raise WrongAnswer(f"start {' '.join(options)} does not serve: {told.decode()}")
            told += line
        giving_up.cancel()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        yield connection
        connection.close()
    finally:
        giving_up.cancel()
        process.terminate()
        process.communicate()


def _ask(connection: http.client.HTTPConnection) -> float:
    began = perf_counter()
    connection.request("GET", PATH)
    response = connection.getresponse()
    response.read()
    if response.status != 200:
        raise WrongAnswer(f"{PATH} was answered with {response.status}")
    return perf_counter() - began


async def _held(folder: str) -> int:
    """Return the bytes that the instances hold, each having served a request; shared pages count once."""
    project = Project(Options(directory=APP, source="http_api", on_demand=True, environment=dict(os.environ)), folder)
    fleet = Fleet(
        project.function,
        project.explain,
        Scaling(most=INSTANCES, provisioned=INSTANCES),
        folder=folder,
        on_line=lambda *_: None,
        on_platform=lambda _: None,
        log=lambda *_, **__: None,
    )
    request = HttpRequest("GET", PATH, [(b"host", b"bench.test")], b"", "127.0.0.1", "bench.test", 80, "http")
    event = json.dumps(SOURCES["http_api"].event(request, request_id="1", epoch_ms=0)).encode()
    try:
        await fleet.start()
        replies = await asyncio.gather(*(fleet.invoke(event, timeout=60) for _ in range(INSTANCES)))
        if not all(isinstance(reply, Buffered) and json.loads(reply.payload)["statusCode"] == 200 for reply in replies):
            raise WrongAnswer(f"{PATH} is not answered by every instance")
        found = sessions()
        return memory([pid for instance in fleet.instances for pid in found.get(instance.pid, ())], 0)
    finally:
        await fleet.close()
