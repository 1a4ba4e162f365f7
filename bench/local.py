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
from upproxy.local.instance import BUSY
from upproxy.local.invocation import Buffered
from upproxy.local.processes import memory, sessions
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
    plain, frozen = warm(rounds)
    more = [slow - fast for fast, slow in zip(plain, frozen, strict=True)]
    progress(f"{NAME}/memory")
    with tempfile.TemporaryDirectory(prefix="upproxy-bench-") as folder:
        _, held = asyncio.run(crowd(folder))
    base = statistics.median(plain)
    return [
        Figure(f"a warm request with --lambda, more than the {base:.2f} ms without", statistics.median(more), 1, " ms",
               more),
        Figure(f"{INSTANCES} instances of the FastAPI sample", held / GIGABYTE, 4, " GB", [held / GIGABYTE]),
    ]  # fmt: skip


def warm(rounds: int) -> tuple[list[float], list[float]]:
    """Return the ms that a warm request takes in each round, with plain `start` and with --lambda."""
    with served() as plain, served("--lambda") as frozen:
        ways = [plain, frozen]
        times: tuple[list[float], list[float]] = ([], [])
        for turn in range(rounds + 1):
            for at in (0, 1) if turn % 2 else (1, 0):
                median = statistics.median(ask(ways[at]) for _ in range(REQUESTS))
                if turn:  # in the first everything is new
                    times[at].append(median * 1000)
    return times


@contextmanager
def served(*options: str) -> Iterator[http.client.HTTPConnection]:
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


def ask(connection: http.client.HTTPConnection) -> float:
    began = perf_counter()
    connection.request("GET", PATH)
    response = connection.getresponse()
    response.read()
    if response.status != 200:
        raise WrongAnswer(f"{PATH} was answered with {response.status}")
    return perf_counter() - began


async def crowd(folder: str) -> tuple[int, int]:
    """Return how many processes the instances are, each having served a request, and the bytes that they hold together.

    Shared pages count once. Raises WrongAnswer.
    """
    project = Project(Options(directory=APP, source="http_api", on_demand=True, environment=dict(os.environ)), folder)
    fleet = Fleet(
        project.function,
        project.explain,
        Scaling(most=INSTANCES, provisioned=INSTANCES),
        folder=folder,
        log=lambda *_, **__: None,
    )
    request = HttpRequest("GET", PATH, [(b"host", b"bench.test")], b"", "127.0.0.1", "bench.test", 80, "http")
    event = json.dumps(SOURCES["http_api"].event(request, request_id="1", epoch_ms=0)).encode()
    try:
        await fleet.start()
        invocations = [asyncio.create_task(fleet.invoke(event, timeout=60)) for _ in range(INSTANCES)]
        await asyncio.sleep(0)
        if [instance.state for instance in fleet.instances] != [BUSY] * INSTANCES:
            raise WrongAnswer("not every instance has a request")
        replies = await asyncio.gather(*invocations)
        if not all(isinstance(reply, Buffered) and json.loads(reply.payload)["statusCode"] == 200 for reply in replies):
            raise WrongAnswer(f"{PATH} is not answered by every instance")
        found = sessions()
        members = [pid for instance in fleet.instances for pid in found[instance.pid]]
        return len(members), memory(members, 0)
    finally:
        await fleet.close()
