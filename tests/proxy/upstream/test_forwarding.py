"""The request's head as the app gets it."""

from __future__ import annotations

import json

import pytest

from upproxy.proxy.messages import Headers, Invocation, Request
from upproxy.proxy.upstream.forwarding import Forwarding


def head(headers=(), method="GET", body=b"", query="", invocation=None, **options) -> tuple[str, list[tuple[str, str]]]:
    invocation = invocation or Invocation("id-1", deadline=0, deadline_ms=5, arn="arn:x")
    request = Request(method, "/a%2Fb", query, Headers(headers), body, invocation=invocation, source="test", **options)
    text = Forwarding(stage="staging", function={"memory": 512}).head(request).decode("latin-1")
    assert text.endswith("\r\n\r\n")
    first, *lines = text[:-4].split("\r\n")
    return first, [tuple(line.split(": ", 1)) for line in lines]


def test_the_target_goes_out_as_it_came():
    assert head()[0] == "GET /a%2Fb HTTP/1.1"
    assert head(query="a=%20&b")[0] == "GET /a%2Fb?a=%20&b HTTP/1.1"


@pytest.mark.parametrize("given", [[], [("host", "")], [("host", "x"), ("host", "y")], [("host", ""), ("host", "x")]])
def test_there_is_exactly_one_host(given):
    hosts = [value for name, value in head(given)[1] if name == "host"]
    assert hosts == [next((value for _, value in given if value), "localhost")]


@pytest.mark.parametrize(
    ("method", "body", "lengths"),
    [("GET", b"", []), ("POST", b"", ["0"]), ("PATCH", b"", ["0"]), ("DELETE", b"", []), ("GET", b"abc", ["3"])],
)
def test_the_length_is_stated_where_there_may_be_a_body(method, body, lengths):
    assert [value for name, value in head(method=method, body=body)[1] if name == "content-length"] == lengths


def test_where_the_request_comes_from():
    fields = dict(head([("host", "shop.example")], client="203.0.113.7", prefix="/v1", context={"a": "é"})[1])
    assert fields["x-forwarded-for"] == "203.0.113.7"
    assert fields["x-forwarded-proto"] == "https"
    assert fields["x-forwarded-port"] == "443"
    assert fields["x-forwarded-host"] == "shop.example"
    assert fields["x-forwarded-prefix"] == "/v1"
    assert fields["x-request-id"] == "id-1"
    assert fields["x-stage"] == "staging"
    assert json.loads(fields["x-context"]) == {"a": "é"} == json.loads(fields["x-amzn-request-context"])
    context = json.loads(fields["x-amzn-lambda-context"])
    assert context["env_config"] == {"memory": 512}
    assert context["invoked_function_arn"] == "arn:x"


def test_what_a_gateway_has_said_stays():
    given = [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "http"), ("x-forwarded-port", "8080")]
    fields = head(given, client="5.6.7.8")[1]
    for item in given:
        assert [found for found in fields if found[0] == item[0]] == [item]


def test_the_trace_of_the_function_wins():
    invocation = Invocation("id", deadline=0, trace_id="ours")
    fields = head([("x-amzn-trace-id", "theirs")], invocation=invocation)[1]
    assert [value for name, value in fields if name == "x-amzn-trace-id"] == ["ours"]
