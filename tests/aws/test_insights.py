"""Queries of logs, by botocore's Stubber."""

import pytest
from botocore.stub import Stubber

from tests.aws.moto_server import REGION
from upproxy.aws.errors import AccessDenied, NotFound
from upproxy.aws.insights import Insights
from upproxy.aws.session import Session

GROUP = "/aws/lambda/shop-staging"
STARTED = {
    "logGroupName": GROUP, "queryString": "stats count(*)", "startTime": 60, "endTime": 120, "limit": 10_000,
}  # fmt: skip
ID = {"queryId": "q"}


@pytest.fixture
def stubbed(aws, monkeypatch):
    monkeypatch.setattr("upproxy.aws.waiting.time.sleep", lambda _: None)
    session = Session()
    insights = Insights(session, REGION)
    with Stubber(insights._logs.client) as stub, Stubber(insights._stopping.client) as stopping:
        yield insights, stub, stopping
        stub.assert_no_pending_responses()
        stopping.assert_no_pending_responses()


def start(insights):
    return insights.start(GROUP, "stats count(*)", 60, 120, print)


def test_to_its_end(stubbed):
    insights, stub, _ = stubbed
    stub.add_client_error("start_query", "LimitExceededException", "30 queries")
    stub.add_response("start_query", ID, STARTED)
    for status in ("Scheduled", "Running", "Unknown"):
        stub.add_response("get_query_results", {"status": status, "results": []}, ID)
    row = [{"field": "bin(1m)", "value": "x"}, {"field": "count(*)", "value": "3"}, {"field": "sum(@initDuration)"}]
    stub.add_response("get_query_results", {"status": "Complete", "results": [row]}, ID)
    with start(insights) as query:
        assert query.rows(print) == [{"bin(1m)": "x", "count(*)": "3"}]


def test_left_before(stubbed):
    insights, stub, stopping = stubbed
    stub.add_response("start_query", ID, STARTED)
    stopping.add_response("stop_query", {"success": True}, ID)
    with start(insights):
        pass


def test_left_after_it_was_stopped_by_somebody_else(stubbed):
    insights, stub, stopping = stubbed
    stub.add_response("start_query", ID, STARTED)
    stopping.add_client_error("stop_query", "InvalidParameterException", "it has ended")
    with start(insights):
        pass


@pytest.mark.parametrize(
    ("code", "kind"), [("ResourceNotFoundException", NotFound), ("AccessDeniedException", AccessDenied)]
)
def test_what_cannot_be_asked(stubbed, code, kind):
    insights, stub, _ = stubbed
    stub.add_client_error("start_query", code, "no")
    with pytest.raises(kind):
        start(insights)
