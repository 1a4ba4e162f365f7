"""What is asked of AWS, and the figures that come of it."""

from contextlib import ExitStack

import pytest

from tests.observe.metrics.played import Played
from upproxy.aws.errors import AccessDenied, AwsError, NotFound, TimedOut
from upproxy.aws.waiting import LONGEST
from upproxy.observe.metrics.measuring import measure
from upproxy.observe.metrics.source import Log, Source
from upproxy.observe.metrics.span import span

DAY = 86_400
NOW = 1_769_847_330  # the middle of a minute
HOUR = span(3600, NOW)
LIVE = {"FunctionName": "shop-staging", "Resource": "shop-staging:live"}
ALL = {"FunctionName": "shop-staging"}
REGION = "eu-central-1"


def source(**more):
    log = Log(group="/aws/lambda/shop-staging", created=0, days=None)
    given = {
        "function": "shop-staging", "alias": "live", "memory": 512, "architecture": "x86_64",
        "endpoint": "function_url", "api": {}, "log": log, "gateway_log": "/aws/vendedlogs/apis/shop-staging",
        "warmer": None,
    }  # fmt: skip
    return Source(**{**given, **more})


@pytest.fixture
def played():
    return Played()


@pytest.fixture(autouse=True)
def time_flies(monkeypatch):
    """Waiting takes no time, but passes."""
    clock = [0.0]

    def sleep(seconds):
        assert seconds <= LONGEST
        clock[0] += seconds

    monkeypatch.setattr("upproxy.aws.waiting.time.sleep", sleep)
    monkeypatch.setattr("upproxy.aws.waiting.time.monotonic", lambda: clock[0])


def measured(played, what=None, period=HOUR, now=NOW, report=lambda _: None):
    with ExitStack() as running:
        return measure(played, REGION, what or source(), period, now, running, report)


def now_and_before(found, *names):
    return [(found.figures[name].now, found.figures[name].before) for name in names]


def test_requests_of_a_function_url(played):
    for number in range(100):
        at = HOUR.start + number * 30
        played.measure("AWS/Lambda", "UrlRequestCount", at, 1.0, **ALL)
        played.measure("AWS/Lambda", "Url4xxCount", at, float(number < 10), **ALL)
        played.measure("AWS/Lambda", "Url5xxCount", at, float(number == 0), **ALL)
        played.measure("AWS/Lambda", "UrlRequestLatency", at, number + 1.0, **ALL)
    for number in range(50):
        played.measure("AWS/Lambda", "UrlRequestCount", HOUR.before + number * 60, 1.0, **ALL)
        played.measure("AWS/Lambda", "UrlRequestLatency", HOUR.before + number * 60, 7.0, **ALL)
    found = measured(played)
    assert now_and_before(found, "requests", "http_4xx", "http_5xx") == [(100, 50), (10, None), (1, None)]
    assert now_and_before(found, "latency_p50_ms", "latency_p90_ms", "latency_p99_ms") == [(50, 7), (90, 7), (99, 7)]
    assert now_and_before(found, "http_4xx_share", "http_5xx_share") == [(0.1, None), (0.01, None)]
    requests = found.figures["requests"].course
    assert len(requests) == 20
    assert requests[:17] == [6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 4]
    assert requests[17:] == [None, None, None]


@pytest.mark.parametrize(
    ("endpoint", "api", "names"),
    [
        ("http_api", {"ApiId": "a1b2"}, ("Count", "4xx", "5xx", "Latency")),
        ("rest_api", {"ApiName": "shop-staging", "Stage": "live"}, ("Count", "4XXError", "5XXError", "Latency")),
    ],
)
def test_requests_of_gateways(played, endpoint, api, names):
    for name, value in zip(names, (3.0, 2.0, 1.0, 12.5), strict=True):
        played.measure("AWS/ApiGateway", name, HOUR.start, value, **api)
    found = measured(played, source(endpoint=endpoint, api=api))
    assert now_and_before(found, "requests", "http_4xx", "http_5xx", "latency_p99_ms") == [
        (3, None), (2, None), (1, None), (12.5, None)
    ]  # fmt: skip
    played.measure("AWS/Logs", "IncomingBytes", HOUR.start, 5.0, LogGroupName="/aws/vendedlogs/apis/shop-staging")
    assert measured(played, source(endpoint=endpoint, api=api)).usage.log_bytes == 5


def test_what_the_alias_was_invoked_for(played):
    for at, value in ((HOUR.start, 10.0), (HOUR.end - 60, 20.0), (HOUR.before, 40.0)):
        played.measure("AWS/Lambda", "Invocations", at, 1.0, **LIVE)
        played.measure("AWS/Lambda", "Errors", at, 0.0, **LIVE)
        played.measure("AWS/Lambda", "Throttles", at, 2.0, **LIVE)
        played.measure("AWS/Lambda", "Duration", at, value, **LIVE)
        played.measure("AWS/Lambda", "ConcurrentExecutions", at, value, **LIVE)
        played.measure("AWS/Lambda", "Invocations", at, 5.0, **ALL)
    found = measured(played)
    assert now_and_before(found, "invocations", "errors", "errors_share", "throttles") == [
        (2, 1), (0, 0), (0, 0), (4, 2)
    ]  # fmt: skip
    assert now_and_before(found, "duration_mean_ms", "concurrency_max") == [(15, 40), (20, 40)]
    assert now_and_before(found, "all_invocations") == [(10, 5)]


