"""What is counted of invocations and requests, and for which dimensions."""

import pytest

from upproxy.local.sandbox.cloudwatch.counting import HTTP_API, REST_API, URL, Counting, url_sets
from upproxy.local.sandbox.cloudwatch.metrics import Metric, Metrics
from upproxy.local.sandbox.state import Invoked, Version

REGION = "eu-central-1"


class Played:
    """A counting whose time is told."""

    def __init__(self):
        self.moment = 0.0
        self.metrics = Metrics()
        self.counting = Counting(self.metrics, lambda: self.moment)

    def begin(self, request_id, qualifier="live", *, reserved=False):
        arn = f"arn:aws:lambda:{REGION}:123456789012:function:shop"
        version = Version({"Version": "7", "FunctionName": "shop", "FunctionArn": arn}, b"")
        self.counting.began(Invoked(version, qualifier), request_id, reserved=reserved)

    def end(self, request_id, duration_ms=5.0, *, failed=False):
        self.counting.ended(request_id, duration_ms, failed=failed)

    def found(self, name, statistic="Sum", namespace="AWS/Lambda", **dimensions):
        """Return a statistic by minute."""
        metric = Metric.of(REGION, namespace, name, dimensions)
        return {start // 60: sample.statistic(statistic) for start, _, sample in self.metrics.within(metric, 0, 1e9)}


@pytest.fixture
def played():
    return Played()


@pytest.mark.parametrize(
    ("qualifier", "resources"),
    [
        ("live", [{"Resource": "shop:live"}, {"Resource": "shop:live", "ExecutedVersion": "7"}]),
        ("7", [{"Resource": "shop:7"}]),
        ("", [{"Resource": "shop"}]),
    ],
)
def test_an_invocation_counts_for_all_functions_its_own_and_what_was_asked_for(played, qualifier, resources):
    played.begin("r", qualifier)
    played.end("r", 12.5)
    sets = [{}, {"FunctionName": "shop"}, *({"FunctionName": "shop", **one} for one in resources)]
    for dimensions in sets:
        assert played.found("Invocations", **dimensions) == {0: 1}
        assert played.found("Duration", **dimensions) == {0: 12.5}
        assert played.found("ConcurrentExecutions", "Maximum", **dimensions) == {0: 1}
    found = {one.dimensions for one in played.metrics.all(REGION)}
    assert found == {tuple(sorted(one.items())) for one in sets}


def test_failures_are_a_rate(played):
    for number in range(4):
        played.begin(number)
        played.end(number, failed=number == 0)
    assert played.found("Errors", "Average", FunctionName="shop") == {0: 0.25}
    assert played.found("Throttles", FunctionName="shop") == {0: 0}


def test_it_counts_when_it_began_and_how_many_at_once_when_it_ends(played):
    for request_id in ("a", "b", "c"):
        played.begin(request_id)
    played.moment = 61
    played.end("b")
    played.end("a")
    played.begin("d")
    played.moment = 122
    played.end("c")
    played.end("d")
    assert played.found("Invocations", FunctionName="shop") == {0: 3, 1: 1}
    assert played.found("ConcurrentExecutions", "Maximum", FunctionName="shop", Resource="shop:live") == {1: 3, 2: 2}


def test_what_is_throttled_is_no_invocation(played):
    played.begin("a")
    played.begin("b")
    played.counting.throttled("b")
    played.end("a")
    assert played.found("Throttles", FunctionName="shop", Resource="shop:live") == {0: 1}
    assert played.found("Invocations", FunctionName="shop") == {0: 1}
    assert played.found("ConcurrentExecutions", "Maximum", FunctionName="shop") == {0: 1}


def test_concurrency_of_its_own_is_not_what_functions_share(played):
    played.begin("a", reserved=True)
    played.end("a")
    assert played.found("ConcurrentExecutions", "Maximum") == {0: 1}
    assert played.found("UnreservedConcurrentExecutions", "Maximum") == {}
    played.begin("b")
    played.end("b")
    assert played.found("UnreservedConcurrentExecutions", "Maximum") == {0: 1}


@pytest.mark.parametrize(
    ("endpoint", "namespace", "names"),
    [
        (URL, "AWS/Lambda", ("UrlRequestCount", "Url4xxCount", "Url5xxCount", "UrlRequestLatency")),
        (HTTP_API, "AWS/ApiGateway", ("Count", "4xx", "5xx", "Latency")),
        (REST_API, "AWS/ApiGateway", ("Count", "4XXError", "5XXError", "Latency")),
    ],
)
def test_requests_by_their_status(played, endpoint, namespace, names):
    for status in (200, 404, 499, 500, 504, 304):
        with played.counting.request(REGION, endpoint, [{"a": "b"}]) as request:
            request.status = status
    with pytest.raises(ConnectionError), played.counting.request(REGION, endpoint, [{"a": "b"}]):
        raise ConnectionError  # the client has gone
    figures = [played.found(name, namespace=namespace, a="b") for name in names[:3]]
    assert figures == [{0: 7}, {0: 2}, {0: 2}]
    assert played.found(names[3], "SampleCount", namespace=namespace, a="b") == {0: 7}


def test_a_url_counts_for_its_function_and_its_qualifier():
    assert [*url_sets("shop", "live")] == [{"FunctionName": "shop"}, {"FunctionName": "shop", "Resource": "shop:live"}]
    assert url_sets("shop", "")[1]["Resource"] == "shop:$LATEST"
