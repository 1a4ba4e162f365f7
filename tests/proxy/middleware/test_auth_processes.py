"""Auth in the runtime process itself, in front of a real app, by every source."""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from tests.conformance import reflecting
from tests.conformance.ways import Lambda, manifest
from tests.proxy.middleware.chaining import EVERY_SOURCE
from upproxy.config.inference.dependencies import Dependencies
from upproxy.config.inference.servers import command
from upproxy.local.runtime_process import StartFailed
from upproxy.local.sources import HttpRequest
from upproxy.proxy.middleware.auth import scrypt

FOLDER = Path(reflecting.__file__).parent
KEY = ed25519.Ed25519PrivateKey.generate()
RULES = [
    {"path": "/open", "public": True},
    {"path": "/tokens/*", "jwt": {"keys": [json.loads(jwt.get_algorithm_by_name("EdDSA").to_jwk(KEY.public_key()))]}},
    {"path": "/keys/*", "api_key": {"keys": ["${KEY}"]}},
    {"path": "/near/*", "ip": {"allow": ["10.0.0.0/8"]}},
    {"basic": {"users": {"ann": "${HASH}"}}},
]


def started(folder: Path, slots: int, environment: dict[str, str]) -> Lambda:
    words = command("waitress", "wsgi", "reflecting:wsgi", sys.executable, Dependencies(str(FOLDER)))
    document = manifest(words, upstream={"private": ["HASH", "KEY"]}, middleware={"auth": {"rules": RULES}})
    return Lambda(document, folder, directory=FOLDER, slots=slots, environment=environment)


@pytest.fixture(scope="module", params=[1, 4], ids=["in-place", "parking"])
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lambda]:
    environment = {"HASH": str(scrypt.make(b"open sesame")), "KEY": "k-1"}
    one = started(tmp_path_factory.mktemp("auth"), request.param, environment)
    yield one
    one.close()


def ask(app: Lambda, source: str, target: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    fields = [
        (b"host", b"app.example.com"), *((name.encode(), value.encode()) for name, value in (headers or {}).items())
    ]  # fmt: skip
    request = HttpRequest("GET", target, fields, b"", "203.0.113.7", "app.example.com", 443, "https")
    reply = app.send(source, request)
    return reply.status, json.loads(reply.body) if reply.status == 200 else {}


@pytest.mark.parametrize("source", EVERY_SOURCE)
def test_who_passes_is_told_to_the_app(app: Lambda, source: str) -> None:
    login = {"authorization": "Basic " + base64.b64encode(b"ann:open sesame").decode(), "x-auth-user": "root"}
    token = jwt.encode({"sub": "bob", "exp": int(time.time()) + 60}, KEY, "EdDSA")
    assert ask(app, source, "/open", {"x-auth-user": "root"})[0] == 200
    for target, headers, method, user in (
        ("/", login, "basic", "ann"),
        ("/tokens/x", {"authorization": f"Bearer {token}"}, "jwt", "bob"),
        ("/keys/x", {"x-api-key": "k-1"}, "api_key", "KEY"),
    ):
        status, seen = ask(app, source, target, headers)
        assert status == 200
        assert (seen["HTTP_X_AUTH_METHOD"], seen["HTTP_X_AUTH_USER"]) == (method, user)
    _, seen = ask(app, source, "/open", {"x-auth-user": "root"})
    assert not [name for name in seen if name.startswith("HTTP_X_AUTH")]


@pytest.mark.parametrize("source", EVERY_SOURCE)
def test_who_does_not_pass(app: Lambda, source: str) -> None:
    wrong = {"authorization": "Basic " + base64.b64encode(b"ann:x").decode()}
    for target in ("/", "/open/../x", "/%6fpen/..%2fx", "//tokens/x", "/tokens/..;/x", "/OPEN"):
        assert ask(app, source, target)[0] == 401
        assert ask(app, source, target, wrong)[0] == 401
    assert ask(app, source, "/keys/x", {"x-api-key": "k-2"})[0] == 401
    assert ask(app, source, "/near/x", {"x-forwarded-for": "10.0.0.1"})[0] == 403


def test_a_variable_that_is_not_set_is_an_init_error(tmp_path: Path) -> None:
    one = started(tmp_path, 1, {"KEY": "k-1"})
    try:
        with pytest.raises(StartFailed, match="the environment has no HASH"):
            one.ready()
        assert one.exited() == 1
        lines = one.lines.wait_for(level="error")
        assert "HASH" in lines[0]["message"]
        assert "Traceback" not in json.dumps(one.lines.all)
    finally:
        one.close()
