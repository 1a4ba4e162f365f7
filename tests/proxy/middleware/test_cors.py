"""Preflights, and who may read responses; the same requests to Starlette's CORSMiddleware."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse

from tests.proxy.middleware.chaining import EVERY_SOURCE, Chain, Upstream
from upproxy.proxy.messages import Headers
from upproxy.proxy.middleware.cors import Origins

SHOP = "https://shop.example"
NAMED = {"allowed_origins": [SHOP, "https://*.shop.example"], "allowed_methods": ["GET", "PUT"]}
PREFIX = "access-control-"


def ours(headers: Headers) -> dict[str, str]:
    return {name: value for name, value in headers if name.startswith(PREFIX)}


def preflight(method: str = "PUT", origin: str = SHOP, **more: str) -> dict[str, str]:
    asked = {name.replace("_", "-"): value for name, value in more.items()}
    return {"origin": origin, "access-control-request-method": method, **asked}


@pytest.mark.parametrize(
    ("allowed", "origin", "expected"),
    [
        ("*", "https://evil.example", True),
        ("*", "null", True),
        ("null", "null", True),
        (SHOP, SHOP, True),
        (SHOP, "null", False),
        (SHOP, "http://shop.example", False),
        (SHOP, "https://shop.example:8443", False),
        (SHOP, "https://shop.example.evil.example", False),
        (SHOP, "https://evilshop.example", False),
        (SHOP, "https://shop.example/", False),
        (SHOP, "", False),
        ("https://*.shop.example", "https://a.shop.example", True),
        ("https://*.shop.example", "https://a.b.shop.example", True),
        ("https://*.shop.example", SHOP, False),
        ("https://*.shop.example", "https://.shop.example", False),
        ("https://*.shop.example", "https://*.shop.example", False),
        ("https://*.shop.example", "http://a.shop.example", False),
        ("https://*.shop.example", "https://a.shop.example:8443", False),
        ("https://*.shop.example", "https://evil.example/.shop.example", False),
        ("https://*.shop.example", "https://evil.example#.shop.example", False),
        ("https://*.shop.example", "https://evil@a.shop.example", False),
        ("https://*.shop.example", "https://a.shop.example.evil.example", False),
        ("https://*.shop.example", "https://.shop.exampl", False),
        ("https://*.shop.example:8443", "https://a.shop.example:8443", True),
        ("http://localhost:*", "http://localhost:3000", True),
        ("http://localhost:*", "http://localhost", False),
        ("http://localhost:*", "http://localhost:", False),
        ("http://localhost:*", "http://localhost:3000.evil.example", False),
        ("http://[::1]:*", "http://[::1]:3000", True),
    ],
)
def test_origins(allowed, origin, expected):
    assert Origins([allowed]).allow(origin) is expected


@given(st.text("abc.-:/@#*", max_size=12), st.text("abc.-:/@#*", max_size=6))
@settings(max_examples=200, deadline=None)
def test_a_wildcard_stays_inside_the_host(before, after):
    """Whatever is allowed for subdomains is a host name that ends with the domain, as a URL parser reads it."""
    origin = f"https://{before}.shop.example{after}"
    if Origins(["https://*.shop.example"]).allow(origin):
        parts = urlsplit(origin)
        assert parts.hostname.endswith(".shop.example")
        assert (parts.path, parts.query, parts.fragment, parts.username, parts.port) == ("", "", "", None, None)


@pytest.mark.parametrize("source", EVERY_SOURCE)
@pytest.mark.parametrize("streaming", [False, True])
def test_preflight(chain, source, streaming):
    upstream = Upstream()
    options = NAMED | {"allowed_headers": ["x-cart"], "max_age": 600, "exposed_headers": ["x-total"]}
    asked = preflight(access_control_request_headers="content-type, X-Cart")
    reply = chain({"cors": options}, upstream, streaming=streaming).request("OPTIONS", "/a", asked, source=source)
    assert (reply.status, reply.body) == (204, b"")
    assert ours(reply.headers) == {
        "access-control-allow-origin": SHOP,
        "access-control-allow-methods": "GET, PUT",
        "access-control-allow-headers": "accept, accept-language, content-language, content-type, x-cart",
        "access-control-max-age": "600",
    }
    assert "Origin" in reply.headers.get("vary")
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (preflight(origin="https://evil.example"), "origin https://evil.example"),
        (preflight("DELETE"), "method DELETE"),
        (preflight("put"), "method put"),  # methods are case-sensitive
        (preflight(access_control_request_headers="x-a"), "header field x-a"),
        (preflight(access_control_request_private_network="true"), "allow_private_network"),
    ],
)
def test_preflight_that_is_refused(chain, asked, why):
    upstream = Upstream()
    refusing = chain({"cors": NAMED | {"debug": True}}, upstream)
    reply = refusing.request("OPTIONS", "/", asked)
    assert reply.status == 403
    assert why in reply.body.decode()
    assert ours(reply.headers) == {}
    assert upstream.requests == []
    [line] = refusing.log()
    assert (line["level"], line["origin"]) == ("debug", asked["origin"])
    assert line["message"].startswith("cors: preflight refused: ")


@pytest.mark.parametrize(
    ("method", "headers"),
    [("OPTIONS", {}), ("OPTIONS", {"origin": SHOP}), ("OPTIONS", {"access-control-request-method": "GET"}),
     ("GET", preflight())],
)  # fmt: skip
def test_what_is_no_preflight_goes_to_the_app(chain, method, headers):
    upstream = Upstream()
    assert chain({"cors": NAMED}, upstream).request(method, "/", headers).status == 200
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("source", EVERY_SOURCE)
@pytest.mark.parametrize("streaming", [False, True])
def test_responses_say_who_may_read_them(chain, source, streaming):
    upstream = Upstream(headers=[("vary", "Accept"), ("access-control-allow-origin", "*")], body=[b"a", b"b"])
    options = NAMED | {"allow_credentials": True, "exposed_headers": ["x-total", "x-page"]}
    cors = chain({"cors": options}, upstream, streaming=streaming)
    reply = cors.request("GET", "/", {"origin": "https://a.shop.example"}, source=source)
    assert ours(reply.headers) == {
        "access-control-allow-origin": "https://a.shop.example",
        "access-control-allow-credentials": "true",
        "access-control-expose-headers": "x-total, x-page",
    }
    assert reply.headers.get_all("vary") == ["Accept, Origin"]
    assert reply.body == b"ab"
    for headers in ({}, {"origin": "https://evil.example"}):
        reply = cors.request("GET", "/", headers, source=source)
        assert (reply.status, ours(reply.headers)) == (200, {})
        assert reply.headers.get_all("vary") == ["Accept, Origin"]


def test_all_origins_get_the_same_response(chain):
    options = {"allowed_origins": ["*"], "allowed_methods": ["GET"]}
    for headers in ({}, {"origin": SHOP}):
        reply = chain({"cors": options}).request("GET", "/", headers)
        assert ours(reply.headers) == {"access-control-allow-origin": "*"}
        assert "vary" not in reply.headers


def test_everything_is_allowed_by_name(chain):
    options = {"allowed_origins": [SHOP], "allowed_methods": ["*"], "allowed_headers": ["*"], "allow_credentials": True}
    asked = preflight("PURGE", access_control_request_headers="Authorization,x-a")
    found = ours(chain({"cors": options}).request("OPTIONS", "/", asked).headers)
    assert found == {
        "access-control-allow-origin": SHOP,
        "access-control-allow-credentials": "true",
        "access-control-allow-methods": "PURGE",
        "access-control-allow-headers": "authorization, x-a",
    }


def test_private_networks(chain):
    cors = chain({"cors": NAMED | {"allow_private_network": True}})
    asked = preflight(access_control_request_private_network="true")
    assert ours(cors.request("OPTIONS", "/", asked).headers)["access-control-allow-private-network"] == "true"
    assert "access-control-allow-private-network" not in ours(cors.request("OPTIONS", "/", preflight()).headers)


@pytest.mark.parametrize("source", EVERY_SOURCE)
@pytest.mark.parametrize(
    ("sections", "upstream", "status"),
    [
        ({}, Upstream(404), 404),
        ({}, Upstream(error=RuntimeError("gone")), 500),
        ({"maintenance": {"retry_after": 60}}, Upstream(), 503),
        ({"max_body": {"bytes": 1}}, Upstream(), 413),
        ({"auth": {"rules": [{"path": "/*", "ip": {"deny": ["0.0.0.0/0"]}}]}}, Upstream(), 403),
    ],
)
def test_errors_and_refusals_can_be_read(chain, source, sections, upstream, status):
    reply = chain({"cors": NAMED, **sections}, upstream).request("PUT", "/", {"origin": SHOP}, b"body", source=source)
    assert reply.status == status
    assert ours(reply.headers) == {"access-control-allow-origin": SHOP}


def test_preflights_are_answered_before_refusals(chain):
    sections = {"maintenance": {"retry_after": 60}, "auth": {"rules": [{"path": "/*", "ip": {"deny": ["0.0.0.0/0"]}}]}}
    assert chain({"cors": NAMED, **sections}).request("OPTIONS", "/", preflight()).status == 204


# --- beside Starlette -------------------------------------------------------------------------------------------------


@dataclass
class Answer:
    """What browsers act on. Lists of names are sets, and header names are lower case."""

    allowed: bool  # whether a preflight is answered with success, and whether a response names the origin or all
    origin: str
    credentials: bool
    methods: frozenset[str]
    headers: frozenset[str]
    exposed: frozenset[str]
    max_age: str
    private_network: bool
    varies: bool
    reached_the_app: bool


def read(status: int, headers: Headers, *, reached_the_app: bool) -> Answer:
    def names(name: str) -> frozenset[str]:
        return frozenset(part.strip() for part in headers.get(PREFIX + name).split(",") if part.strip())

    origin = headers.get(PREFIX + "allow-origin")
    return Answer(
        allowed=200 <= status < 300 and bool(origin),
        origin=origin,
        credentials=headers.get(PREFIX + "allow-credentials") == "true",
        methods=names("allow-methods"),
        headers=frozenset(map(str.lower, names("allow-headers"))),
        exposed=frozenset(map(str.lower, names("expose-headers"))),
        max_age=headers.get(PREFIX + "max-age"),
        private_network=headers.get(PREFIX + "allow-private-network") == "true",
        varies="origin" in headers.get("vary").lower(),
        reached_the_app=reached_the_app,
    )


SUBDOMAINS = r"https://[a-z0-9.-]+\.shop\.example"


def starlettes(options: dict[str, Any], method: str, headers: dict[str, str]) -> Answer:
    """Ask Starlette's middleware in front of an app that answers `hello`."""
    asked: list[str] = []
    sent: list[Any] = []

    async def app(scope, receive, send):
        asked.append(scope["path"])
        await PlainTextResponse("hello")(scope, receive, send)

    async def send(message):
        sent.append(message)

    middleware = CORSMiddleware(
        app,
        allow_origins=options["allowed_origins"],
        allow_origin_regex=r"https://[a-z0-9.-]+\.shop\.example"
        if "https://*.shop.example" in options["allowed_origins"]
        else None,
        allow_methods=options["allowed_methods"],
        allow_headers=options["allowed_headers"],
        allow_credentials=options["allow_credentials"],
        allow_private_network=options["allow_private_network"],
        expose_headers=options["exposed_headers"],
        max_age=options["max_age"],
    )
    fields = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": "/", "headers": fields, "query_string": b""}
    asyncio.run(middleware(scope, None, send))
    found = Headers([(name.decode().lower(), value.decode()) for name, value in sent[0]["headers"]])
    return read(sent[0]["status"], found, reached_the_app=bool(asked))


