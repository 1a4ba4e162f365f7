"""What a client may not send to the app, and what must arrive as it was sent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.proxy.events.decoding import NAMES, decode, event
from upproxy.proxy.errors import BadEvent, UpgradeRefused
from upproxy.proxy.events import fields


def headers_of(source: str, headers: Any, **changes: Any) -> dict[str, list[str]]:
    request = decode(event(source, headers=headers, **changes))
    found: dict[str, list[str]] = {}
    for name, value in request.headers:
        found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize(
    "name",
    [
        "X_Auth_User", "x_forwarded_for", "SCRIPT_NAME", "_", "Content_Length", "X-Auth-User", "x-auth-roles",
        "X-Up-Trigger", "x-amzn-request-context", "X-Amzn-Lambda-Context", "x-amz-tenant-id", "X-Context", "X-Stage",
        "X-Request-Id", "X-Forwarded-Host", "X-Forwarded-Prefix", "x-forwarded-server", "X-Forwarded-Scheme",
        "X-Forwarded-Ssl", "Forwarded", "X-Original-URL", "X-Rewrite-URL", "X-Real-IP", "Proxy", "Content-Length",
        "Transfer-Encoding", "TE", "Trailer", "Keep-Alive", "Proxy-Connection", "Expect", "HTTP2-Settings",
    ],
)  # fmt: skip
def test_dropped(source: str, name: str) -> None:
    for _ in range(2):  # the second time from the cache
        assert headers_of(source, {name: "1", "Accept": "*/*"}) == {"accept": ["*/*"]}


@pytest.mark.parametrize("source", NAMES)
def test_kept(source: str) -> None:
    sent = {
        "Host": "example.com",
        "X-Forwarded-For": "203.0.113.7, 192.0.2.1",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Port": "443",
        "X-Amzn-Trace-Id": "Root=1-2-3",
        "Proxy-Authorization": "Basic eDp5",
        "Authorization": "Bearer a.b.c",
        "X-Authentic": "1",
        "Upgrade-Insecure-Requests": "1",
        "Content-Type": "text/plain",
        "X-Tab": "a\tb",
        "X-Empty": "",
    }
    assert headers_of(source, sent) == {name.lower(): [value] for name, value in sent.items()}


@pytest.mark.parametrize("source", NAMES)
def test_connection_takes_away_what_it_names(source: str) -> None:
    sent = {"Connection": "close, X-Secret ,\tx-other", "x-secret": "1", "X-Other": "2", "X-Third": "3"}
    assert headers_of(source, sent) == {"x-third": ["3"]}


def test_connection_takes_away_nothing_that_the_gateway_set() -> None:
    sent = {
        "connection": "x-forwarded-for, x-forwarded-proto, x-forwarded-port, x-amzn-trace-id, host, authorization",
        "x-forwarded-for": "192.0.2.1",
        "x-forwarded-proto": "http",
        "x-forwarded-port": "80",
        "x-amzn-trace-id": "Root=1",
        "host": "example.com",
        "authorization": "Basic eDp5",
    }
    request = decode(event("alb", headers=sent))
    assert [name for name, _ in request.headers] == list(sent)[1:-1]
    assert (request.client, request.scheme) == ("192.0.2.1", "http")


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize(
    "headers",
    [
        {"Connection": "Upgrade", "Upgrade": "websocket"},
        {"connection": "keep-alive, upgrade", "upgrade": "h2c, WebSocket"},
        {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="},  # where the gateway has dropped the rest
    ],
)
def test_upgrade_is_refused(source: str, headers: dict[str, str]) -> None:
    with pytest.raises(UpgradeRefused) as refused:
        decode(event(source, headers=headers))
    assert refused.value.status == 501


@pytest.mark.parametrize(
    "headers",
    [
        {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "AAMAAABkAARAAAAAAAIAAAAA"},
        {"upgrade": "websocket"},  # without Connection it asks nobody
        {"connection": "upgrade"},
    ],
)
def test_no_upgrade(headers: dict[str, str]) -> None:
    assert headers_of("function_url", headers | {"accept": "*/*"}) == {"accept": ["*/*"]}


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "a\rb", "a\0b", "é\r\n", "\ud800", {"a": 1}, ["a", ["b"]]])
def test_values_that_break_a_request(source: str, value: Any) -> None:
    with pytest.raises(BadEvent):
        decode(event(source, headers={"x-value": value}))


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "é", "x-a\0", "a(b)", "\ud800"])
def test_names_that_are_no_tokens(source: str, name: str) -> None:
    with pytest.raises(BadEvent):
        decode(event(source, headers={name: "1"}))


@pytest.mark.parametrize("source", NAMES)
def test_odd_values(source: str) -> None:
    sent = {"a": None, "b": 1, "c": True, "d": [], "e": [None, "x", 2.5], "f": "héé"}
    expected = {"b": ["1"], "c": ["true"], "e": ["x", "2.5"], "f": ["hÃ©Ã©"]}
    assert headers_of(source, sent) == expected


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("headers", [None, {}])
def test_no_headers(source: str, headers: Any) -> None:
    assert headers_of(source, headers) == {}


@pytest.mark.parametrize("source", NAMES)
def test_headers_that_are_no_map(source: str) -> None:
    with pytest.raises(BadEvent):
        decode(event(source, headers=["host"]))


def test_a_comma_in_a_cookie_and_no_doubling() -> None:
    request = decode(event("function_url", headers={"cookie": "a=1,2; b=3"}, cookies=["a=1,2", "b=3"]))
    assert request.headers.items == [("cookie", "a=1,2; b=3")]


def test_cookies_of_an_http_api() -> None:
    request = decode(event("http_api", headers={"accept": "*/*"}, cookies=["a=1", "b=é"]))
    assert request.headers.items == [("accept", "*/*"), ("cookie", "a=1; b=Ã©")]


@pytest.mark.parametrize("source", ["rest_api", "http_api_v1", "alb_multi"])
def test_several_cookie_fields_become_one(source: str) -> None:
    sent = {"Cookie": ["a=1", "b=2"], "cookie": ["c=3"], "accept": ["*/*"]}
    assert headers_of(source, sent) == {"accept": ["*/*"], "cookie": ["a=1; b=2; c=3"]}


@pytest.mark.parametrize("cookies", [[None], [1], "a=1", [], None])
def test_odd_cookies(cookies: Any) -> None:
    assert decode(event("http_api", cookies=cookies)).headers.get("host") == "example.com"


def test_a_list_of_no_cookies_leaves_the_header() -> None:
    request = decode(event("function_url", headers={"cookie": "a=1"}, cookies=[None]))
    assert request.headers.items == [("cookie", "a=1")]
    assert "cookie" not in decode(event("function_url", cookies=[None])).headers


@pytest.mark.parametrize("cookies", [["a\r\nb"], [{}], {"a": 1}])
def test_bad_cookies(cookies: Any) -> None:
    with pytest.raises(BadEvent):
        decode(event("http_api", cookies=cookies))


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        (["203.0.113.9", "192.0.2.1"], "192.0.2.1"),  # the load balancer's own entry is the last one
        (["203.0.113.9, 192.0.2.1"], "192.0.2.1"),
        (["192.0.2.1:46532"], "192.0.2.1"),
        (["203.0.113.9, [2001:db8::7]:46532"], "2001:db8::7"),
        (["2001:db8::7"], "2001:db8::7"),
        (["unknown"], ""),
        ([""], ""),
        ([], ""),
    ],
)
def test_client_of_a_load_balancer(forwarded: list[str], client: str) -> None:
    assert decode(event("alb_multi", headers={"x-forwarded-for": forwarded})).client == client


ENTRIES = st.lists(st.text("0123456789abcdef.:[]% x", max_size=12), max_size=3)


@settings(max_examples=200)
@given(ENTRIES, st.ip_addresses(), st.none() | st.integers(0, 65_535), st.sampled_from([",", ", ", " ,\t"]))
def test_the_load_balancers_own_entry_is_the_client(before: list[str], address: Any, port: Any, comma: str) -> None:
    """Whatever a client has put before it."""
    own = str(address)
    if port is not None:
        own = f"{own}:{port}" if address.version == 4 else f"[{own}]:{port}"
    for forwarded in ([comma.join([*before, own])], [*before, own]):
        made = decode(event("alb_multi", headers={"x-forwarded-for": forwarded}))
        assert made.client == str(address)


@settings(max_examples=200)
@given(st.text(max_size=40))
def test_any_text_as_the_forwarded_addresses(text: str) -> None:
    try:
        client = decode(event("alb", headers={"x-forwarded-for": text})).client
    except BadEvent:
        return
    assert client in text
    assert set(client) <= set("0123456789abcdefABCDEF.:")


@pytest.mark.parametrize("address", ["192.0.2.1\r\nx: y", 7, None, {}, "évil"])
def test_client_that_is_no_address(address: Any) -> None:
    made = event("function_url")
    made["requestContext"]["http"]["sourceIp"] = address
    assert decode(made).client == ""


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize(("proto", "scheme"), [("http", "http"), ("https", "https"), ("ws", "https"), ("", "https")])
def test_scheme(source: str, proto: str, scheme: str) -> None:
    assert decode(event(source, headers={"x-forwarded-proto": proto})).scheme == scheme


def test_made_up_names_do_not_fill_the_memory() -> None:
    for number in range(5_000):
        decode(event("function_url", headers={f"x-made-up-{number}": "1", f"x-{number}{'a' * 100}": "1"}))
    assert len(fields._names) <= 1_024
    assert max(map(len, fields._names)) <= 64
    assert headers_of("function_url", {"Accept": "1", "X_Y": "2"}) == {"accept": ["1"]}
