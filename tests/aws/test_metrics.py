"""Data points of metrics: what is asked, and pages, by botocore's Stubber."""

from datetime import UTC, datetime

import pytest
from botocore.stub import Stubber

from tests.aws.moto_server import REGION
from upproxy.aws.errors import AccessDenied, AwsError
from upproxy.aws.metrics import Asked, Metric, Metrics
from upproxy.aws.session import Session

START, END = 1_700_000_040, 1_700_007_240
LIVE = (("FunctionName", "shop-staging"), ("Resource", "shop-staging:live"))
ASKED = [
    Asked(Metric("AWS/Lambda", "Invocations", LIVE, "Sum"), 3600),
    Asked(Metric("AWS/Lambda", "UrlRequestLatency", LIVE[:1], "p99"), 60),
]
PARAMETERS = {
    "MetricDataQueries": [
        {
            "Id": "m0",
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/Lambda",
                    "MetricName": "Invocations",
                    "Dimensions": [
                        {"Name": "FunctionName", "Value": "shop-staging"},
                        {"Name": "Resource", "Value": "shop-staging:live"},
                    ],
                },
                "Period": 3600,
                "Stat": "Sum",
            },
        },
        {
            "Id": "m1",
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/Lambda",
                    "MetricName": "UrlRequestLatency",
                    "Dimensions": [{"Name": "FunctionName", "Value": "shop-staging"}],
                },
                "Period": 60,
                "Stat": "p99",
            },
        },
    ],
    "StartTime": datetime.fromtimestamp(START, UTC),
    "EndTime": datetime.fromtimestamp(END, UTC),
    "ScanBy": "TimestampAscending",
}


def result(number, points, status="Complete"):
    moments = [datetime.fromtimestamp(at, UTC) for at in points]
    return {"Id": f"m{number}", "Timestamps": moments, "Values": list(points.values()), "StatusCode": status}


@pytest.fixture
def stubbed(aws):
    session = Session()
    with Stubber(session.service("cloudwatch", REGION).client) as stub:
        yield Metrics(session, REGION), stub
        stub.assert_no_pending_responses()


def test_pages_are_put_together(stubbed):
    metrics, stub = stubbed
    first = [result(1, {START: 12.5}, "PartialData"), result(0, {START: 7.0, START + 3600: 8.0})]
    stub.add_response("get_metric_data", {"MetricDataResults": first, "NextToken": "more"}, PARAMETERS)
    second = [result(1, {START + 60: 13.5}), result(0, {})]
    stub.add_response("get_metric_data", {"MetricDataResults": second}, {**PARAMETERS, "NextToken": "more"})
    assert metrics.read(ASKED, START, END) == [{START: 7.0, START + 3600: 8.0}, {START: 12.5, START + 60: 13.5}]


def test_nothing_was_measured(stubbed):
    metrics, stub = stubbed
    stub.add_response("get_metric_data", {"MetricDataResults": []}, PARAMETERS)
    assert metrics.read(ASKED, START, END) == [{}, {}]


def test_what_could_not_be_read(stubbed):
    metrics, stub = stubbed
    stub.add_response("get_metric_data", {"MetricDataResults": [result(1, {}, "InternalError")]}, PARAMETERS)
    with pytest.raises(AwsError, match="could not read UrlRequestLatency of AWS/Lambda: InternalError"):
        metrics.read(ASKED, START, END)


def test_what_is_not_allowed(stubbed):
    metrics, stub = stubbed
    stub.add_client_error("get_metric_data", "AccessDenied", "no", 403)
    with pytest.raises(AccessDenied) as refused:
        metrics.read(ASKED, START, END)
    assert refused.value.statement["Action"] == "cloudwatch:GetMetricData"
