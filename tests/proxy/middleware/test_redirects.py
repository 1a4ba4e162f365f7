"""Redirects and rewrites through the chain: where they lead, and where they never do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.proxy.middleware.chaining import EVERY_SOURCE, Chain, Upstream
from tests.proxy.middleware.serving import Chain as RawChain
from upproxy.proxy.events.target import destinations
from upproxy.proxy.messages import Headers, Request, Response
from upproxy.proxy.middleware.redirects import Location, has_dots, merged, reaches

Build = Callable[..., Chain]


def section(*given: tuple[str, str, int, bool], triggers: str | None = None) -> dict[str, Any]:
    names = ("path", "location", "status", "force")
    return {"redirects": {"rules": [dict(zip(names, one, strict=True)) for one in given], "triggers": triggers}}


class App:
    """Has what it is told to have; says what it was asked."""

    def __init__(self, *paths: str) -> None:
        self.paths = paths
        self.seen: list[str] = []

    async def __call__(self, request: Request) -> Response:
        self.seen.append(f"{request.method} {request.path}?{request.query} {request.body.decode()}".rstrip("? "))
        return Response(200 if request.path in self.paths else 404, Headers(), request.path.encode())


# --- redirects --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", EVERY_SOURCE)
@pytest.mark.parametrize("streaming", [False, True])
def test_redirect(chain: Build, source: str, streaming: bool) -> None:
    app = App("/old")
    one = chain(
        section(
            ("/blog/*", "https://blog.example.com/:splat", 301, False),
            ("/blog/new", "/news#top", 302, False),
            ("/shop/:kind/:id", "/items/:id?kind=:kind", 308, False),
        ),
        app,
        streaming=streaming,
    )
    for target, status, location in [
        ("/blog/a/b?x=1", 301, "https://blog.example.com/a/b?x=1"),
        ("/blog", 301, "https://blog.example.com/"),
        ("/blog/new?x=1", 302, "/news?x=1#top"),  # the more specific
        ("/shop/book/7?x=1&kind=z", 308, "/items/7?kind=book&x=1"),
        ("/shop/a&b=c/7", 308, "/items/7?kind=a%26b%3Dc"),
    ]:
        reply = one.request("GET", target, source=source)
        assert (reply.status, reply.headers.get("location"), reply.body) == (status, location, b"")
    assert one.request("POST", "/blog/new", source=source).status == 302
    assert app.seen == []
    assert one.request("GET", "/old", source=source).status == 200


def test_prefix_of_the_public_path_is_kept(tmp_path: Path) -> None:
    one = RawChain(
        tmp_path,
        section(("/a", "/b", 302, False), ("/c", "https://x.example/d", 302, False)),
        lambda request: Response(200, Headers()),
        frozenset(),
    )
    try:
        assert one.ask("/a", prefix="/shop").headers.get("location") == "/shop/b"
        assert one.ask("/c", prefix="/shop").headers.get("location") == "https://x.example/d"
        assert one.ask("/a", "POST", source="trigger").status == 200  # no client of HTTP
    finally:
        one.close()


@settings(max_examples=200, deadline=None)
@given(splat=st.text("/\\.:@%25fFcC?#a;", max_size=16), location=st.sampled_from(["/:splat", "/x/:splat", "/:splat/y"]))
@example(splat="/evil.example", location="/:splat")
@example(splat="/\\evil.example", location="/:splat")
@example(splat="%2f/evil.example", location="/:splat")
def test_no_open_redirect(splat: str, location: str) -> None:
    from upproxy.proxy.middleware.patterns import Pattern

    values = Pattern("/old/*").match(f"/old/{splat}".replace("?", "").replace("#", ""))
    assert values is not None
    path, _ = Location(location).fill(values)
    assert path.startswith("/")
    assert not path.startswith(("//", "/\\"))
    joined = urlsplit(urljoin("https://shop.example/old", path.replace("\\", "/")))
    assert (joined.scheme, joined.netloc) == ("https", "shop.example")


# --- rewrites ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", EVERY_SOURCE)
@pytest.mark.parametrize("streaming", [False, True])
def test_rewrite_where_nothing_was_found(chain: Build, source: str, streaming: bool) -> None:
    app = App("/there", "/items/1")
    rules = section(("/there", "/items/1", 200, False), ("/:id", "/items/:id", 200, False))
    one = chain(rules, app, streaming=streaming)
    assert one.request("GET", "/there", source=source).body == b"/there"
    assert one.request("POST", "/1?a=b", body=b"body", source=source).body == b"/items/1"
    assert app.seen == ["GET /there", "POST /1?a=b body", "POST /items/1?a=b body"]


def test_force(chain: Build) -> None:
    app = App("/there", "/other")
    one = chain(section(("/there", "/other?x=1", 200, True)), app)
    assert one.request("GET", "/there?y=2").body == b"/other"
    assert app.seen == ["GET /other?x=1&y=2"]


def test_stream_of_the_first_answer_is_closed(chain: Build) -> None:
    app = Upstream(status=404, body=[b"not", b"found"])
    one = chain(section(("/*", "/index.html", 200, False)), app, streaming=True)
    assert one.request("GET", "/x").body == b"notfound"
    assert [stream.closed for stream in app.streams] == [True, True]


def test_rule_that_leads_to_itself_asks_once(chain: Build) -> None:
    """How a part of a site is kept out of a wider rule."""
    app = App("/index.html")
    one = chain(section(("/*", "/index.html", 200, False), ("/api/*", "/api/:splat", 200, False)), app)
    assert one.request("GET", "/api/x").status == 404
    assert app.seen == ["GET /api/x"]
    assert one.request("GET", "/x").body == b"/index.html"


def test_access_line_has_what_the_client_sent_and_how_long_the_app_took(tmp_path: Path) -> None:
    seen: list[tuple[str, str]] = []

    def app(request: Request) -> Response:
        seen.append((request.path, request.query))
        request.upstream_seconds = 0.5  # as the clock around the app does
        return Response(200, Headers())

    one = RawChain(tmp_path, section(("/x", "/y?q=1", 200, True)), app, frozenset())
    try:
        one.ask("/x", query="a=b")
        [request] = one.seen
        assert seen == [("/y", "q=1&a=b")]
        assert (request.path, request.query, request.upstream_seconds) == ("/x", "a=b", 0.5)
    finally:
        one.close()


@pytest.mark.parametrize("path", ["/v1/../secret", "/v1/%2e%2e/secret", "/v1/a/..%2f..%2fsecret", "/v1/..;/secret"])
def test_no_way_up_past_the_rules_of_auth(chain: Build, path: str) -> None:
    app = App("/secret")
    one = chain(section(("/v1/*", "/a/b/:splat", 200, True)), app)
    one.request("GET", path)
    assert app.seen == [f"GET {path}"]  # as it was sent, which `auth` has seen


def test_spa(chain: Build, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<app>")
    (tmp_path / "app.js").write_text("js")
    sections = {**section(("/*", "/index.html", 200, False)), "static": {"dir": "."}}
    one = chain(sections, App("/api"))
    assert one.request("GET", "/app.js").body == b"js"
    assert one.request("GET", "/some/page").body == b"<app>"
    assert one.request("GET", "/api").body == b"/api"


# --- the path of the triggers -----------------------------------------------------------------------------------------

TRICKY = st.lists(
    st.sampled_from(
        ["events", "EVENTS", "/", "//", "%2f", "%5c", ".", "..", "%2e", ";x", "%20", "%3f", "%00", "%2565vents"]
    ),
    max_size=5,
).map("".join)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(TRICKY)
@example("events")
@example("%2565vents")
@example("x/../events")
@example("%2f/events/events")
@example("%20events%20.")
def test_whatever_reaches_the_triggers_is_refused(splat: str) -> None:
    """By the reading of the codecs, which refuse the path as it is sent."""
    path = f"/{splat}".replace("?", "")
    path = "/" + path.lstrip("/")
    if destinations("/events")[0] in destinations(path) and not has_dots(path):
        assert reaches(path, "/events")


def test_triggers(chain: Build) -> None:
    app = App("/events")
    one = chain(section(("/in/*", "/:splat", 200, True), triggers="/events"), app)
    for path in ("/in/events", "/in/Events", "/in//events", "/in/events;x", "/in/%65vents", "/in/events%3fx"):
        assert one.request("POST", path).status == 404, path
    assert app.seen == []
    assert one.log()[0]["error"] == "Forbidden"


@pytest.mark.parametrize(
    ("own", "sent", "both"),
    [("", "", ""), ("a=1", "", "a=1"), ("", "b=2", "b=2"), ("a=1", "b=2", "a=1&b=2"), ("a=1", "a=2&b", "a=1&b"),
     ("a=1", "%61=2", "a=1"), ("a", "a=2", "a"),
     ("a+b=1", "a%20b=2&a%2Bb=3", "a+b=1&a%2Bb=3"), ("a%2Bb=1", "a+b=2&%61%2bb=3", "a%2Bb=1&a+b=2")],
)  # fmt: skip
def test_queries(own: str, sent: str, both: str) -> None:
    assert merged(own, sent) == both
