"""The app's side of the proxy, put together around a real app."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests.proxy.scripting import LIMIT, outcome
from upproxy.proxy.log import Log
from upproxy.proxy.manifest import LogOptions, UpstreamOptions
from upproxy.proxy.messages import Headers, Invocation, Request, Response
from upproxy.proxy.upstream.client import Client
from upproxy.proxy.upstream.forwarding import Forwarding
from upproxy.proxy.upstream.output import Output
from upproxy.proxy.upstream.spawn import Child, spawn
from upproxy.proxy.upstream.supervisor import Supervisor
from upproxy.proxy.waiting import Loop

RAW_APP = str(Path(__file__).with_name("raw_app.py"))


def python(program: str) -> list[str]:
    """The command of a Python program, which finds the listening socket's number in `sys.argv[1]`."""
    return [sys.executable, "-u", "-I", "-S", "-c", program, "{fd}"]


class Upstream:
    """An app under supervision, its log, and a client that asks it."""

    def __init__(self, loop: Loop, folder: Path, command: list[str] | str, **options: Any) -> None:
        self.loop = loop
        self._log = open(folder / f"log-{id(self)}", "w+b", buffering=0)  # noqa: SIM115
        self.in_flight: set[str] = set()
        self.options = UpstreamOptions(command=command, environment=options.pop("environment", {}))
        self.spawned: list[Child] = []
        self.ports: list[int] = []
        log = Log(self._log.fileno())
        listen_timeout = options.pop("listen_timeout", LIMIT)
        self.output = Output(loop, log, options.pop("logs", LogOptions()), self.in_flight)
        self.supervisor = Supervisor(loop, log, self.output, self.start, self.start(0), listen_timeout=listen_timeout)
        self.client = Client(
            loop,
            self.supervisor,
            self.output,
            Forwarding(stage="staging", function={}),
            timeout=options.pop("timeout", LIMIT),
            listen_timeout=LIMIT,
            trusts_idle=not isinstance(command, str),
        )
        assert not options

    def start(self, restarts: int) -> Child:
        child = spawn(self.options, stage="staging", restarts=restarts)
        self.spawned.append(child)
        self.ports.append(child.port)
        return child

    def lines(self) -> list[dict[str, Any]]:
        """What has been logged."""
        self._log.seek(0)
        return [json.loads(line) for line in self._log.read().splitlines()]

    async def ask(self, path: str, body: bytes = b"", request_id: str = "r", method: str = "POST") -> Response:
        """Send a request; the answer's body is whole."""
        invocation = Invocation(request_id, deadline=monotonic() + LIMIT)
        request = Request(method, path, "", Headers([("host", "x")]), body, invocation=invocation, source="test")
        self.in_flight.add(request_id)
        try:
            response = await self.client(request)
            if not isinstance(response.body, bytes):
                response.body = b"".join([part async for part in response.body])
        finally:
            self.in_flight.discard(request_id)
        return response

    async def text(self, path: str, body: bytes = b"") -> str:
        answer = (await self.ask(path, body)).body
        assert isinstance(answer, bytes)
        return answer.decode()

    async def reach(self, *states: str) -> None:
        """Wait until the supervisor is in one of the states."""
        while self.supervisor.state not in states:
            await self.loop.wait(self.supervisor.changed, monotonic() + LIMIT)

    async def ended(self) -> None:
        """Wait until the app has ended."""
        while self.supervisor.alive:
            await self.loop.wait(self.supervisor.changed, monotonic() + LIMIT)

    def run(self, coroutine: Any) -> Any:
        return outcome(self.loop, coroutine)

    def close(self) -> None:
        self.supervisor.close()
        self.output.close()
        self.client.drop_connections()
        self._log.close()


@pytest.fixture
def upstream(loop: Loop, tmp_path: Path) -> Iterator[Callable[..., Upstream]]:
    """Start apps, by default the raw one on an inherited socket."""
    started: list[Upstream] = []

    def start(command: list[str] | str | None = None, **options: Any) -> Upstream:
        command = command or [sys.executable, "-I", "-S", RAW_APP, "{fd}"]
        started.append(Upstream(loop, tmp_path, command, **options))
        return started[-1]

    yield start
    for one in started:
        one.close()
        for child in one.spawned:
            with pytest.raises(ChildProcessError):  # no zombie is left
                os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
