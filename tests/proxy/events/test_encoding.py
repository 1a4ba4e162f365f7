"""Replies: the payload of each source, text or base64, and the heads of streams."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.proxy.events.decoding import NAMES, codec_for, decode, event
from upproxy.proxy.errors import ProxyError
from upproxy.proxy.events.alb import COOKIES_LIMIT
from upproxy.proxy.events.http import PRELUDE_LIMIT
from upproxy.proxy.messages import Headers, Response

EXPIRES = "a=1; Expires=Wed, 21 Oct 2015 07:28:00 GMT"
SENT = [
    ("content-type", "text/html; charset=utf-8"),
    ("vary", "Accept"),
    ("vary", "Cookie"),
    ("set-cookie", EXPIRES),
    ("set-cookie", "b=2"),
    ("x-name", "h\u00c3\u00a9"),  # the bytes of é in UTF-8
]


def encode(source: str, headers: list[tuple[str, str]], body: bytes, status: int = 200, method: str = "GET") -> Any:
    built = event(source)
    request = decode(built)
    request.method = method
    return json.loads(codec_for(built).encode(request, Response(status, Headers(headers), body), body))


def prelude(source: str, response: Response) -> Any:
    return json.loads(codec_for(event(source)).prelude(response))


@pytest.mark.parametrize("source", ["function_url", "http_api"])
def test_version_2(source: str) -> None:
    assert encode(source, SENT, b"<p>") == {
        "statusCode": 200,
        "headers": {"content-type": "text/html; charset=utf-8", "vary": "Accept, Cookie", "x-name": "hé"},
        "cookies": [EXPIRES, "b=2"],
        "isBase64Encoded": False,
        "body": "<p>",
    }
    assert "cookies" not in encode(source, SENT[:1], b"<p>")


@pytest.mark.parametrize("source", ["rest_api", "http_api_v1"])
def test_version_1(source: str) -> None:
    assert encode(source, SENT, b"<p>") == {
        "statusCode": 200,
        "multiValueHeaders": {
            "content-type": ["text/html; charset=utf-8"],
            "vary": ["Accept", "Cookie"],
            "x-name": ["hé"],
            "set-cookie": [EXPIRES, "b=2"],
        },
        "isBase64Encoded": False,
        "body": "<p>",
    }


def test_load_balancer_with_lists() -> None:
    reply = encode("alb_multi", SENT, b"<p>", status=404)
    assert (reply["statusCode"], reply["statusDescription"]) == (404, "404 Not Found")
    assert reply["multiValueHeaders"]["set-cookie"] == [EXPIRES, "b=2"]
    assert "headers" not in reply


def test_load_balancer_with_single_values() -> None:
    reply = encode("alb", SENT, b"<p>", status=599)
    assert reply["statusDescription"] == "599 Unknown"
    assert "multiValueHeaders" not in reply
    assert reply["headers"] == {
        "content-type": "text/html; charset=utf-8",
        "vary": "Accept, Cookie",
        "x-name": "hé",
        "set-cookie": EXPIRES,
        "Set-cookie": "b=2",
    }


def test_load_balancer_with_many_cookies() -> None:
    cookies = [("set-cookie", f"c{number}=1") for number in range(COOKIES_LIMIT)]
    headers = encode("alb", cookies, b"")["headers"]
    assert {name.lower() for name in headers} == {"set-cookie"}
    assert list(headers.values()) == [value for _, value in cookies]
    with pytest.raises(ProxyError, match="513 cookies"):
        encode("alb", [*cookies, ("set-cookie", "x=1")], b"")


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize(
    ("headers", "body", "is_base64"),
    [
        ([("content-type", "text/plain")], "hé\0\u2028\U0001f600".encode(), False),
        ([("content-type", 'text/plain; charset="UTF-8"')], "é".encode(), False),
        ([("content-type", "text/css;charset=us-ascii")], b"a", False),
        ([("content-type", "application/json")], b'{"a":"\\u00e9"}', False),
        ([("content-type", "application/problem+json")], b"{}", False),
        ([("content-type", "image/svg+xml")], b"<svg/>", False),
        ([("content-type", "application/x-www-form-urlencoded")], b"a=1", False),
        ([("content-type", "TEXT/HTML")], b"<p>", False),
        ([("content-type", "application/json"), ("content-encoding", "identity")], b"{}", False),
        ([], b"plain", False),
        ([], b"\xff", True),
        ([("content-type", "application/json"), ("content-encoding", "gzip")], b"\x1f\x8b\x08", True),
        ([("content-type", "text/plain"), ("content-encoding", "br")], b"ascii all the same", True),
        ([("content-type", "text/plain; charset=iso-8859-1")], b"\xe9", True),
        ([("content-type", "text/plain; charset=iso-8859-1")], b"e", True),
        ([("content-type", "text/html; charset=shift_jis")], b"\x83\x65", True),
        ([("content-type", "text/plain")], b"\xe9 is no UTF-8", True),
        ([("content-type", "image/png")], b"\x89PNG", True),
        ([("content-type", "image/png")], b"ascii", True),
        ([("content-type", "application/octet-stream")], b"", True),
        ([("content-type", "nonsense")], b"x", True),
    ],
)
def test_text_or_base64(source: str, headers: list[tuple[str, str]], body: bytes, is_base64: bool) -> None:
    reply = encode(source, headers, body)
    assert reply["isBase64Encoded"] is is_base64
    assert (base64.b64decode(reply["body"]) if is_base64 else reply["body"].encode()) == body


@pytest.mark.parametrize("size", [65_536, 65_537, 3_000_000])
def test_large_binary_body(size: int) -> None:
    body = (bytes(range(256)) * (size // 256 + 1))[:size]
    reply = encode("function_url", [("content-type", "image/png")], body)
    assert base64.b64decode(reply["body"], validate=True) == body


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_bodiless(source: str, method: str, status: int) -> None:
    headers = [("content-type", "text/plain"), ("content-length", "5")]
    reply = encode(source, headers, b"12345", status=status, method=method)
    assert reply["body"] == ""
    assert reply.get("headers", reply.get("multiValueHeaders")).keys() == {"content-type"}


@pytest.mark.parametrize("source", NAMES)
def test_what_is_not_returned(source: str) -> None:
    headers = [
        ("connection", "close, X-Own"), ("keep-alive", "timeout=5"), ("proxy-connection", "close"), ("te", "trailers"),
        ("trailer", "x"), ("transfer-encoding", "chunked"), ("upgrade", "h2c"), ("x-own", "1"), ("content-length", "7"),
        ("proxy-authenticate", "Basic"), ("x-other", "2"),
    ]  # fmt: skip
    reply = encode(source, headers, b"x")
    assert reply.get("headers", reply.get("multiValueHeaders")).keys() == {"proxy-authenticate", "x-other"}


def test_a_function_url_takes_no_remapped_names() -> None:
    headers = [("x-amzn-remapped-connection", "close"), ("x-amzn-requestid", "1")]
    assert encode("function_url", headers, b"")["headers"] == {"x-amzn-requestid": "1"}


def test_a_header_that_is_no_utf_8_stays_latin_1() -> None:
    assert encode("http_api", [("x-name", "caf\u00e9")], b"")["headers"] == {"x-name": "café"}
    assert encode("http_api", [("x-name", "\u20ac")], b"")["headers"] == {"x-name": "€"}


def test_prelude_of_a_function_url() -> None:
    head = prelude("function_url", Response(200, Headers(SENT), b"<p>"))
    assert head == {
        "statusCode": 200,
        "headers": {"content-type": "text/html; charset=utf-8", "vary": "Accept, Cookie", "x-name": "hé"},
        "cookies": [EXPIRES, "b=2"],
    }


def test_prelude_of_a_rest_api() -> None:
    head = prelude("rest_api", Response(200, Headers(SENT), b"<p>"))
    assert head.keys() == {"statusCode", "multiValueHeaders"}
    assert head["multiValueHeaders"]["set-cookie"] == [EXPIRES, "b=2"]


class Silence:
    """A stream with nothing in it."""

    def __aiter__(self) -> Silence:
        return self

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration

    def close(self) -> None:
        """Nothing is held."""


@pytest.mark.parametrize(
    ("status", "length", "body", "expected"),
    [
        (200, "1000", Silence(), "1000"),
        (200, "3", b"abc", "3"),
        (200, "1000", b"", None),  # of HEAD
        (204, "0", b"", None),
        (304, "1000", b"", None),
        (200, "", Silence(), None),
    ],
)
def test_content_length_of_a_stream(status: int, length: str, body: Any, expected: str | None) -> None:
    headers = Headers([("content-length", length)] if length else [])
    head = prelude("function_url", Response(status, headers, body))
    assert head["headers"].get("content-length") == expected


@pytest.mark.parametrize("source", ["function_url", "rest_api"])
def test_prelude_that_does_not_fit(source: str) -> None:
    room = PRELUDE_LIMIT - len(codec_for(event(source)).prelude(Response(200, Headers([("x-a", "")]), b"")))
    fits = Response(200, Headers([("x-a", "a" * room)]), b"")
    assert len(codec_for(event(source)).prelude(fits)) == PRELUDE_LIMIT == 16_384 - 8
    with pytest.raises(ProxyError, match="header fields take 16377 bytes") as error:
        codec_for(event(source)).prelude(Response(200, Headers([("x-a", "a" * (room + 1))]), b""))
    assert error.value.status == 502
