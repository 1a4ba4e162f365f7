"""Events as AWS documents them, and what the app must see of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from upproxy.proxy.errors import NotConfigured
from upproxy.proxy.events import Codecs
from upproxy.proxy.manifest import EventOptions
from upproxy.proxy.messages import Invocation, Request

EVENTS = Path(__file__).parent / "events"
TRACE = {"function_url": "Root=1-6274894e-7ba3e1b45f5fb4e0ea2e4bc0"}


def load(name: str) -> Any:
    return json.loads((EVENTS / f"{name}.json").read_text())


def decode(event: Any, **options: Any) -> Request:
    codec = Codecs(EventOptions(**options)).codec_for(event)
    return codec.decode(event, Invocation("r-1", deadline=1.0))


@pytest.mark.parametrize(
    ("name", "source", "method", "target", "client", "scheme", "prefix", "body"),
    [
        ("function_url", "function_url", "POST",
         "/my/path%20with%2Fslash?parameter1=value1&parameter1=value2&parameter2=value",
         "123.123.123.123", "https", "", b"Hello from client!"),
        ("http_api", "http_api", "POST", "/my/path?parameter1=value1&parameter1=value2&parameter2=value",
         "192.0.2.1", "https", "", b"Hello from Lambda"),
        ("http_api_named_stage", "http_api", "GET", "/%C3%BCber%20100%25/a%3Fb?", "2001:db8::1", "https", "/prod", b""),
        ("http_api_v1", "http_api_v1", "GET", "/my/path?parameter1=value1&parameter1=value2&parameter2=value",
         "192.0.2.44", "https", "", b"Hello from Lambda!"),
        ("rest_api", "rest_api", "POST", "/caf%C3%A9/list?name=me+%26+you&tag=a&tag=b%2Bc&flag=",
         "52.255.255.12", "https", "/Prod", b'{"a": 1}'),
        ("rest_api_console_test", "rest_api", "GET", "/?", "", "https", "", b""),
        ("alb", "alb", "GET", "/lambda/a%2Fb?query=a%2Bb+c", "72.12.164.125", "http", "", b""),
        ("alb_multi", "alb_multi", "POST", "/?myKey=val1&myKey=val2&other=%20", "72.12.164.125", "https", "",
         "hé".encode()),
        ("alb_health_check", "alb", "GET", "/?", "", "https", "", b""),
    ],
)  # fmt: skip
def test_http_events(
    name: str, source: str, method: str, target: str, client: str, scheme: str, prefix: str, body: bytes
) -> None:
    event = load(name)
    request = decode(event)
    path, _, query = target.partition("?")
    assert (request.source, request.method) == (source, method)
    assert (request.path, request.query) == (path, query)
    assert (request.client, request.scheme, request.prefix) == (client, scheme, prefix)
    assert request.body == body
    assert request.context == event["requestContext"]


def test_headers_of_a_function_url() -> None:
    headers = decode(load("function_url")).headers
    assert headers.get_all("cookie") == ["cookie1=a; cookie2=b"]
    assert headers.get("host") == "abcdefg.lambda-url.us-east-1.on.aws"
    assert headers.get("x-forwarded-for") == "192.0.2.9, 123.123.123.123"
    assert headers.get("x-amzn-trace-id") == TRACE["function_url"]
    assert headers.get("header2") == "value1,value2"
    assert len(headers) == 10


def test_headers_of_a_rest_api() -> None:
    headers = decode(load("rest_api")).headers
    assert headers.get_all("cookie") == ["session=abc; theme=dark"]
    assert headers.get("accept-encoding") == "gzip, deflate, br"
    assert "x_auth_user" not in headers
    assert "x-auth-user" not in headers
    assert all(name == name.lower() for name, _ in headers)


def test_headers_of_payload_one_come_from_the_lists() -> None:
    assert decode(load("http_api_v1")).headers.get_all("header2") == ["value1", "value2"]


def test_headers_of_a_load_balancer() -> None:
    assert "connection" not in decode(load("alb")).headers
    assert decode(load("alb_multi")).headers.get_all("cookie") == ["name1=value1; name2=value2"]


def test_streaming_sources() -> None:
    codecs = Codecs(EventOptions())
    streams = {name for name in ("function_url", "http_api", "http_api_v1", "rest_api", "alb", "alb_multi")
               if codecs.codec_for(load(name)).streams}  # fmt: skip
    assert streams == {"function_url", "rest_api"}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sqs", "aws:sqs"),
        ("s3", "aws:s3"),
        ("sns", "aws:sns"),
        ("scheduled", "scheduled"),
        ("eventbridge", "aws.events"),
    ],
)
def test_triggers(name: str, kind: str) -> None:
    event = load(name)
    request = decode(event, triggers="/events")
    assert (request.source, request.method, request.path, request.query) == ("trigger", "POST", "/events", "")
    assert json.loads(request.body) == event
    assert request.headers.get("content-type") == "application/json"
    assert request.headers.get("x-up-trigger") == kind
    assert request.context is None


@pytest.mark.parametrize(
    "event",
    [{}, None, 1, "text", [], {"Records": []}, {"Records": [1]}, {"Records": [{"eventSource": "a\r\nb"}]},
     {"awslogs": 1}, {"eventSource": ["x"]}, {"requestContext": None}, {"requestContext": {"http": {}}}],
)  # fmt: skip
def test_anything_else_is_a_trigger(event: Any) -> None:
    with pytest.raises(NotConfigured, match=r"triggers: \{path"):
        decode(event)
    request = decode(event, triggers="/events")
    assert json.loads(request.body) == event
    assert request.headers.get("x-up-trigger") in ("unknown", "aws:logs")


@pytest.mark.parametrize(
    ("path", "public", "base", "expected"),
    [
        ("/users", "/prod/users", "", ("/users", "/prod")),  # the default domain
        ("/users", "/users", "", ("/users", "")),  # a custom domain without a base path
        ("/v1/users", "/v1/users", "v1", ("/users", "/v1")),
        ("/v1/users", "/v1/users", "/v1/", ("/users", "/v1")),
        ("/v1", "/v1", "v1", ("/", "/v1")),
        ("/v1/", "/v1/", "v1", ("/", "/v1")),
        ("/v10/users", "/v10/users", "v1", ("/v10/users", "")),  # no segment boundary
        ("/v1/v1/x", "/v1/v1/x", "v1", ("/v1/x", "/v1")),  # once only
        ("/prod/users", "/prod/users", "", ("/prod/users", "")),  # a custom domain, a path like the stage
        ("/v1/users", "/prod/v1/users", "v1", ("/users", "/prod/v1")),  # a CDN before the default domain
        ("/", "/prod", "", ("/", "/prod")),
    ],
)
def test_prefixes_of_a_rest_api(path: str, public: str, base: str, expected: tuple[str, str]) -> None:
    event = load("rest_api")
    event["path"] = path
    event["requestContext"].update(path=public, stage="prod")
    request = decode(event, base_path=base)
    assert (request.path, request.prefix) == expected


@pytest.mark.parametrize(
    ("path", "stage", "domain", "expected"),
    [
        ("/prod/users", "prod", "id.execute-api.eu-west-1.amazonaws.com", ("/users", "/prod")),
        ("/prod/users", "prod", "api.example.com", ("/users", "")),
        ("/prod", "prod", "id.execute-api.eu-west-1.amazonaws.com", ("/", "/prod")),
        ("/products", "prod", "id.execute-api.eu-west-1.amazonaws.com", ("/products", "")),
        ("/prod/prod/x", "prod", "id.execute-api.eu-west-1.amazonaws.com", ("/prod/x", "/prod")),
        ("/$default/x", "$default", "id.execute-api.eu-west-1.amazonaws.com", ("/$default/x", "")),
    ],
)
def test_stages_of_an_http_api(path: str, stage: str, domain: str, expected: tuple[str, str]) -> None:
    event = load("http_api")
    event["rawPath"] = path
    event["requestContext"].update(stage=stage, domainName=domain)
    request = decode(event)
    assert (request.path, request.prefix) == expected


@pytest.mark.parametrize(
    ("path", "public", "stage", "expected"),
    [
        ("/prod/users", "/prod/users", "prod", ("/users", "/prod")),
        ("/users", "/prod/users", "prod", ("/users", "/prod")),
        ("/products", "/products", "prod", ("/products", "")),
        ("/$default/x", "/$default/x", "$default", ("/$default/x", "")),
    ],
)
def test_stages_of_payload_one(path: str, public: str, stage: str, expected: tuple[str, str]) -> None:
    event = load("http_api_v1")
    event["path"] = path
    event["requestContext"].update(path=public, stage=stage)
    request = decode(event)
    assert (request.path, request.prefix) == expected
