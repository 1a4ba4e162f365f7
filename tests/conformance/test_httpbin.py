"""httpbin answers the same through every event source as when it is served directly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from httpbin import app as httpbin

from tests.conformance.httpbin_requests import REQUESTS, Sent
from tests.conformance.ways import Lambda, Start, manifest, send_http, served
from upproxy.local.sources import SOURCES, HttpReply, HttpRequest

COMMAND = ["python3", "{launchers}/wsgi.py", "{fd}", "httpbin:app"]
HOST = b"app.example.com"
CLIENT = "203.0.113.7"

# What differs between any two servers or connections (RFC 9110 section 7.6.1), and what waitress says of itself.
NOT_COMPARED = {"date", "server", "via", "connection", "keep-alive", "transfer-encoding", "content-length"}

# What the proxy adds for the app, which some routes show.
ADDED = {
    "x-request-id", "x-stage", "x-context", "x-amzn-request-context", "x-amzn-lambda-context", "x-amzn-trace-id",
    "x-forwarded-host", "x-forwarded-prefix",
}  # fmt: skip
ECHOES = ("/anything", "/get", "/headers", "/post", "/put", "/patch", "/delete", "/delay", "/stream/", "/drip")

# What a source does to a response before a client has it, beyond letter case and order.
RENAMED = {"rest_api": {"www-authenticate": "x-amzn-remapped-www-authenticate"}}
# The request's method or target that a source cannot carry at all.
NOT_CARRIED = {"TRACE": ("rest_api", "http_api", "http_api_v1", "function_url")}


@pytest.fixture(scope="module")
def direct() -> Iterator[int]:
    with served(COMMAND) as port:
        yield port


@pytest.fixture(scope="module")
def streamed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lambda]:
    with_streams = Lambda(manifest(COMMAND, streaming=True), tmp_path_factory.mktemp("streamed"))
    yield with_streams
    with_streams.close()


@pytest.fixture(scope="module")
def buffered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lambda]:
    without = Lambda(manifest(COMMAND), tmp_path_factory.mktemp("buffered"))
    yield without
    without.close()


def request_of(sent: Sent) -> HttpRequest:
    headers = [(b"host", HOST), *((name.encode(), value.encode()) for name, value in sent.headers.items())]
    return HttpRequest(sent.method, sent.target, headers, sent.body, CLIENT)


def directly(port: int, sent: Sent) -> HttpReply:
    """Ask as any reverse proxy would ask for this client."""
    request = request_of(sent)
    forwarded = [(b"x-forwarded-for", CLIENT.encode()), (b"x-forwarded-proto", b"https"), (b"x-forwarded-port", b"443")]
    return send_http(port, HttpRequest(sent.method, sent.target, [*request.headers, *forwarded], sent.body, CLIENT))


def seen(sent: Sent, reply: HttpReply) -> dict[str, Any]:
    """Return what is compared of an answer."""
    headers = sorted(
        (name.decode().lower(), value.decode("latin-1"))
        for name, value in reply.headers
        if name.decode().lower() not in NOT_COMPARED
    )
    body: Any = reply.body
    if sent.random:
        headers = [(name, "" if name in ("www-authenticate", "set-cookie", "etag", "last-modified") else value) for name, value in headers]
        body = len(body)
    elif sent.target.startswith(ECHOES) and reply.status == 200 and body[:1] == b"{":
        body = [_without_added(json.loads(line)) for line in _documents(body)]
    return {"status": reply.status, "headers": headers, "body": body}


def _documents(body: bytes) -> list[bytes]:
    lines = body.splitlines()
    return lines if len(lines) > 1 and lines[1][:1] == b"{" else [body]


def _without_added(document: dict[str, Any]) -> dict[str, Any]:
    headers = document.get("headers", {})
    document["headers"] = {name: value for name, value in headers.items() if name.lower() not in ADDED}
    return document


def test_every_route_is_asked_for() -> None:
    adapter = httpbin.url_map.bind("localhost")
    asked = set()
    for sent in REQUESTS:
        path = sent.target.partition("?")[0]
        if adapter.test(path, method=sent.method):
            asked.add(adapter.match(path, method=sent.method, return_rule=True)[0].rule)
    assert {rule.rule for rule in httpbin.url_map.iter_rules()} - asked == set()


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("sent", REQUESTS, ids=str)
def test_same_answer(source: str, sent: Sent, direct: int, streamed: Lambda, buffered: Lambda) -> None:
    if source in NOT_CARRIED.get(sent.method, ()):
        pytest.skip(f"{source} does not carry {sent.method}")
    way = streamed if SOURCES[source].streams else buffered
    expected = seen(sent, directly(direct, sent))
    for old, new in RENAMED.get(source, {}).items():
        expected["headers"] = sorted((new if name == old else name, value) for name, value in expected["headers"])
    assert seen(sent, way.send(source, request_of(sent))) == expected


@pytest.mark.parametrize("source", ["function_url", "rest_api"])
def test_buffered_where_streaming_is_possible(source: str, direct: int, buffered: Lambda) -> None:
    """The same app behind an endpoint in BUFFERED mode."""
    for sent in (REQUESTS[0], REQUESTS[1]):
        assert seen(sent, buffered.send(source, request_of(sent)))["status"] == directly(direct, sent).status


@pytest.mark.parametrize("source", ["function_url", "alb"])
def test_through_start(source: str, direct: int, tmp_path: Path) -> None:
    """The same again through `upproxy start`, whose gateway is a real one."""
    (tmp_path / "up.yml").write_text("name: bin\napp: httpbin:app\nserver: waitress\n")
    (tmp_path / "app.py").write_text("from httpbin import app\n")
    start = Start(tmp_path, source)
    try:
        for sent in REQUESTS:
            if sent.method in ("TRACE", "HEAD") or "/../" in sent.target:
                continue
            request = request_of(sent)
            expected = directly(direct, sent)
            got = start.send(request)
            assert got.status == expected.status, sent
            if not sent.random and not sent.target.startswith((*ECHOES, "/ip", "/redirect", "/absolute")):
                assert got.body == expected.body, sent
    finally:
        start.close()
