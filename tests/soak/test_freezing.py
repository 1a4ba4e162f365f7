"""The sample apps under every server, frozen and thawed again and again, for 1 to 40 s each time."""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import shutil
import uuid
from pathlib import Path

import pytest

from tests.conformance.ways import ROOT
from upproxy.local.fleet import Fleet, Scaling
from upproxy.local.invocation import Buffered
from upproxy.local.processes import is_stopped, sessions
from upproxy.local.serve import Options, Project
from upproxy.local.sources import SOURCES, HttpReply, HttpRequest

pytestmark = pytest.mark.soak

SERVERS = {"gunicorn": "flask", "waitress": "flask", "uvicorn": "fastapi", "hypercorn": "fastapi"}
CYCLES = 50
SHORTEST, LONGEST = 1.0, 40.0  # seconds


def pauses() -> list[float]:
    """Return how long each freeze lasts: the shortest, the longest, and what lies between them, evenly by logarithm."""
    steps = [SHORTEST * math.exp(math.log(LONGEST / SHORTEST) * step / (CYCLES - 1)) for step in range(CYCLES)]
    random.Random(4).shuffle(steps)
    return steps


async def frozen(fleet: Fleet) -> None:
    """Wait until every process of every instance is stopped."""
    while True:
        found = sessions()
        members = [pid for instance in fleet.instances for pid in found.get(instance.pid, ())]
        if len(members) > 1 and all(map(is_stopped, members)):
            return
        await asyncio.sleep(0.01)


async def ask(fleet: Fleet, method: str, path: str, body: bytes = b"") -> HttpReply:
    """Send a request and return the response; a failed invocation fails the test."""
    fields = [(b"host", b"shop.test"), (b"content-type", b"text/plain")]
    request = HttpRequest(method, path, fields, body, "127.0.0.1", "shop.test", 80, "http")
    source = SOURCES["http_api"]
    event = json.dumps(source.event(request, request_id=str(uuid.uuid4()), epoch_ms=0)).encode()
    reply = await fleet.invoke(event, timeout=30)
    assert isinstance(reply, Buffered), reply
    return source.reply(reply.payload)


def project_folder(server: str, folder: Path) -> Path:
    """Copy a sample app, and have it run by the server."""
    project = folder / "project"
    shutil.copytree(ROOT / "sample_app" / SERVERS[server], project)
    file = project / "up.yml"
    file.write_text(f"{file.read_text()}\nserver: {server}\n")
    return project


@pytest.mark.parametrize("server", SERVERS)
async def test_no_request_fails_after_a_freeze(server: str, tmp_path: Path) -> None:
    options = Options(
        directory=str(project_folder(server, tmp_path)), source="http_api", on_demand=True, environment=dict(os.environ)
    )
    project = Project(options, str(tmp_path))
    fleet = Fleet(
        project.function,
        project.explain,
        Scaling(most=1),
        folder=str(tmp_path),
        log=print,
    )
    try:
        await fleet.start()
        (instance,) = fleet.instances
        first = instance.pid
        for pause in pauses():
            # A request without a body may be sent again on a fresh connection; one with a body may not.
            posted = await ask(fleet, "POST", "/echo", b"hello")
            assert (posted.status, json.loads(posted.body)["text"]) == (200, "hello"), pause
            assert (await ask(fleet, "GET", "/health")).status == 200
            await frozen(fleet)
            await asyncio.sleep(pause)
        assert (await ask(fleet, "POST", "/echo", b"hello")).status == 200
        assert instance.pid == first
    finally:
        await fleet.close()
