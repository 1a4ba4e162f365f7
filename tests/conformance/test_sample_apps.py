"""Both sample apps, through every event source and every way in."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pytest

from tests.conformance.ways import HANDLER, ROOT, Lambda, Start, manifest
from tests.sample_app.exchanges import EXCHANGES, Answer, Exchange
from upproxy.local.runtime_process import StartFailed
from upproxy.local.sources import SOURCES, HttpReply, HttpRequest

APPS = {
    "flask": [sys.executable, "{launchers}/wsgi.py", "{fd}", "app:app"],
    "fastapi": [sys.executable, "{launchers}/asgi.py", "{fds}", "main:app"],
}
FOLDER = ROOT / "sample_app"


@pytest.fixture(scope="module", params=APPS)
def framework(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def streamed(framework: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lambda]:
    document = manifest(APPS[framework], streaming=True)
    one = Lambda(document, tmp_path_factory.mktemp("streamed"), directory=FOLDER / framework)
    yield one
    one.close()


@pytest.fixture(scope="module")
def buffered(framework: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lambda]:
    one = Lambda(manifest(APPS[framework]), tmp_path_factory.mktemp("buffered"), directory=FOLDER / framework)
    yield one
    one.close()


@pytest.fixture(scope="module")
def handler(framework: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lambda]:
    """The plain handler, under AWS's own runtime client."""
    folder = tmp_path_factory.mktemp("handler")
    one = Lambda(manifest(APPS[framework]), folder, directory=FOLDER / framework, command=HANDLER)
    yield one
    one.close()


def carried(source: str) -> list[Exchange]:
    """Return the exchanges that a source can carry; a load balancer's single values have no repeats."""
    return [each for each in EXCHANGES if source != "alb" or each.name != "echo of repeats"]


CASES = [
    pytest.param(source, exchange, id=f"{source}-{exchange.name}") for source in SOURCES for exchange in carried(source)
]


def request_of(exchange: Exchange) -> HttpRequest:
    headers = [(b"host", b"app.example.com"), *((k.encode(), v.encode()) for k, v in exchange.headers.items())]
    return HttpRequest(
        exchange.method, exchange.path, headers, exchange.body, "203.0.113.7", "app.example.com", 443, "https"
    )


def answer_of(reply: HttpReply) -> Answer:
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in reply.headers]
    if not any(name.lower() == "content-length" for name, _ in headers):  # which the gateway counts
        headers.append(("content-length", str(len(reply.body))))
    return reply.status, headers, reply.body


@pytest.mark.parametrize(("source", "exchange"), CASES)
def test_runtime_process(exchange: Exchange, source: str, streamed: Lambda, buffered: Lambda) -> None:
    way = streamed if SOURCES[source].streams else buffered
    exchange.run(lambda one: answer_of(way.send(source, request_of(one))))


@pytest.mark.parametrize(("source", "exchange"), CASES)
def test_handler(exchange: Exchange, source: str, handler: Lambda) -> None:
    exchange.run(lambda one: answer_of(handler.send(source, request_of(one))))


# Every source with either of the apps: that both answer to all of them is seen above, without a start for each.
@pytest.mark.parametrize(("framework", "source"), list(zip(cycle(APPS), SOURCES, strict=False)))
def test_start(framework: str, source: str) -> None:
    start = Start(FOLDER / framework, source)
    try:
        for exchange in carried(source):
            exchange.run(lambda one: answer_of(start.send(request_of(one))))
    finally:
        start.close()


def test_handler_refuses_what_it_cannot_do(framework: str, tmp_path: Path) -> None:
    for document, environment in (
        (manifest(APPS[framework], streaming=True), {}),
        (manifest(APPS[framework]), {"AWS_LAMBDA_MAX_CONCURRENCY": "4"}),
    ):
        one = Lambda(document, tmp_path, directory=FOLDER / framework, command=HANDLER, environment=environment)
        try:
            with pytest.raises(StartFailed, match="exec wrapper"):
                one.ready()
        finally:
            one.close()