def as_we_mean_it(answer: Answer, options: dict[str, Any], method: str, headers: dict[str, str]) -> Answer:
    """Take from Starlette's answer what differs on purpose; the reasons are here."""
    everybody = "*" in options["allowed_origins"]
    if not answer.reached_the_app:
        if not answer.allowed:  # it names what would be allowed in a refusal too; of that browsers see nothing
            return Answer(False, "", False, frozenset(), frozenset(), frozenset(), "", False, True, False)
        if "*" in options["allowed_methods"]:  # it lists the methods that it knows; others exist
            answer.methods = frozenset([headers["access-control-request-method"]])
        if answer.max_age == "0":  # which would forbid to remember; ours leaves it to browsers
            answer.max_age = ""
        return answer
    if everybody:  # one response for all, with or without Origin, which caches can keep
        answer.allowed, answer.origin, answer.varies = True, "*", False
        answer.exposed = frozenset(options["exposed_headers"])
    elif not answer.allowed:  # it tells everybody what only an allowed origin can make use of
        answer.credentials, answer.exposed = False, frozenset()
    return answer


ORIGINS = [SHOP, "https://a.shop.example", "https://evil.example", "null", "http://shop.example"]
# Credentials for all origins, which Starlette grants by naming whoever asks, are an error in up.yml.
CONFIGURED = st.fixed_dictionaries(
    {
        "allowed_origins": st.sampled_from([["*"], [SHOP], [SHOP, "https://*.shop.example"], ["null"]]),
        "allowed_methods": st.sampled_from([["GET"], ["GET", "PUT"], ["*"]]),
        "allowed_headers": st.sampled_from([[], ["x-cart"], ["*"]]),
        "exposed_headers": st.sampled_from([[], ["x-total", "x-page"]]),
        "max_age": st.sampled_from([0, 600]),
        "allow_credentials": st.booleans(),
        "allow_private_network": st.booleans(),
    }
).filter(lambda options: not (options["allow_credentials"] and "*" in options["allowed_origins"]))
ASKED = st.fixed_dictionaries({}, optional={
    "origin": st.sampled_from(ORIGINS),
    "access-control-request-method": st.sampled_from(["GET", "PUT", "DELETE", "put"]),
    "access-control-request-headers": st.sampled_from(["x-cart", "Content-Type, X-Cart", "x-a,x-cart"]),
    "access-control-request-private-network": st.just("true"),
})  # fmt: skip


@settings(max_examples=250, deadline=None)
@given(CONFIGURED, st.sampled_from(["OPTIONS", "GET", "PUT"]), ASKED)
def test_as_starlette_answers(options, method, headers):
    if "*" in options["allowed_methods"] and headers.get("access-control-request-method") == "put":
        headers["access-control-request-method"] = "PUT"  # Starlette's `*` are the methods that it knows
    upstream = Upstream()
    with closing(Chain({"cors": options}, upstream)) as chain:
        reply = chain.request(method, "/", headers)
    found = read(reply.status, reply.headers, reached_the_app=bool(upstream.requests))
    assert found == as_we_mean_it(starlettes(options, method, headers), options, method, headers)
