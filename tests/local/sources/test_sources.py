"""What each source makes of a request and of a reply, beyond what comes back unchanged."""

from __future__ import annotations

import json
from typing import Any

import pytest

from upproxy.local.sources import SOURCES, HttpRequest, MalformedReply
from upproxy.local.sources.http_api import HttpApi, HttpApiVersion1
from upproxy.local.sources.rest_api import RestApi
from upproxy.proxy.events import Codecs
from upproxy.proxy.manifest import EventOptions
from upproxy.proxy.messages import Invocation, Request

REQUEST_ID = "6f1c0d2e-1111-4222-8333-444455556666"


def http(target: str = "/", headers: Any = (), body: bytes = b"", method: str = "GET") -> HttpRequest:
    return HttpRequest(method, target, list(headers), body, "192.0.2.7", "localhost", 3000, "http")


def event(source: Any, request: HttpRequest) -> dict[str, Any]:
    made = (SOURCES[source] if isinstance(source, str) else source).event(
        request, request_id=REQUEST_ID, epoch_ms=1_583_348_638_390
    )
    return json.loads(json.dumps(made))


def decode(made: dict[str, Any], **options: Any) -> Request:
    return Codecs(EventOptions(**options)).codec_for(made).decode(made, Invocation("r-1", deadline=1.0))


def test_names() -> None:
    assert list(SOURCES) == ["function_url", "http_api", "http_api_v1", "rest_api", "alb", "alb_multi"]
    assert all(source.name == name for name, source in SOURCES.items())
    assert {name for name, source in SOURCES.items() if source.streams} == {"function_url", "rest_api"}


def test_event_of_a_function_url() -> None:
    headers = [(b"Cookie", b"a=1; b=2"), (b"X-Two", b"1"), (b"x-two", b"2"), (b"User-Agent", b"curl/8")]
    made = event("function_url", http("/a%20b?x=1&x=%202", headers, b'{"a":1}', "POST"))
    context = made["requestContext"]
    assert made["rawPath"] == "/a%20b"
    assert made["rawQueryString"] == "x=1&x=%202"
    assert made["queryStringParameters"] == {"x": "1, 2"}
    assert made["cookies"] == ["a=1", "b=2"]
    assert made["headers"]["cookie"] == "a=1; b=2"
    assert made["headers"]["x-two"] == "1,2"
    assert made["headers"]["x-amzn-trace-id"] == "Root=1-5e5ffb9e-6f1c0d2e1111422283334444"
    assert context["http"] == {
        "method": "POST", "path": "/a b", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.7", "userAgent": "curl/8",
    }  # fmt: skip
    assert (context["requestId"], context["time"]) == (REQUEST_ID, "04/Mar/2020:19:03:58 +0000")
    assert (made["body"], made["isBase64Encoded"]) == ("eyJhIjoxfQ==", True)  # no Content-Type: no text


def test_event_without_anything() -> None:
    made = event("function_url", http())
    assert made.keys().isdisjoint({"cookies", "body", "queryStringParameters"})
    assert made["rawQueryString"] == ""
    assert event("alb", http())["body"] == ""
    assert event("rest_api", http())["multiValueQueryStringParameters"] is None


def test_event_of_an_http_api() -> None:
    made = event("http_api", http("/a%2Fb%FF", [(b"Cookie", b"a=1;b=2")]))
    assert made["rawPath"] == "/a/b\ufffd"
    assert made["cookies"] == ["a=1", "b=2"]
    assert "cookie" not in made["headers"]


def test_event_of_a_rest_api() -> None:
    headers = [(b"X-Two", b"1"), (b"X-Two", b"2"), (b"TE", b"trailers"), (b"Connection", b"close")]
    made = event("rest_api", http("/a%2Fb/c?x=1&x=b+c%2B&y;z=1", headers, b"text", "PUT"))
    assert (made["path"], made["resource"], made["pathParameters"]) == ("/a%2Fb/c", "/{proxy+}", {"proxy": "a%2Fb/c"})
    assert made["multiValueHeaders"]["X-Two"] == ["1", "2"]
    assert made["headers"]["X-Two"] == "2"
    assert made["multiValueHeaders"].keys().isdisjoint({"TE", "Connection"})
    assert made["multiValueQueryStringParameters"] == {"x": ["1", "b c+"], "y": [""], "z": ["1"]}
    assert made["queryStringParameters"]["x"] == "b c+"
    assert (made["body"], made["isBase64Encoded"]) == ("dGV4dA==", True)
    assert "version" not in made
    assert made["requestContext"]["domainName"] == "localhost"


