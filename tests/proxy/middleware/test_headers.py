import pytest

from tests.proxy.middleware.chaining import EVERY_SOURCE, Upstream

ROBOTS = {"always": {"x-robots-tag": "none"}}


@pytest.mark.parametrize("source", EVERY_SOURCE)
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("body", [b"hello", [b"hel", b"lo"]])
def test_robots_are_kept_away(chain, source, streaming, body):
    upstream = Upstream(headers=[("x-robots-tag", "all"), ("x-a", "1"), ("set-cookie", "a=1"), ("set-cookie", "b=2")])
    upstream.body = body
    reply = chain({"headers": ROBOTS}, upstream, streaming=streaming).request(source=source)
    assert reply.headers.get_all("x-robots-tag") == ["none"]
    assert reply.headers.get("x-a") == "1"
    assert reply.headers.get_all("set-cookie") == ["a=1", "b=2"]
    assert reply.body == b"hello"


RULES = {
    "paths": {
        "/*": {"x-frame-options": "DENY", "cache-control": "no-cache", "server": ""},
        "/static/*": {"cache-control": "max-age=60", "x-b": "1"},
        "/static/:name": {"cache-control": "max-age=90"},
        "/embed": {"x-frame-options": ""},
    }
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", {"x-frame-options": "DENY", "cache-control": "no-cache"}),
        ("/static/a/b", {"x-frame-options": "DENY", "cache-control": "max-age=60", "x-b": "1"}),
        ("/static/a", {"x-frame-options": "DENY", "cache-control": "max-age=90", "x-b": "1"}),
        ("/st%61tic/a%2fb", {"x-frame-options": "DENY", "cache-control": "max-age=90", "x-b": "1"}),
        ("/embed", {"cache-control": "no-cache"}),
        ("/embed?x=/static/a", {"cache-control": "no-cache"}),
    ],
)
@pytest.mark.parametrize("streaming", [False, True])
def test_by_path(chain, path, expected, streaming):
    upstream = Upstream(headers=[("server", "x"), ("x-frame-options", "ALLOW"), ("x-frame-options", "y")])
    reply = chain({"headers": RULES}, upstream, streaming=streaming).request("GET", path)
    found = {name: value for name, value in reply.headers if name != "content-type"}
    found.pop("content-length", None)
    assert found == expected
    assert len(reply.headers.get_all("x-frame-options")) < 2


@pytest.mark.parametrize("source", EVERY_SOURCE)
def test_by_path_from_every_source(chain, source):
    reply = chain({"headers": RULES}).request("GET", "/static/caf%C3%A9", source=source)
    assert reply.headers.get("cache-control") == "max-age=90"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_on_what_the_app_did_not_answer(chain, method):
    """Fields are on refusals of other middleware, and on failures of the app."""
    rules = {"paths": {"/*": {"x-b": "1"}}, "defaults": {"x-content-type-options": "nosniff"}}
    failing = Upstream(error=RuntimeError("gone"))
    for sections, status in (({}, 500), ({"maintenance": {"retry_after": 1}}, 503)):
        reply = chain({"headers": rules, **sections}, failing).request(method)
        assert reply.status == status
        assert (reply.headers.get("x-b"), reply.headers.get("x-content-type-options")) == ("1", "nosniff")


def test_defaults_leave_the_apps_own(chain):
    options = {"defaults": {"content-security-policy": "default-src 'self'", "referrer-policy": "origin"}}
    upstream = Upstream(
        headers=[("content-security-policy", "default-src *"), ("content-security-policy", "img-src *")]
    )
    reply = chain({"headers": options}, upstream).request(source="rest_api")
    assert reply.headers.get_all("content-security-policy") == ["default-src *", "img-src *"]
    assert reply.headers.get("referrer-policy") == "origin"


@pytest.mark.parametrize(
    ("source", "forwarded", "expected"),
    [("alb", "http", ""), ("alb", "https", "max-age=1"), ("function_url", "https", "max-age=1")],
)
def test_hsts_over_tls_only(chain, source, forwarded, expected):
    reply = chain({"headers": {"hsts": "max-age=1"}}).request(source=source, scheme=forwarded)
    assert reply.headers.get("strict-transport-security") == expected


def test_hsts_of_the_app(chain):
    upstream = Upstream(headers=[("strict-transport-security", "max-age=0")])
    reply = chain({"headers": {"hsts": "max-age=1"}}, upstream).request(source="rest_api")
    assert reply.headers.get_all("strict-transport-security") == ["max-age=0"]


def test_values_in_utf8(chain):
    reply = chain({"headers": {"paths": {"/": {"x-b": "é".encode().decode("latin-1")}}}}).request()
    assert reply.headers.get("x-b").encode("latin-1").decode() == "é"
