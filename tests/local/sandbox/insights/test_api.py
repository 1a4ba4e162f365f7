"""Logs Insights over logs that there are, with boto3's client."""

import asyncio
import json
import time
from types import SimpleNamespace

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.local.sandbox.model import watch
from tests.sandbox import aws, sandbox  # noqa: F401  # fixtures
from upproxy.local.sandbox.delays import NONE
from upproxy.local.sandbox.errors import ApiError
from upproxy.local.sandbox.insights.api import Insights


@pytest.fixture
def logs(aws):  # noqa: F811
    return watch(boto3.client("logs"))


@pytest.fixture
def group(logs):
    name = "/app/insights"
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="one")
    now = int(time.time() * 1000)
    events = [{"timestamp": now - 3_000 + number, "message": f'{{"n": {number}}}'} for number in range(3)]
    logs.put_log_events(logGroupName=name, logStreamName="one", logEvents=events)
    yield name
    logs.delete_log_group(logGroupName=name)


def start(logs, query="fields n | sort n asc", **more):
    now = int(time.time())
    return logs.start_query(**{"startTime": now - 60, "endTime": now, "queryString": query, **more})["queryId"]


def results(logs, identifier):
    while (answer := logs.get_query_results(queryId=identifier))["status"] == "Running":
        time.sleep(0.01)
    return answer


def test_a_query_of_a_log_group(logs, group):
    answer = results(logs, start(logs, logGroupName=group))
    assert answer["status"] == "Complete"
    assert [{one["field"]: one["value"] for one in row}["n"] for row in answer["results"]] == ["0", "1", "2"]
    assert answer["statistics"]["recordsMatched"] == answer["statistics"]["recordsScanned"] == 3
    assert answer["statistics"]["bytesScanned"] == 24


def test_groups_by_several_names(logs, group):
    arn = f"arn:aws:logs:us-east-1:123456789012:log-group:{group}:*"
    for named in ({"logGroupNames": [group, group]}, {"logGroupIdentifiers": [arn]}):
        assert results(logs, start(logs, "stats count(*) as n", **named))["results"]


def test_what_is_outside_of_the_time_and_beyond_the_limit_is_not_found(logs, group):
    now = int(time.time())
    assert results(logs, start(logs, logGroupName=group, startTime=now - 600, endTime=now - 300))["results"] == []
    assert len(results(logs, start(logs, logGroupName=group, limit=2))["results"]) == 2


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        ({"query": "parse @message 'x'"}, "MalformedQueryException", "the sandbox knows fields"),
        ({"logGroupName": "/none"}, "ResourceNotFoundException", "Log group '/none' does not exist"),
        ({"logGroupNames": ["/app/insights"]}, "InvalidParameterException", "exactly one of"),
        ({"startTime": 10, "endTime": 5}, "InvalidParameterException", "less than start time"),
        ({"queryLanguage": "SQL"}, "InvalidParameterException", "CWLI alone"),
    ],
)
def test_what_is_refused(logs, group, more, code, message):
    with pytest.raises(ClientError, match=message) as error:
        start(logs, **{"logGroupName": group, **more})
    assert error.value.response["Error"]["Code"] == code


def test_a_query_that_there_is_not(logs):
    for call in (logs.get_query_results, logs.stop_query):
        with pytest.raises(logs.exceptions.ResourceNotFoundException):
            call(queryId="none")


def test_what_has_ended_is_not_stopped(logs, group):
    identifier = start(logs, logGroupName=group)
    results(logs, identifier)
    assert logs.stop_query(queryId=identifier)["success"] is False


async def test_a_query_takes_its_time_and_can_be_stopped():
    group = SimpleNamespace(name="/app", streams={})
    backend = SimpleNamespace(groups={"/app": group})
    insights = Insights(lambda *_: backend, NONE._replace(query=60))

    def call(operation, **given):
        return json.loads(insights.call("us-east-1", operation, "", json.dumps(given).encode()).body)

    given = {"logGroupName": "/app", "startTime": 0, "endTime": 1, "queryString": "fields a"}
    first, second = (call("StartQuery", **given)["queryId"] for _ in range(2))
    assert call("GetQueryResults", queryId=first)["status"] == "Running"
    assert call("StopQuery", queryId=first) == {"success": True}
    await asyncio.sleep(0)
    assert call("GetQueryResults", queryId=first)["status"] == "Cancelled"
    for _ in range(99):
        call("StartQuery", **given)
    with pytest.raises(ApiError, match="does not exist"):  # only the last ones are kept
        call("GetQueryResults", queryId=first)
    assert call("GetQueryResults", queryId=second)["status"] == "Running"
    await insights.close()


@pytest.mark.parametrize("body", [b"{", b'{"startTime": "5"}', b"{}"])
async def test_what_is_no_call_is_refused(body):
    with pytest.raises(ApiError):
        Insights(lambda *_: None, NONE).call("us-east-1", "StartQuery", "", body)
