"""What is made of a new version's answer."""

import json

import pytest

from upproxy.aws.errors import AccessDenied, AwsError, Throttled, Unanswered, Unreachable
from upproxy.aws.functions import Answer
from upproxy.deploy import gate
from upproxy.deploy.errors import Unhealthy
from upproxy.deploy.wanted import Health

HEALTH = Health(path="/up", timeout=10, statuses=("2xx", "3xx"))
REPORT = (
    "REPORT RequestId: 1\tDuration: 20.51 ms\tBilled Duration: 400 ms\tMemory Size: 512 MB\tMax Memory Used: 61 MB\t"
    "Init Duration: 379.12 ms\t\n"
)
ERROR = json.dumps({"level": "error", "message": "no database"})
LOG = f"START RequestId: 1 Version: 7\nstarting\n{ERROR}\nEND RequestId: 1\n{REPORT}"


class Lambda:
    """Answers an invocation, or fails."""

    def __init__(self, answer, error="", log=LOG):
        self.answer = answer if isinstance(answer, Exception) else Answer(json.dumps(answer).encode(), error, log, "7")
        self.asked = None

    def invoke(self, name, qualifier, event, timeout):
        self.asked = (name, qualifier, json.loads(event), timeout)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def check(*answer, **other):
    return gate.check(Lambda(*answer, **other), "shop-staging", "7", HEALTH, lambda _: None)


def test_the_version_is_asked_directly_and_given_time_to_start():
    there = Lambda({"status": 200, "duration_ms": 12.3})
    assert gate.check(there, "shop-staging", "7", HEALTH, lambda _: None) == gate.Healthy(200, 12.3, 379.12, 61)
    name, qualifier, message, timeout = there.asked
    assert (name, qualifier, message) == ("shop-staging", "7", {"upproxy": {"health": {"path": "/up", "timeout": 10}}})
    assert timeout > 10 + gate.INIT


def test_a_version_that_was_started_before_has_no_start_to_report():
    warm = LOG.replace("\tInit Duration: 379.12 ms", "")
    assert check({"status": 302, "duration_ms": 1}, log=warm) == gate.Healthy(302, 1.0, None, 61)
    assert check({"status": 200}, log="") == gate.Healthy(200, 0.0, None, None)


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        ({"status": 500, "body": "Oh no"}, "", "version 7 answered GET /up with 500; healthy is 2xx, 3xx"),
        ({"status": 504, "error": "the app took too long"}, "", "with 504 (the app took too long)"),
        ({"status": 200, "error": "cut off"}, "", "with 200 (cut off)"),
        ({"errorMessage": "exited with 1", "errorType": "Runtime.ExitError"}, "Unhandled", "failed: exited with 1"),
        ({"errorType": "Runtime.ExitError"}, "Unhandled", "failed: Runtime.ExitError"),
        ("text", "Unhandled", 'failed: "text"'),
        ({"hello": 1}, "", "does not know the health check"),
        ([], "", "does not know the health check"),
        ({"status": "200"}, "", "does not know the health check"),
        (Unanswered("timed out"), "", "does not answer: timed out"),
        (AwsError("no snapshot", code="SnapStartException"), "", "cannot be started: no snapshot"),
    ],
)
def test_an_ill_version(answer, error, said):
    with pytest.raises(Unhealthy) as caught:
        check(answer, error)
    assert said in str(caught.value)


def test_the_app_has_its_say():
    with pytest.raises(Unhealthy) as caught:
        check({"status": 500, "body": "Oh no\n"})
    assert caught.value.hint == "Oh no\nstarting\nno database"


def test_only_the_last_of_many_lines_are_shown():
    log = "".join(f"line {number}\n" for number in range(100))
    with pytest.raises(Unhealthy) as caught:
        check({"errorMessage": "x"}, "Unhandled", log)
    assert caught.value.hint.splitlines() == [f"line {number}" for number in range(70, 100)]


@pytest.mark.parametrize("error", [AccessDenied("no", action="lambda:InvokeFunction", resource="*"), Unreachable("no")])
def test_what_is_no_fault_of_the_version_stays_what_it_is(error):
    with pytest.raises(type(error)):
        check(error)


def test_a_function_that_has_no_concurrency_says_where_that_is_set(monkeypatch):
    monkeypatch.setattr(gate, "BUSY", 0.0)
    with pytest.raises(Throttled) as caught:
        check(Throttled("Rate Exceeded."))
    assert "lambda.concurrency" in caught.value.hint
