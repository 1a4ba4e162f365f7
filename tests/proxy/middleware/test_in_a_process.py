"""What is done to responses, all together in the runtime process, in front of an app."""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.ways import Lambda, manifest
from upproxy.local.invocation import StreamBroken
from upproxy.local.sources import HttpRequest

APP = [sys.executable, str(Path(__file__).parents[1] / "runtime" / "app.py"), "{fd}"]
PAGE = b"<html><head></head><body>" + b"hello " * 1000 + b"</body></html>"
SECTIONS = {
    "middleware": {"compress": {}, "error_pages": {"pages": {"5xx": "<p>{{ status }}: {{ detail }}"}},
                   "inject": {"head": "<meta name=a>", "body": ""}},
    "logs": {"fields": ["upstream", "instance", "user_agent", "header.cookie"], "metrics": True},
}  # fmt: skip


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Lambda]]:
    started: list[Lambda] = []

    def start_one(**parts: Any) -> Lambda:
        started.append(Lambda(manifest(APP, **{**SECTIONS, **parts}), tmp_path))
        return started[-1]

    yield start_one
    for one in started:
        one.close()


def asked(target: str, method: str = "GET", body: bytes = b"", **headers: str) -> HttpRequest:
    fields = [
        (b"host", b"app.example"),
        *((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()),
    ]
    return HttpRequest(method, target, fields, body, "203.0.113.7", "app.example", 443, "https")


def raw(head: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {head}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize("source", ["rest_api", "http_api", "function_url", "alb"])
@pytest.mark.parametrize("streaming", [False, True])
def test_all_together(start, source, streaming):
    one = start(streaming=streaming)
    for coding in (False, True):
        page = raw(
            "200 OK\r\ncontent-type: text/html" + "\r\ncontent-encoding: gzip" * coding,
            gzip.compress(PAGE) if coding else PAGE,
        )
        reply = one.send(
            source, asked("/raw?keep=1", "POST", page, accept_encoding="gzip", user_agent="x/1", cookie="a=b")
        )
        headers = {name.lower(): value for name, value in reply.headers}
        assert headers[b"content-encoding"] == b"gzip"
        assert gzip.decompress(reply.body) == PAGE.replace(b"</head>", b"<meta name=a></head>")
    line = one.lines.wait_for(message="request", path="/raw")[0]
    assert (line["cold"], line["user_agent"], line["header.cookie"]) == (True, "x/1", "[redacted]")
    assert 0 < line["upstream"] <= line["duration"]
    assert line["size"] < len(PAGE) / 10
    [metrics] = one.lines.wait_for(message="metrics")
    assert (metrics["Requests"], metrics["ColdStarts"], metrics["App"]) == (1, 1, "app")

    reply = one.send(source, asked("/kill", accept="text/html"))
    assert (reply.status, reply.body) == (502, b"<p>502: The app did not answer properly")
    reply = one.send(source, asked("/kill", accept="application/json"))
    assert (reply.status, json.loads(reply.body)["title"]) == (502, "Bad Gateway")
    assert one.lines.wait_for(message="metrics", **{"5xx": 1})


def test_events_are_flushed(start):
    one = start(streaming=True)
    reply = one.send("function_url", asked("/stream?n=3", accept_encoding="gzip"))
    reader = zlib.decompressobj(31)
    assert reader.decompress(reply.body) == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
    assert reader.eof


def test_a_stream_that_breaks_off_is_told_to_be_broken(start):
    one = start(streaming=True)
    with pytest.raises(StreamBroken):
        one.send("function_url", asked("/broken?n=3", accept_encoding="gzip"))
    assert one.lines.wait_for(message="request", path="/broken")


@pytest.mark.parametrize(
    ("source", "streaming", "target", "detail"),
    [
        ("http_api", True, "/broken?n=3", b"The app did not answer properly"),
        ("alb", False, "/big?bytes=5000000&type=image/png", b"The response is larger than Lambda allows"),
        ("function_url", True, "/raw?large=head", b"The app did not answer properly"),
    ],
)
def test_what_fails_when_the_chain_is_done_with_it_is_an_error_like_others(start, source, streaming, target, detail):
    """A buffered reply is read, and found to be too large, when all middleware has had its turn."""
    middleware = {
        **SECTIONS["middleware"], "headers": {"always": {"x-robots-tag": "none"}},
        "cors": {"allowed_origins": ["https://shop.example"], "allowed_methods": ["GET"]},
        "maintenance": {"retry_after": 1, "allow": ["203.0.113.7"]},
    }  # fmt: skip
    one = start(streaming=streaming, middleware=middleware)
    page = raw(f"200 OK\r\nx-large: {'x' * 17_000}", b"")
    reply = one.send(source, asked(target, "POST", page, accept="text/html", origin="https://shop.example"))
    assert reply.status == 502
    assert reply.body.startswith(b"<p>502: " + detail)
    headers = {name.lower(): value for name, value in reply.headers}
    assert headers[b"access-control-allow-origin"] == b"https://shop.example"
    assert headers[b"x-robots-tag"] == b"none"
    [line] = one.lines.wait_for(message="request", status=502)
    one.lines.wait_for(2, level="error", request_id=line["request_id"])  # this one, and why


@pytest.mark.parametrize("streaming", [False, True])
def test_the_size_of_an_answer_to_head_is_that_of_no_body(start, streaming):
    one = start(streaming=streaming)
    assert one.send("function_url", asked("/kill", "HEAD", accept="text/html")).status == 502
    [line] = one.lines.wait_for(message="request", status=502)
    assert line["size"] == 0
