"""httpbin answers the same through every event source as when it is served directly."""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import brotlicffi
import pytest
from httpbin import app as httpbin

from tests.conformance.httpbin_requests import REQUESTS, Sent
from tests.conformance.ways import Lambda, Start, manifest, send_http, served
from upproxy.local.sources import SOURCES, HttpReply, HttpRequest

COMMAND = [sys.executable, "{launchers}/wsgi.py", "{fd}", "httpbin:app"]
HOST = b"app.example.com"
CLIENT = "203.0.113.7"

# What differs between any two servers or connections (RFC 9110 section 7.6.1), and what waitress says of itself.
NOT_COMPARED = {"date", "server", "via", "connection", "keep-alive", "transfer-encoding", "content-length",
                "x-amzn-remapped-date", "x-amzn-remapped-server"}  # fmt: skip

# What the proxy adds for the app, which some routes show.
ADDED = {
    "x-request-id", "x-stage", "x-context", "x-amzn-request-context", "x-amzn-lambda-context", "x-amzn-trace-id",
    "x-forwarded-host",
}  # fmt: skip
ECHOES = ("/anything", "/get", "/headers", "/post", "/put", "/patch", "/delete", "/delay", "/stream/", "/cache",
          "/etag", "/gzip", "/deflate", "/brotli")  # fmt: skip

# What these sources do to any function's response.
RENAMED = {source: {"www-authenticate": "x-amzn-remapped-www-authenticate"} for source in ("rest_api", "function_url")}
DRAWN = {"www-authenticate", "x-amzn-remapped-www-authenticate", "set-cookie", "etag", "last-modified"}
NOT_CARRIED = {"TRACE": ("rest_api", "http_api", "http_api_v1", "function_url")}
FIXED_ORDER = {"PYTHONHASHSEED": "0"}  # httpbin lists sets


@pytest.fixture(scope="module")
def direct() -> Iterator[int]:
    with served(COMMAND, environment=FIXED_ORDER) as port:
        yield port


@pytest.fixture(scope="module")
def streamed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lambda]:
    with_streams = Lambda(
        manifest(COMMAND, streaming=True, upstream={"environment": FIXED_ORDER}), tmp_path_factory.mktemp("streamed")
    )
    yield with_streams
    with_streams.close()


@pytest.fixture(scope="module")
def buffered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lambda]:
    without = Lambda(manifest(COMMAND, upstream={"environment": FIXED_ORDER}), tmp_path_factory.mktemp("buffered"))
    yield without
    without.close()


def request_of(sent: Sent) -> HttpRequest:
    headers = [(b"host", HOST), *((name.encode(), value.encode()) for name, value in sent.headers.items())]
    return HttpRequest(sent.method, sent.target, headers, sent.body, CLIENT, "app.example.com", 443, "https")


def directly(port: int, sent: Sent) -> HttpReply:
    """Ask as any reverse proxy would ask for this client."""
    request = request_of(sent)
    forwarded = [(b"x-forwarded-for", CLIENT.encode()), (b"x-forwarded-proto", b"https"), (b"x-forwarded-port", b"443")]
    return send_http(port, replace(request, headers=[*request.headers, *forwarded]))


def seen(sent: Sent, reply: HttpReply) -> dict[str, Any]:
    """Return what is compared of an answer."""
    headers = sorted(
        (name.decode().lower(), value.decode("latin-1"))
        for name, value in reply.headers
        if name.decode().lower() not in NOT_COMPARED
    )
    body: Any = reply.body
    if sent.target.startswith(ECHOES) and reply.status == 200:
        body = [_without_added(json.loads(document)) for document in _documents(_decoded(reply))]
    elif sent.random:
        body = len(body)
    if sent.random:
        headers = [(name, "" if name in DRAWN else value) for name, value in headers]
    return {"status": reply.status, "headers": headers, "body": body}


def _decoded(reply: HttpReply) -> bytes:
    coding = next((value for name, value in reply.headers if name.lower() == b"content-encoding"), b"")
    match coding:
        case b"gzip":
            return gzip.decompress(reply.body)
        case b"deflate":
            return zlib.decompress(reply.body)
        case b"br":
            decompressed: bytes = brotlicffi.decompress(reply.body)
            return decompressed
    return reply.body


def _documents(body: bytes) -> list[bytes]:
    lines = body.splitlines()
    return lines if len(lines) > 1 and lines[1][:1] == b"{" else [body] if body else []


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
    if source == "alb" and sent.repeats:
        pytest.skip("one value a name")
    way = streamed if SOURCES[source].streams else buffered
    expected = seen(sent, directly(direct, sent))
    for old, new in RENAMED.get(source, {}).items():
        expected["headers"] = sorted((new if name == old else name, value) for name, value in expected["headers"])
    got = seen(sent, way.send(source, request_of(sent)))
    if not any(name == "content-type" for name, _ in expected["headers"]):  # then a gateway adds one
        got["headers"] = [(name, value) for name, value in got["headers"] if name != "content-type"]
    assert got == expected


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
            if sent.method in ("TRACE", "HEAD") or "/../" in sent.target or (sent.repeats and source == "alb"):
                continue
            request = request_of(sent)
            expected = directly(direct, sent)
            got = start.send(request)
            assert got.status == expected.status, sent
            if not sent.random and not sent.target.startswith((*ECHOES, "/ip", "/redirect", "/absolute")):
                assert got.body == expected.body, sent
    finally:
        start.close()