def test_event_of_a_load_balancer() -> None:
    request = http("/a%2Fb?x=a%2Bb&x=2&flag", [(b"X-Two", b"1"), (b"x-two", b"2")])
    single, multi = event("alb", request), event("alb_multi", request)
    assert single["queryStringParameters"] == {"x": "2", "flag": ""}
    assert multi["multiValueQueryStringParameters"] == {"x": ["a%2Bb", "2"], "flag": [""]}
    assert (single["headers"]["x-two"], multi["multiValueHeaders"]["x-two"]) == ("2", ["1", "2"])
    assert "multiValueHeaders" not in single
    assert "headers" not in multi


def test_event_of_payload_one_of_an_http_api() -> None:
    made = event("http_api_v1", http("/x", [(b"X-Two", b"1"), (b"Content-Type", b"application/json")], b"{}", "POST"))
    assert made["version"] == "1.0"
    assert made["multiValueHeaders"]["x-two"] == ["1"]
    assert (made["body"], made["isBase64Encoded"]) == ("{}", False)


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("*", "*", ""),
        ("http://example.com/a?b", "/a", "b"),
        ("http://example.com", "/", ""),
        ("http://example.com?b", "/", "b"),
        ("/http://x/?", "/http://x/", ""),
        ("/a?b?c", "/a", "b?c"),
    ],
)
def test_forms_of_the_target(target: str, path: str, query: str) -> None:
    made = event("function_url", http(target))
    assert (made["rawPath"], made["rawQueryString"]) == (path, query)


@pytest.mark.parametrize("source", SOURCES)
def test_a_body_in_chunks_gets_its_length(source: str) -> None:
    made = event(source, http(headers=[(b"Transfer-Encoding", b"chunked")], body=b"12345", method="POST"))
    headers = made["multiValueHeaders"] if "multiValueHeaders" in made else made["headers"]
    assert headers["content-length"] in ("5", ["5"])
    assert "transfer-encoding" not in {name.lower() for name in headers}


@pytest.mark.parametrize(
    ("source", "prefix", "options"),
    [
        (HttpApi("prod"), "/prod", {}),
        (HttpApiVersion1("prod"), "/prod", {}),
        (RestApi("prod", default_domain=True), "/prod", {}),
        (RestApi("prod"), "", {}),
        (RestApi("prod", "/v1"), "/v1", {"base_path": "v1"}),
    ],
)
@pytest.mark.parametrize("path", ["/", "/x", "/prod", "/prod/x", "/v1/x"])
def test_prefixes_come_off_again(source: Any, prefix: str, options: dict[str, str], path: str) -> None:
    request = decode(event(source, http(path)), **options)
    assert (request.path, request.prefix) == (path, prefix)


@pytest.mark.parametrize("source", ["function_url", "http_api"])
@pytest.mark.parametrize(
    ("payload", "body"),
    [
        (b'"Hello"', b"Hello"),
        (b'{"message": "h\xc3\xa9"}', b'{"message": "h\xc3\xa9"}'),
        (b"[1, 2]", b"[1, 2]"),
        (b"null", b"null"),
    ],
)
def test_bare_json_is_a_reply(source: str, payload: bytes, body: bytes) -> None:
    reply = SOURCES[source].reply(payload)
    assert (reply.status, reply.headers, reply.body) == (200, [(b"content-type", b"application/json")], body)


@pytest.mark.parametrize("source", ["rest_api", "http_api_v1", "alb", "alb_multi"])
@pytest.mark.parametrize("payload", [b'"Hello"', b'{"message": "x"}', b"[1]", b"null", b"{}"])
def test_bare_json_is_no_reply(source: str, payload: bytes) -> None:
    with pytest.raises(MalformedReply):
        SOURCES[source].reply(payload)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    "change",
    [
        {"statusCode": "OK"}, {"statusCode": 99}, {"statusCode": 600}, {"statusCode": True}, {"statusCode": None},
        {"body": {"a": 1}}, {"body": 1}, {"body": "A", "isBase64Encoded": True},
        {"headers": ["a"], "multiValueHeaders": ["a"]},
        {"headers": {"a": "x\r\ny: z"}, "multiValueHeaders": {"a": ["x\r\ny: z"]}},
        {"headers": {"a b": "x"}, "multiValueHeaders": {"a b": ["x"]}},
        {"headers": {"a": ["x"]}, "multiValueHeaders": {"a": "x"}},
        {"headers": {"a": None}, "multiValueHeaders": {"a": [None]}},
    ],
)  # fmt: skip
def test_malformed_replies(source: str, change: dict[str, Any]) -> None:
    with pytest.raises(MalformedReply):
        SOURCES[source].reply(json.dumps({"statusCode": 200, "body": ""} | change).encode())


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("payload", [b"", b"{", b"\xff", b'{"statusCode":200}x'])
def test_replies_that_are_no_json(source: str, payload: bytes) -> None:
    with pytest.raises(MalformedReply, match="no JSON"):
        SOURCES[source].reply(payload)