def test_what_reports_say(played):
    for number in range(10):
        played.report(HOUR.start + number * 60, 10.5, 600.0 + number if number < 4 else None, used_mb=80 + number)
        played.measure("AWS/Lambda", "Invocations", HOUR.start + number * 60, 1.0, **LIVE)
    played.report(HOUR.start - 1, 20.0)
    played.report(HOUR.end, 20.0)  # which Insights takes for a part of it
    found = measured(played)
    assert now_and_before(found, "cold_starts", "cold_starts_share", "init_mean_ms") == [
        (4, 0), (0.4, None), (601.5, None)
    ]  # fmt: skip
    assert now_and_before(found, "billed_ms", "init_ms") == [(4 * 611 + 6 + 6 * 11, 20), (2406, 0)]
    assert now_and_before(found, "memory_used_max_bytes") == [(89 * 1_048_576, 80 * 1_048_576)]
    assert found.figures["memory_used_max_share"].now == pytest.approx(89 / 512)
    assert found.figures["cold_starts"].course[:5] == [3, 1, 0, 0, None]
    assert found.log_is_whole


def test_cold_starts_that_no_request_has_waited_for(played):
    for number in range(3):
        played.report(HOUR.start + number, 10.0, 500.0)
    played.measure("upproxy", "WarmCold", HOUR.start, 2.0, Function="shop-staging")
    played.measure("upproxy", "WarmDistinct", HOUR.start, 5.0, Function="shop-staging")
    played.measure("upproxy", "WarmDistinct", HOUR.start + 300, 4.0, Function="shop-staging")
    found = measured(played)
    assert now_and_before(found, "all_cold_starts", "cold_starts", "warmed_mean") == [(3, None), (1, None), (4.5, None)]


def test_nothing_was_measured(played):
    found = measured(played)
    assert all(figure.now is None and figure.before is None for figure in found.figures.values())
    assert all(not any(figure.course) for figure in found.figures.values())
    assert found.usage.invocations is None


@pytest.mark.parametrize(("days", "whole"), [(15, True), (7, True), (6, False)])
def test_how_long_lines_are_kept(played, days, whole):
    log = Log(group="/aws/lambda/shop-staging", created=0, days=days)
    assert measured(played, source(log=log), span(7 * DAY, NOW)).log_is_whole is whole
    assert ("StartQuery" in dict(played.calls)) is whole


def test_only_the_period_is_kept(played):
    period = span(7 * DAY, NOW)
    for at in (period.start, period.start - 600):
        played.report(at, 10.0)
    found = measured(played, source(log=Log(group="/aws/lambda/shop-staging", created=0, days=7)), period)
    assert now_and_before(found, "billed_ms") == [(10, None)]
    assert found.log_is_whole
    [asked] = [one for name, one in played.calls if name == "StartQuery"]
    assert (asked["startTime"], asked["endTime"], asked["limit"]) == (period.start, period.end, 10_000)


def test_without_a_log(played):
    assert not measured(played, source(log=None)).log_is_whole
    assert "StartQuery" not in dict(played.calls)
    played.failing["StartQuery"] = NotFound("deleted meanwhile")
    assert measured(played).figures["billed_ms"].now is None


def test_how_long_there_was_something_to_pay(played):
    def seconds(created, period):
        log = Log(group="/aws/lambda/shop-staging", created=NOW - created, days=None)
        return measured(played, source(log=log), period).usage.seconds

    day = span(DAY, NOW)
    assert seconds(10 * DAY, day) == NOW - day.start
    assert seconds(6 * 3600, day) == 6 * 3600
    assert seconds(600, day) == 3600
    assert seconds(60, span(600, NOW)) == 600
    assert measured(played, source(log=None), day).usage.seconds == NOW - day.start


def test_a_query_waits_for_room(played):
    played.busy = 3
    played.report(HOUR.start, 10.0)
    said = []
    assert measured(played, report=said.append).figures["billed_ms"].now == 10
    assert not played.stopped
    played.busy = 10**6
    with pytest.raises(TimedOut, match="room for a query of the log: not within 60 s") as failed:
        measured(played, report=said.append)
    assert "30 queries at once" in failed.value.hint
    assert "waiting for room for a query of the log" in said


def test_a_query_that_takes_too_long_is_stopped(played):
    played.statuses = ["Running"]
    with pytest.raises(TimedOut, match="the query of /aws/lambda/shop-staging: not within 180 s"):
        measured(played)
    assert played.stopped


@pytest.mark.parametrize("operation", ["GetMetricData", "GetQueryResults"])
@pytest.mark.parametrize("failure", [KeyboardInterrupt(), AccessDenied("no", action="a", resource="*")])
def test_a_query_is_stopped_when_something_else_ends_all(played, operation, failure):
    played.failing[operation] = failure
    played.failing["StopQuery"] = AwsError("nor that")
    with pytest.raises(type(failure)):
        measured(played)
    assert [name for name, _ in played.calls][-1] == "StopQuery"


def test_a_query_that_fails(played):
    played.statuses = ["Running", "Failed"]
    with pytest.raises(AwsError, match="the query of /aws/lambda/shop-staging was not carried out: Failed"):
        measured(played)
    assert not played.stopped
