"""StartLiveTail of the sandbox, as botocore reads it, and as a follower does."""

import threading
import time

import boto3
import pytest
from botocore.exceptions import ClientError, EventStreamError

from tests.sandbox import aws, sandbox
from upproxy.aws.errors import AccessDenied, NotFound
from upproxy.aws.log_events import LogEvents
from upproxy.aws.session import Session
from upproxy.local.sandbox import live_tail
from upproxy.local.sandbox.calls import Fault
from upproxy.local.sandbox.errors import ApiError
from upproxy.observe.logs import live, tail

__all__ = ["aws", "sandbox"]

ARN = "arn:aws:logs:us-east-1:123456789012:log-group:{}"


@pytest.fixture
def logs(aws, monkeypatch):
    monkeypatch.setenv("AWS_DISABLE_HOST_PREFIX_INJECTION", "true")  # what we do without it is tested below
    return boto3.client("logs")


def make(logs, group):
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="a")


def write(logs, group, *messages, stream="a"):
    events = [{"timestamp": int(time.time() * 1000), "message": message} for message in messages]
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def updates(stream):
    """Go through the updates that have anything."""
    for message in stream:
        if (update := message.get("sessionUpdate")) and update["sessionResults"]:
            yield update


def test_a_session(logs):
    make(logs, "a")
    write(logs, "a", "before")
    stream = logs.start_live_tail(logGroupIdentifiers=[ARN.format("a")], logEventFilterPattern='"b"')["responseStream"]
    messages = iter(stream)
    assert next(messages)["sessionStart"]["logEventFilterPattern"] == '"b"'
    write(logs, "a", "a 1", "b 1")
    logs.create_log_stream(logGroupName="a", logStreamName="new")
    (one,) = next(updates(messages))["sessionResults"]
    assert (one["message"], one["logStreamName"], one["logGroupIdentifier"]) == ("b 1", "a", ARN.format("a"))
    write(logs, "a", "b 2", stream="new")
    (one,) = next(updates(messages))["sessionResults"]
    assert (one["message"], one["logStreamName"]) == ("b 2", "new")
    write(logs, "a", *["b"] * 501)
    many = next(updates(messages))
    assert (len(many["sessionResults"]), many["sessionMetadata"]["sampled"]) == (500, True)
    stream.close()


def test_the_end_of_a_session(logs, monkeypatch):
    monkeypatch.setattr(live_tail, "_LONGEST", 0)
    make(logs, "b")
    stream = logs.start_live_tail(logGroupIdentifiers=[ARN.format("b")])["responseStream"]
    with pytest.raises(EventStreamError, match="SessionTimeoutException"):
        list(stream)


@pytest.mark.parametrize(
    ("groups", "code"),
    [
        ([ARN.format("none")], "ResourceNotFoundException"),
        (["none"], "InvalidParameterException"),
        ([ARN.format("*")], "InvalidParameterException"),
        ([ARN.format(number) for number in range(11)], "InvalidParameterException"),
    ],
)
def test_refusals(logs, groups, code):
    with pytest.raises(ClientError) as refused:
        logs.start_live_tail(logGroupIdentifiers=groups)
    assert refused.value.response["Error"]["Code"] == code


def test_following_looks_when_something_comes_in_and_shows_it_once(logs, aws, monkeypatch):
    """In spite of botocore's prefix before the host. With a minute and more between looks where nothing comes in."""
    monkeypatch.delenv("AWS_DISABLE_HOST_PREFIX_INJECTION")
    monkeypatch.setattr(live, "LEAST", 0)
    monkeypatch.setattr(live, "SETTLED", -1)
    monkeypatch.setattr(live, "IDLE", 3600)
    monkeypatch.setattr(tail, "PAUSE", 0.01)
    make(logs, "c")
    write(logs, "c", "before")
    group = tail.Group(LogEvents(Session(), "us-east-1"), "c")
    with live.LiveTail([group], pytest.fail) as tailed:
        portions = (line.text for lines in tail.follow([group], 60, pytest.fail, tailed.pause) for line in lines)
        assert next(portions) == "before"
        for number in range(5):
            write(logs, "c", f"{number}", f"{number} again")
            assert [next(portions), next(portions)] == [f"{number}", f"{number} again"]
        write(logs, "c", *map(str, range(2_000)))  # a sample of which is sent
        assert [next(portions) for _ in range(2_000)] == list(map(str, range(2_000)))
        aws.clear()
        threading.Timer(0.2, write, (logs, "c", "last")).start()
        assert next(portions) == "last"
        assert sum(call.operation == "FilterLogEvents" for call in aws.calls) <= 3  # while nothing came in


def test_a_refusal_and_a_group_that_is_not_there(aws):
    source = LogEvents(Session(), "us-east-1")
    with pytest.raises(NotFound):
        next(source.live("none"))
    aws.faults.append(Fault("logs", "StartLiveTail", error=ApiError("AccessDeniedException", "no", 400)))
    with pytest.raises(AccessDenied):
        next(source.live("none"))