@pytest.mark.parametrize("source", ["rest_api", "http_api_v1"])
def test_payload_one_knows_no_cookies(source: str) -> None:
    with pytest.raises(MalformedReply, match="cookies"):
        SOURCES[source].reply(b'{"statusCode":200,"cookies":["a=1"]}')


def test_both_maps_are_merged() -> None:
    reply = {"statusCode": "201", "headers": {"A": "1", "B": 2}, "multiValueHeaders": {"A": ["1", "3"]}, "body": None}
    got = SOURCES["rest_api"].reply(json.dumps(reply).encode())
    assert got.status == 201
    assert got.headers == [(b"B", b"2"), (b"A", b"1"), (b"A", b"3")]


@pytest.mark.parametrize("source", SOURCES)
def test_what_concerns_the_connection_is_not_passed_on(source: str) -> None:
    names = ("Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade", "Content-Length", "X-Kept")
    reply: dict[str, Any] = {"statusCode": 200}
    if source == "alb_multi":
        reply["multiValueHeaders"] = {name: ["1"] for name in names}
    else:
        reply["headers"] = dict.fromkeys(names, "1")
    assert SOURCES[source].reply(json.dumps(reply).encode()).headers == [(b"X-Kept", b"1")]


def test_a_load_balancer_reads_only_its_own_map() -> None:
    payload = b'{"statusCode":200,"headers":{"a":"1"},"multiValueHeaders":{"b":["2"]}}'
    assert SOURCES["alb"].reply(payload).headers == [(b"a", b"1")]
    assert SOURCES["alb_multi"].reply(payload).headers == [(b"b", b"2")]


def test_what_a_rest_api_renames_and_drops() -> None:
    headers = {"WWW-Authenticate": "Basic", "Server": "x", "Via": "1.1 x", "Age": "1", "Content-Length": "9"}
    got = SOURCES["rest_api"].reply(json.dumps({"statusCode": 401, "headers": headers}).encode())
    assert got.headers == [
        (b"x-amzn-remapped-www-authenticate", b"Basic"),
        (b"x-amzn-remapped-server", b"x"),
        (b"Age", b"1"),
    ]


def test_what_a_function_url_renames_and_refuses() -> None:
    source = SOURCES["function_url"]
    head = b'{"statusCode":401,"headers":{"WWW-Authenticate":"Basic"}}'
    assert source.head(head).headers == source.reply(head).headers == [(b"x-amzn-remapped-www-authenticate", b"Basic")]
    with pytest.raises(MalformedReply):
        source.reply(b'{"statusCode":200,"headers":{"x-amzn-remapped-date":"x"}}')


@pytest.mark.parametrize("source", ["function_url", "rest_api"])
def test_heads(source: str) -> None:
    head = SOURCES[source].head(b'{"headers":{"a":"1","content-length":"7"},"cookies":["c=1","d=2"]}')
    assert head.status == 200
    assert (b"content-length", b"7") in head.headers
    assert [value for name, value in head.headers if name == b"set-cookie"] == [b"c=1", b"d=2"]
    for wrong in (b"[]", b"", b'{"statusCode":200,"body":"x"}', b'{"statusCode":"x"}'):
        with pytest.raises(MalformedReply):
            SOURCES[source].head(wrong)


@pytest.mark.parametrize("source", ["http_api", "http_api_v1", "alb", "alb_multi"])
def test_no_heads(source: str) -> None:
    with pytest.raises(MalformedReply, match="no streamed replies"):
        SOURCES[source].head(b'{"statusCode":200}')


@pytest.mark.parametrize(
    ("source", "sent"),
    [
        ("function_url", [413, 429, 502, 502]),
        ("http_api", [413, 429, 500, 503]),
        ("http_api_v1", [413, 429, 500, 503]),
        ("rest_api", [413, 500, 502, 504]),
        ("alb", [413, 502, 502, 504]),
        ("alb_multi", [413, 502, 502, 504]),
    ],
)
def test_refusals(source: str, sent: list[int]) -> None:
    refusals = [SOURCES[source].refusal(status) for status in (413, 429, 502, 504)]
    assert [refusal.status for refusal in refusals] == sent
    for refusal in refusals:
        ((name, content_type),) = refusal.headers
        assert name == b"content-type"
        if source.startswith("alb"):
            assert (content_type, refusal.body[:6]) == (b"text/html", b"<html>")
        elif refusal.body != b"Internal Server Error":  # a Function URL's, which calls it JSON all the same
            assert content_type == b"application/json"
            assert json.loads(refusal.body)


@pytest.mark.parametrize("source", SOURCES)
def test_refusal_of_another_status(source: str) -> None:
    refusal = SOURCES[source].refusal(400)
    assert refusal.status == 400
    assert b"Bad Request" in refusal.body
