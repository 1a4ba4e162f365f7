"""Every middleware in one chain, as one up.yml configures it: who has a say before whom, from every source."""

from __future__ import annotations

import base64
import gzip
import json
import posix
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.proxy.middleware.chaining import EVERY_SOURCE, Chain, Reply
from upproxy.config import load
from upproxy.proxy.chain import ORDER
from upproxy.proxy.messages import Headers, Request, Response

UP = """\
name: shop
compress: {enable: true}
secure: true
headers: {/*: {X-Shop: "1"}}
cors: {enable: true, allowed_origins: ["https://a.example"], allow_credentials: true}
error_pages: {enable: true}
maintenance: {enable: true, allow: [203.0.113.0/24]}
max_body: 1kb
auth:
  - {path: /admin/*, basic: {users: {ann: "${ANN}"}}}
  - {path: /keys/*, api_key: {keys: ["${ONE}"], query: key}}
inject: {head: [{type: comment, value: head}], body: [{type: comment, value: body}]}
redirects:
  /old/*: {location: /new/:splat, status: 301}
  /admin/old: {location: /new, status: 302}
  /page: {location: /static/page.html}
static: {dir: public, prefix: /static}
"""
PAGE = b"<html><head></head><body>" + b"hello " * 500 + b"</body></html>"
INJECTED = PAGE.replace(b"</head>", b"<!-- head -->\n</head>").replace(b"</body>", b"<!-- body -->\n</body>")
ORIGIN = {"origin": "https://a.example"}
BROWSER = {**ORIGIN, "accept": "text/html", "accept-encoding": "gzip"}
LOGIN = {"authorization": "Basic " + base64.b64encode(b"ann:open sesame").decode()}


async def app(request: Request) -> Response:
    if request.path == "/page":
        return Response(404, Headers())
    if request.path == "/broken":
        raise RuntimeError("gone")
    page = Headers([("content-type", "text/html"), ("x-query", request.query)])
    page.items += [(name, value) for name, value in request.headers if name == "x-auth-user"]
    return Response(200, page, PAGE)


@pytest.fixture
def shop(tmp_path: Path, chain: Callable[..., Chain], monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], Chain]:
    monkeypatch.setitem(posix.environ, b"ANN", b"open sesame")
    monkeypatch.setitem(posix.environ, b"ONE", b"k-1")
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "page.html").write_bytes(PAGE)
    (tmp_path / "up.yml").write_text(UP)
    sections = load(str(tmp_path), "production", command="./x").manifest()["middleware"]
    assert list(sections) == list(ORDER), "all of them are on"
    return lambda streaming: chain(sections, app, streaming=streaming)


def seen_by_all(reply: Reply) -> bool:
    """Whether the outer ones had their say: `headers`, its preset, and `cors`."""
    return (
        reply.headers.get("x-shop") == "1"
        and reply.headers.get("x-content-type-options") == "nosniff"
        and reply.headers.get("access-control-allow-origin") == "https://a.example"
        and "Origin" in reply.headers.get("vary")
    )


@pytest.mark.parametrize("source", EVERY_SOURCE)
@pytest.mark.parametrize("streaming", [False, True])
def test_pages(shop: Any, source: str, streaming: bool) -> None:
    one = shop(streaming)
    for target in ("/", "/static/page.html", "/page"):  # of the app, a file, a rewrite to the file
        reply = one.request("GET", target, BROWSER, source=source)
        assert (reply.status, seen_by_all(reply)) == (200, True)
        assert reply.headers.get("content-encoding") == "gzip"
        assert gzip.decompress(reply.body) == INJECTED
        head = one.request("HEAD", target, BROWSER, source=source)
        names = {name for name, _ in reply.headers} - {"content-length"}
        assert (head.status, head.body) == (200, b"")
        assert {name for name, _ in head.headers} - {"content-length"} == names


@pytest.mark.parametrize("source", EVERY_SOURCE)
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(
    ("method", "target", "client", "status"),
    [
        ("GET", "/admin/x", "203.0.113.7", 401),
        ("GET", "/admin/old", "203.0.113.7", 401),  # what is there is not told before
        ("POST", "/admin/x", "203.0.113.7", 413),
        ("GET", "/admin/x", "198.51.100.1", 503),  # nobody is asked for a password in vain
        ("GET", "/static/missing/../../admin", "203.0.113.7", 401),
        ("GET", "/broken", "203.0.113.7", 500),
        ("POST", "/static/page.html", "203.0.113.7", 413),
    ],
)
def test_refusals(shop: Any, source: str, streaming: bool, method: str, target: str, client: str, status: int) -> None:
    one = shop(streaming)
    body = b"x" * 2000 if method == "POST" else b""
    reply = one.request(method, target, BROWSER, body, source=source, client=client)
    assert (reply.status, seen_by_all(reply)) == (status, True)
    page = gzip.decompress(reply.body) if "content-encoding" in reply.headers else reply.body
    assert f"<title>{status} ".encode() in page
    assert b"<!-- body -->" not in page
    reply = one.request(method, target, {**ORIGIN, "accept": "application/json"}, body, source=source, client=client)
    assert (reply.status, json.loads(reply.body)["status"], seen_by_all(reply)) == (status, status, True)


@pytest.mark.parametrize("source", EVERY_SOURCE)
@pytest.mark.parametrize("streaming", [False, True])
def test_the_rest(shop: Any, source: str, streaming: bool) -> None:
    one = shop(streaming)
    asked = {**ORIGIN, "access-control-request-method": "GET"}
    preflight = one.request("OPTIONS", "/admin/x", asked, source=source, client="198.51.100.1")
    assert (preflight.status, preflight.headers.get("x-shop")) == (204, "1")
    moved = one.request("GET", "/old/a?b=c", ORIGIN, source=source)
    assert (moved.status, moved.headers.get("location"), seen_by_all(moved)) == (301, "/new/a?b=c", True)
    passed = one.request("GET", "/admin/x", {**ORIGIN, **LOGIN}, source=source)
    assert (passed.status, passed.headers.get("x-auth-user"), passed.body) == (200, "ann", INJECTED)
    passed = one.request("GET", "/keys/x?a=b&key=k-1", ORIGIN, source=source)
    assert (passed.status, passed.headers.get("x-query"), passed.headers.get("x-auth-user")) == (200, "a=b", "ONE")
