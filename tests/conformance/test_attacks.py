"""What a client makes up never reaches an app as if the proxy or the gateway had said it, whichever server runs it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.ways import Lambda, manifest
from upproxy.config.inference.dependencies import Dependencies
from upproxy.config.inference.servers import command
from upproxy.local.sources import SOURCES, HttpRequest

APPS = [("waitress", "wsgi"), ("gunicorn", "wsgi"), ("uvicorn", "asgi"), ("hypercorn", "asgi")]

FORGED = {
    # WSGI makes one name of - and _, and gunicorn takes these two from whoever is on the loopback
    "script_name": "/public", "SCRIPT_NAME": "/public", "path_info": "/admin", "remote_user": "root",
    "x_auth_user": "root", "x_forwarded_for": "10.0.0.1", "x_forwarded_proto": "ftp", "x_request_id": "forged",
    # what the proxy says
    "x-amzn-request-context": "forged", "x-amzn-lambda-context": "forged", "x-amz-tenant-id": "forged",
    "x-context": "forged", "x-stage": "forged", "x-request-id": "forged", "x-auth-user": "forged",
    "x-forwarded-host": "forged.example.com", "x-forwarded-prefix": "/forged", "forwarded": "for=10.0.0.1",
    "x-real-ip": "10.0.0.1", "x-original-url": "/admin", "x-rewrite-url": "/admin",
    # hop by hop (RFC 9110 section 7.6.1)
    "connection": "keep-alive, x-secret-hop", "x-secret-hop": "1", "keep-alive": "timeout=5", "te": "trailers",
    "proxy-connection": "keep-alive", "trailer": "x-later", "expect": "100-continue", "proxy": "http://10.0.0.1",
}  # fmt: skip


@pytest.fixture(scope="module", params=APPS, ids=lambda app: app[0])
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lambda]:
    server, interface = request.param
    words = command(
        server, interface, f"reflecting:{interface}", sys.executable, Dependencies(str(Path(__file__).parent))
    )
    folder = Path(__file__).parent
    one = Lambda(manifest(words), tmp_path_factory.mktemp(server), directory=folder)
    yield one
    one.close()


def ask(app: Lambda, source: str, target: str, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    fields = [(b"host", b"app.example.com"), *((name.encode(), value.encode()) for name, value in headers.items())]
    request = HttpRequest("GET", target, fields, b"", "203.0.113.7", "app.example.com", 443, "https")
    reply = app.send(source, request)
    return reply.status, json.loads(reply.body) if reply.status == 200 else {}


@pytest.mark.parametrize("source", SOURCES)
def test_forged_fields(app: Lambda, source: str) -> None:
    status, seen = ask(app, source, "/public/admin", FORGED)
    assert status == 200
    assert seen["PATH_INFO"] == "/public/admin"
    assert seen["SCRIPT_NAME"] == ""
    assert "REMOTE_USER" not in seen
    assert seen["wsgi.url_scheme"] in ("https", "http")  # hypercorn leaves X-Forwarded-Proto to a middleware
    assert not any("_" in name for name in seen.get("names", "").split(","))
    assert not [value for value in seen.values() if value.startswith("forged")]
    if source != "rest_api":  # which keeps Connection, and so what it names, to itself
        assert "HTTP_X_SECRET_HOP" not in seen
    for name in ("HTTP_KEEP_ALIVE", "HTTP_TE", "HTTP_TRAILER", "HTTP_EXPECT", "HTTP_PROXY",
                 "HTTP_PROXY_CONNECTION", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_X_ORIGINAL_URL",
                 "HTTP_X_REWRITE_URL", "HTTP_X_AUTH_USER", "HTTP_SCRIPT_NAME", "HTTP_PATH_INFO"):  # fmt: skip
        assert name not in seen, name
    assert seen["HTTP_X_STAGE"] == "staging"
    assert seen["HTTP_X_FORWARDED_HOST"] == "app.example.com"
    assert seen["HTTP_X_FORWARDED_FOR"] == "203.0.113.7"
    assert seen["HTTP_X_FORWARDED_PROTO"] == "https"


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("value", ["a\r\nx-injected: 1", "a\nx-injected: 1", "a\r\n\r\nGET /smuggled HTTP/1.1", "a\0b"])
def test_line_breaks_in_a_value(app: Lambda, source: str, value: str) -> None:
    event = SOURCES[source].event(
        HttpRequest("GET", "/", [(b"host", b"app.example.com")], b"", "203.0.113.7", "app.example.com", 443, "https"),
        request_id="request-1",
        epoch_ms=0,
    )
    for name in ("headers", "multiValueHeaders"):
        if event.get(name):
            event[name]["x-split"] = [value] if name == "multiValueHeaders" else value
    assert app.read(source, app.invoke(event)).status == 400
    assert ask(app, source, "/after", {})[1]["PATH_INFO"] == "/after"


@pytest.mark.parametrize("source", SOURCES)
def test_paths_stay_what_they_are(app: Lambda, source: str) -> None:
    for target, path in (("/a%252Fb", "/a%2Fb"), ("/caf%C3%A9", "/café"), ("/a%20b", "/a b"), ("/a%3Fb", "/a?b")):
        seen = ask(app, source, target, {})[1]["PATH_INFO"]
        try:  # WSGI has bytes as latin-1
            seen = seen.encode("latin-1").decode()
        except UnicodeError:
            pass
        assert seen == path, target


@pytest.mark.parametrize("source", SOURCES)
def test_upgrades_are_refused(app: Lambda, source: str) -> None:
    headers = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-key": "dGhlIHNhbXBsZQ=="}
    assert ask(app, source, "/", headers)[0] == 501
