"""Any request through a source and its codec, and any response back: the same, but for what `LOSSES` names."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upproxy.local.sources import SOURCES, HttpReply, HttpRequest
from upproxy.proxy import lean
from upproxy.proxy.events import Codecs
from upproxy.proxy.events.losses import LOSSES
from upproxy.proxy.manifest import EventOptions
from upproxy.proxy.messages import Headers, Invocation, Request, Response

EXAMPLES = 150
CODECS = Codecs(EventOptions())
GATEWAY = {"x-forwarded-for", "x-forwarded-port", "x-forwarded-proto", "x-amzn-trace-id"}
TYPES = ["text/plain", "text/html; charset=utf-8", "text/plain; charset=latin-1", "application/json", "application/xml",
         "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "image/png"]  # fmt: skip

segment = st.text(st.sampled_from("aZ09-._~!$&'()*+,;=:@[]|\"{}"), max_size=6)
escape = st.binary(min_size=1, max_size=3).map(lambda data: "".join(f"%{byte:02X}" for byte in data))
raw = st.lists(segment | escape | st.sampled_from(["%252F", "%2f", "a%2Bb", "a+b", "%C3%A9"]), max_size=4).map("".join)
paths = st.lists(raw, max_size=4).map(lambda parts: "/" + "/".join(parts))
queries = st.lists(raw | st.tuples(raw, raw).map("=".join), max_size=4).map("&".join)
names = st.sampled_from(
    ["accept", "Accept-Language", "Authorization", "If-None-Match", "Range", "X-Custom", "x-custom", "Referer", "Host"]
)
# What a gateway takes as a value: visible text, inner spaces and tabs, and UTF-8.
values = st.text(st.characters(min_codepoint=0x20, exclude_categories=["Cs"], exclude_characters="\x7f"), max_size=12)
fields = st.lists(st.tuples(names, values.map(str.strip)), max_size=6)
cookies = st.lists(st.sampled_from(["a=1", "b=x,y", "c=%20", "d=\u00e9", "e", 'f="q"']), max_size=3)
methods = st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD", "PROPFIND"])
bodies = st.binary(max_size=40) | st.text(max_size=20).map(str.encode)


@st.composite
def requests(draw: st.DrawFn) -> HttpRequest:
    query = draw(queries)
    body = draw(bodies)
    headers = [(name.encode(), value.encode()) for name, value in draw(fields)]
    headers += [(b"Cookie", "; ".join(some).encode()) for some in draw(st.lists(cookies, max_size=2)) if some]
    if draw(st.booleans()):
        headers.append((b"Content-Type", draw(st.sampled_from(TYPES)).encode()))
    if body and draw(st.booleans()):
        headers.append((b"Content-Encoding", b"gzip"))
    target = draw(paths) + (f"?{query}" if query else "")
    return HttpRequest(draw(methods), target, headers, body, "192.0.2.7", "localhost", 3000, "http")


def decoded(source: str, request: HttpRequest) -> Request:
    event = SOURCES[source].event(
        request, request_id="6f1c0d2e-0000-4000-8000-000000000000", epoch_ms=1_583_348_638_390
    )
    event = lean.loads(json.dumps(event))
    codec = CODECS.codec_for(event)
    assert codec.name == source
    return codec.decode(event, Invocation("r-1", deadline=1.0))


def gathered(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    lists: dict[str, list[str]] = {}
    for name, value in pairs:
        lists.setdefault(name.lower(), []).append(value)
    return lists


def expected_headers(source: str, request: HttpRequest) -> dict[str, list[str]]:
    """What the source keeps of the fields, by the table of losses; values are bytes as latin-1."""
    lists = gathered([(name.decode(), value.decode("latin-1")) for name, value in request.headers])
    losses = LOSSES[source]
    for name, kept in lists.items():
        if "repeated_headers" in losses:
            lists[name] = [kept[-1] if source == "alb" else ",".join(kept)]
        if name == "cookie":
            lists[name] = ["; ".join(kept)] if source != "alb" else [kept[-1]]
    return lists


def query_equal(source: str, sent: str, got: str) -> bool:
    losses = LOSSES[source]
    if "query_spelling" in losses:

        def pairs(query: str) -> list[tuple[str, str]]:
            return sorted(parse_qsl(query.replace(";", "&"), keep_blank_values=True))

        return pairs(sent) == pairs(got)
    if "query_order" in losses:
        lists: dict[str, list[str]] = {}
        for part in filter(None, sent.split("&")):
            name, _, value = part.partition("=")
            lists.setdefault(name, []).append(value)
        if source == "alb":
            lists = {name: given[-1:] for name, given in lists.items()}
        return got == "&".join(f"{name}={value}" for name, given in lists.items() for value in given)
    return sent == got


@pytest.mark.parametrize("source", SOURCES)
@settings(max_examples=EXAMPLES, deadline=None)
@given(request_=requests())
def test_a_request_arrives_as_it_was_sent(source: str, request_: HttpRequest) -> None:
    got = decoded(source, request_)
    path, _, query = request_.target.partition("?")
    assert got.method == request_.method
    if "path_decoded" in LOSSES[source]:
        assert unquote(got.path) == unquote(path)
    else:
        assert got.path == path
    assert query_equal(source, query, got.query)
    assert got.body == request_.body
    assert (got.client, got.scheme, got.prefix) == ("192.0.2.7", "http", "")
    found = gathered(got.headers.items)
    sent = expected_headers(source, request_)
    if "header_order" in LOSSES[source]:
        sent = {name: sorted(kept) for name, kept in sent.items()}
        found = {name: sorted(kept) for name, kept in found.items()}
    assert {name: found[name] for name in found.keys() - GATEWAY} == sent
    assert found["x-forwarded-for"] == ["192.0.2.7"]
    assert found["x-forwarded-port"] == ["3000"]


statuses = st.sampled_from([200, 201, 204, 206, 301, 304, 400, 401, 404, 418, 429, 500, 503, 599])
reply_names = st.sampled_from(
    ["vary", "link", "cache-control", "location", "etag", "x-custom", "www-authenticate", "server", "date", "age"]
)
reply_cookies = st.lists(
    st.sampled_from(["a=1; Path=/", "b=2; Expires=Wed, 21 Oct 2015 07:28:00 GMT; HttpOnly", "c=x,y", "d=\u00e9"]),
    max_size=4,
)
octets = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=10)


@st.composite
def responses(draw: st.DrawFn) -> tuple[Response, bytes]:
    body = draw(bodies)
    items = draw(st.lists(st.tuples(reply_names, values.map(lambda text: text.encode().decode("latin-1"))), max_size=5))
    items += [("set-cookie", cookie.encode().decode("latin-1")) for cookie in draw(reply_cookies)]
    items += [("content-length", str(len(body))), ("connection", "keep-alive")]
    if draw(st.booleans()):
        items.append(("content-type", draw(st.sampled_from(TYPES))))
    if draw(st.booleans()):
        items.append(("content-encoding", draw(st.sampled_from(["gzip", "identity", "br"]))))
    return Response(draw(statuses), Headers(draw(st.permutations(items))), body), body


def expected_reply(source: str, response: Response, body: bytes) -> dict[str, list[str]]:
    """What the client gets of the fields, by the table of losses."""
    losses = LOSSES[source]
    lists = gathered([item for item in response.headers.items if item[0] not in ("connection", "content-length")])
    if body and "content-type" not in lists:
        lists["content-type"] = [SOURCES[source].default_type]
    for name, kept in list(lists.items()):
        if "response_repeated_headers" in losses and name != "set-cookie":
            kept = lists[name] = [", ".join(kept)]
        remapped = ("www-authenticate",) if "response_www_authenticate" in losses else ()
        if "response_remapped_headers" in losses:
            remapped = ("www-authenticate", "server", "date")
        if name in remapped:
            lists[f"x-amzn-remapped-{name}"] = kept
            del lists[name]
    return lists


def lists_of(reply: HttpReply) -> dict[str, list[str]]:
    return gathered([(name.decode(), value.decode("latin-1")) for name, value in reply.headers])


@pytest.mark.parametrize("source", SOURCES)
@settings(max_examples=EXAMPLES, deadline=None)
@given(response_and_body=responses(), method=methods)
def test_a_response_arrives_as_it_was_sent(source: str, response_and_body: tuple[Response, bytes], method: str) -> None:
    response, body = response_and_body
    asked = decoded(source, HttpRequest(method, "/", [], b"", "192.0.2.7", "localhost", 3000, "http"))
    codec = next(codec for codec in CODECS._codecs if codec.name == source)
    reply = SOURCES[source].reply(codec.encode(asked, response, body))
    sent = b"" if method == "HEAD" or response.status in (204, 304) else body
    assert reply.status == response.status
    assert reply.body == sent
    assert lists_of(reply) == expected_reply(source, response, sent)


@pytest.mark.parametrize("source", [name for name, source in SOURCES.items() if source.streams])
@settings(max_examples=EXAMPLES, deadline=None)
@given(response_and_body=responses())
def test_the_head_of_a_stream_arrives_as_it_was_sent(source: str, response_and_body: tuple[Response, bytes]) -> None:
    response, body = response_and_body
    codec = next(codec for codec in CODECS._codecs if codec.name == source)
    head = SOURCES[source].head(codec.prelude(response))
    expected = expected_reply(source, response, b"")
    if response.status not in (204, 304):
        expected["content-length"] = [str(len(body))]
    assert (head.status, head.body) == (response.status, b"")
    assert lists_of(head) == expected


@pytest.mark.parametrize("source", SOURCES)
@settings(max_examples=EXAMPLES, deadline=None)
@given(value=octets)
def test_a_value_in_any_bytes_arrives_as_text(source: str, value: str) -> None:
    """Those that are no UTF-8 arrive as the same text, in UTF-8: `response_header_bytes`."""
    asked = decoded(source, HttpRequest("GET", "/", [], b"", "192.0.2.7", "localhost", 3000, "http"))
    codec = next(codec for codec in CODECS._codecs if codec.name == source)
    payload = codec.encode(asked, Response(200, Headers([("x-name", value)]), b""), b"")
    (found,) = [text for name, text in SOURCES[source].reply(payload).headers if name == b"x-name"]
    sent = value.encode("latin-1")
    try:
        sent.decode()
    except UnicodeDecodeError:
        assert found.decode() == value
    else:
        assert found == sent


def test_the_losses_are_those_of_the_sources() -> None:
    assert LOSSES.keys() == SOURCES.keys()
    for losses in LOSSES.values():
        assert all(text and name.isidentifier() for name, text in losses.items())


ATTACKS: list[tuple[bytes, bytes]] = [
    (b"X_Auth_User", b"admin"),
    (b"SCRIPT_NAME", b"/public"),
    (b"x-amzn-request-context", b'{"authorizer":{}}'),
    (b"X-Forwarded-Host", b"evil.example"),
    (b"X-Original-URL", b"/admin"),
    (b"Transfer-Encoding", b"chunked"),
    (b"Connection", b"close, X-Kept"),
]


@pytest.mark.parametrize("source", SOURCES)
def test_attacks_end_before_the_app(source: str) -> None:
    sent: Any = [*ATTACKS, (b"X-Forwarded-For", b"127.0.0.1"), (b"X-Forwarded-Proto", b"gopher"), (b"Accept", b"*/*")]
    got = decoded(source, HttpRequest("POST", "/", sent, b"x", "192.0.2.7", "localhost", 443, "https"))
    found = gathered(got.headers.items)
    assert found.keys() == GATEWAY | {"accept"}
    assert found["x-forwarded-for"] == ["127.0.0.1, 192.0.2.7"]
    assert found["x-forwarded-proto"] == ["https"]
    assert (got.client, got.scheme, got.body) == ("192.0.2.7", "https", b"x")
