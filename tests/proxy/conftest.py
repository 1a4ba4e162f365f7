"""Both loops, and the servers that a test has started."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.proxy.scripting import Peer, ScriptedServer
from upproxy.proxy.waiting import InPlace, Loop, Parking


@pytest.fixture
def serve() -> Iterator[Callable[..., ScriptedServer]]:
    """Start servers, each by its script; all are closed in the end."""
    servers: list[ScriptedServer] = []

    def start(script: Callable[[Peer], None], **options: Any) -> ScriptedServer:
        servers.append(ScriptedServer(script, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def unhandled() -> list[Exception]:
    """What a loop's callbacks and tasks did not handle."""
    return []


@pytest.fixture(params=[InPlace, Parking])
def loop(request: pytest.FixtureRequest, unhandled: list[Exception]) -> Iterator[Loop]:
    """Each way of waiting in turn."""
    loop = request.param(unhandled.append)
    yield loop
    loop.close()


@pytest.fixture
def parking(unhandled: list[Exception]) -> Iterator[Parking]:
    loop = Parking(unhandled.append)
    yield loop
    loop.close()


@pytest.fixture
def in_place(unhandled: list[Exception]) -> Iterator[InPlace]:
    loop = InPlace(unhandled.append)
    yield loop
    loop.close()
