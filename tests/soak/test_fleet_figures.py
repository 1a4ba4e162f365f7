"""What the fleet costs: side by side with plain `start`, and in memory."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import statistics
import uuid
from pathlib import Path
from time import perf_counter

import pytest

from tests.conformance.ways import ROOT, Start
from upproxy.local.fleet import Fleet, Scaling
from upproxy.local.instance import BUSY
from upproxy.local.processes import memory, sessions
from upproxy.local.runtime_api import Buffered
from upproxy.local.serve import Options, Project
from upproxy.local.sources import SOURCES, HttpRequest

pytestmark = pytest.mark.soak

ROUNDS = 40
REQUESTS = 50  # a round and way
GIGABYTE = 1 << 30


def timed(connection: http.client.HTTPConnection) -> list[float]:
    """Return the milliseconds that each of some requests took, one after another."""
    took = []
    for _ in range(REQUESTS):
        began = perf_counter()
        connection.request("GET", "/health")
        connection.getresponse().read()
        took.append((perf_counter() - began) * 1000)
    return took


def test_a_warm_request_costs_under_a_millisecond_more() -> None:
    folder = ROOT / "sample_app" / "fastapi"
    ways = {"plain": Start(folder, "function_url"), "lambda": Start(folder, "function_url", "--lambda")}
    try:
        connections = {name: http.client.HTTPConnection("127.0.0.1", way.port) for name, way in ways.items()}
        took: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(ROUNDS):
            for name in sorted(ways, reverse=bool(number % 2)):
                measured = timed(connections[name])
                if number:
                    took[name] += measured
        for connection in connections.values():
            connection.close()
    finally:
        for way in ways.values():
            way.close()
    medians = {name: statistics.median(values) for name, values in took.items()}
    print(f"median ms a warm request: plain {medians['plain']:.2f}, --lambda {medians['lambda']:.2f}")
    assert medians["lambda"] - medians["plain"] < 1.0


async def test_fifty_instances_fit_in_four_gigabytes(tmp_path: Path) -> None:
    options = Options(
        directory=str(ROOT / "sample_app" / "fastapi"), source="http_api", on_demand=True, environment=dict(os.environ)
    )
    project = Project(options, str(tmp_path))
    fleet = Fleet(
        project.function,
        project.explain,
        Scaling(most=50, provisioned=50),
        folder=str(tmp_path),
        on_line=lambda *_: None,
        on_platform=lambda _: None,
        log=print,
    )
    request = HttpRequest("GET", "/health", [(b"host", b"shop.test")], b"", "127.0.0.1", "shop.test", 80, "http")
    event = json.dumps(SOURCES["http_api"].event(request, request_id=str(uuid.uuid4()), epoch_ms=0)).encode()
    try:
        await fleet.start()
        invocations = [asyncio.create_task(fleet.invoke(event, timeout=60)) for _ in range(50)]
        await asyncio.sleep(0)
        assert [instance.state for instance in fleet.instances] == [BUSY] * 50
        replies = await asyncio.gather(*invocations)
        assert all(isinstance(reply, Buffered) and json.loads(reply.payload)["statusCode"] == 200 for reply in replies)
        found = sessions()
        members = [pid for instance in fleet.instances for pid in found[instance.pid]]
        assert len(members) >= 100
        used = memory(members, 0)
        print(f"{len(members)} processes of 50 instances hold {used / GIGABYTE:.2f} GB")
        assert used < 4 * GIGABYTE
    finally:
        await fleet.close()
