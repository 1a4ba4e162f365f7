import json

import pytest

from upproxy.local import report
from upproxy.observe.logs import line
from upproxy.observe.logs.entry import asked_for, brief, entry
from upproxy.observe.logs.query import names, parse

STAMP = "2026-01-31T08:15:00.123Z"


def said(message, **options):
    return entry(
        line.read(message, timestamp=1_769_847_300_123, origin={"stage": "staging", "region": "eu-central-1"}),
        **options,
    )


def test_a_line_of_the_proxy_is_as_it_is():
    written = {"timestamp": "2026-01-31T08:15:00.123456Z", "level": "warn", "message": "request", "status": 404}
    assert said(json.dumps(written)) == written
    assert said('{"level": "info", "message": "no time"}\n') == {
        "timestamp": STAMP, "level": "info", "message": "no time",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "  indented",
        '{"message": "no level"}',
        "{",
        "[1]",
        '{"level": 1}',
        '{"level": "info", "a": NaN}',
        "{" * 99_999,
    ],
)
def test_any_other_text_is_a_message(text):
    assert said(text + "\n") == {"timestamp": STAMP, "level": "info", "message": text}


def test_where_a_line_comes_from_is_shown_where_that_differs():
    assert said("plain", also=("stage",)) == {
        "timestamp": STAMP, "stage": "staging", "level": "info", "message": "plain",
    }  # fmt: skip
    assert said('{"level": "warn", "stage": "beta"}', also=("stage", "region")) == {
        "timestamp": STAMP, "stage": "beta", "region": "eu-central-1", "level": "warn",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "asked"),
    [("production (warn or error)", False), ('not path = "/health" request_id = a', False), ("", False),
     ("not cold = true", False),
     ('type = "platform.start"', True), ("not used > 100mb", True)],
)  # fmt: skip
def test_a_query_that_is_about_lambdas_own_lines(query, asked):
    assert asked_for(names(parse(query))) is asked


def test_an_empty_line_says_nothing():
    assert said("\n") is None


@pytest.mark.parametrize(
    "text",
    [
        report.start("a", "7"), report.end("a"), report.report("a", duration_ms=1, memory_mb=512, used_mb=80),
        "INIT_START Runtime Version: python:3.13.v1\tRuntime Version ARN: arn", "EXTENSION\tName: x",
        '{"time": "2026", "type": "platform.start", "record": {}}',
        '{"level": "info", "message": "metrics", "_aws": {}, "Requests": 1}',
    ],
)  # fmt: skip
def test_what_few_want_to_see(text):
    assert said(text) is None
    assert said(text, everything=True)["level"] == "info"


def test_a_cold_start_is_told_in_short():
    found = said(report.report("a-b", duration_ms=12.5, memory_mb=512, used_mb=80, init_ms=584.123))
    assert (found["init"], found["used"]) == (584.12, 80 * 1024**2)
    assert brief(found) == {
        "timestamp": STAMP, "level": "info", "request_id": "a-b",
        "message": "cold start took 584.12 ms, invocation took 12.5 ms, 80 of 512 MB used",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        report.report("a", duration_ms=1, memory_mb=512, used_mb=8, status="error", error_type="Runtime.ExitError"),
        report.init_report(9_000, phase="init", status="error", error_type="Runtime.ExitError"),
    ],
)
def test_a_failed_invocation(text):
    found = said(text)
    assert (found["level"], found["outcome"], found["error_type"]) == ("error", "error", "Runtime.ExitError")


@pytest.mark.parametrize(
    "text",
    ["2026-01-31T08:15:00.123Z a Task timed out after 3.00 seconds",
     "RequestId: a Error: Runtime exited with error: signal: killed",
     "RequestId: a Process exited before completing request"],
)  # fmt: skip
def test_what_lambda_says_of_failures_is_an_error(text):
    found = brief(said(text))
    assert (found["timestamp"], found["level"]) == (STAMP, "error")


def test_a_word_that_begins_like_lambdas_own():
    assert said("STARTED")["message"] == "STARTED"
    assert said("Report: all is well")["message"] == "Report: all is well"
