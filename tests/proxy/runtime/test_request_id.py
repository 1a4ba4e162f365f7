"""Ids that came with requests: read from events of every source, and used everywhere."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upproxy.local.sources import SOURCES, HttpRequest
from upproxy.proxy.messages import Invocation
from upproxy.proxy.runtime.request_id import LIMIT, TrustedId

SOURCE_NAMES = ["rest_api", "http_api", "function_url", "alb"]


def event(source: str, *ids: str, name: str = "x-Request-ID") -> object:
    fields = [(b"host", b"app.example"), *((name.encode(), value.encode()) for value in ids)]
    request = HttpRequest("GET", "/echo", fields, b"", "203.0.113.7", "app.example", 443, "https")
    return SOURCES[source].event(request, request_id="lambdas", epoch_ms=int(time.time() * 1000))


def adopted(made: object, header: str = "X-Request-Id") -> str:
    invocation = Invocation("lambdas", deadline=0.0)
    TrustedId(header).adopt(made, invocation)
    assert invocation.aws_request_id == "lambdas"
    return invocation.request_id


@pytest.mark.parametrize("source", SOURCE_NAMES)
def test_every_source(source):
    assert adopted(event(source, "theirs-1")) == "theirs-1"
    assert adopted(event(source, "1-67891233-abcdef012345678912345678", name="traceparent"), "Traceparent") != "lambdas"
    assert adopted(event(source)) == "lambdas"


@pytest.mark.parametrize("source", SOURCE_NAMES)
@pytest.mark.parametrize("value", ["", "a b", "a,b", 'a"', "é", "x" * (LIMIT + 1), "<a>"])
def test_what_is_no_id(source, value):
    assert adopted(event(source, value)) == "lambdas"


@pytest.mark.parametrize("source", ["rest_api", "http_api", "function_url"])
def test_two_ids_are_none(source):
    assert adopted(event(source, "a", "b")) == "lambdas"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x-request-id", "A", "headers"]), inner)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["headers", "multiValueHeaders", "other"]), json_values) | json_values)
@settings(max_examples=150, deadline=None)
def test_any_event_is_looked_into(made):
    found = adopted(made)
    assert 0 < len(found) <= LIMIT
    assert found.isascii()


def test_the_app_and_the_log_know_it_by_the_trusted_id(start):
    one = start(logs={"request_id": "X-Request-Id"})
    made = event("function_url", "theirs-1")
    reply = json.loads(one.invoke(made, request_id="lambdas-1").payload)
    headers = dict(json.loads(reply["body"])["headers"])
    assert headers["x-request-id"] == "theirs-1"
    assert json.loads(headers["x-amzn-lambda-context"])["request_id"] == "lambdas-1"
    [line] = one.lines.wait_for(message="request")
    assert (line["request_id"], line["aws_request_id"]) == ("theirs-1", "lambdas-1")
    one.invoke({**made, "rawPath": "/print", "rawQueryString": "text=hello"}, request_id="lambdas-2")
    assert {line["request_id"] for line in one.lines.wait_for(2, message="hello")} == {"theirs-1"}


def test_nobody_is_trusted_unless_told(start):
    one = start()
    one.invoke(event("function_url", "theirs-1"), request_id="lambdas-1")
    [line] = one.lines.wait_for(message="request")
    assert line["request_id"] == "lambdas-1"
    assert "aws_request_id" not in line
