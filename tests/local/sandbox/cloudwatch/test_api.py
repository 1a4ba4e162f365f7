"""CloudWatch's calls about metrics, as botocore makes and reads them."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.local.sandbox.cloudwatch.calling import NOW, PROTOCOLS, REGION, Client
from upproxy.local.sandbox.cloudwatch.metrics import Metric

DIMENSIONS = [{"Name": "B", "Value": "2"}, {"Name": "A", "Value": "1"}]
MINUTE = timedelta(minutes=1)


@pytest.fixture(params=PROTOCOLS)
def client(request):
    return Client(request.param)


def at(hours_and_minutes):
    return datetime.fromisoformat(f"2026-03-04T{hours_and_minutes}").replace(tzinfo=UTC)


def put(client, *values, when=NOW, name="took", **more):
    data = [{"MetricName": name, "Dimensions": DIMENSIONS, "Timestamp": when, "Value": one, **more} for one in values]
    assert client("PutMetricData", Namespace="app", MetricData=data) == {}


def wanted(statistic="Sum", *, period=60, identifier="a", name="took", dimensions=DIMENSIONS, **more):
    metric = {"Namespace": "app", "MetricName": name, "Dimensions": dimensions}
    return {"Id": identifier, "MetricStat": {"Metric": metric, "Period": period, "Stat": statistic}, **more}


def data(client, *queries, start=NOW - timedelta(minutes=10), end=NOW + MINUTE, **more):
    return client("GetMetricData", StartTime=start, EndTime=end, MetricDataQueries=list(queries), **more)


def statistics(client, *, start=NOW - timedelta(minutes=10), end=NOW + MINUTE, period=60, **more):
    return client(
        "GetMetricStatistics", Namespace="app", MetricName="took", Dimensions=DIMENSIONS, StartTime=start, EndTime=end,
        Period=period, **more,
    )  # fmt: skip


def values(answer, place=0):
    return answer["MetricDataResults"][place]["Values"]


def test_every_statistic(client):
    put(client, *range(1, 101))
    names = ("SampleCount", "Sum", "Average", "Minimum", "Maximum", "p50", "p99.9", "p0", "p100")
    answer = data(client, *(wanted(name, identifier=f"q{place}") for place, name in enumerate(names)))
    assert [one["Values"] for one in answer["MetricDataResults"]] == [
        [100], [5050], [50.5], [1], [100], [50], [100], [1], [100],
    ]  # fmt: skip
    [point] = statistics(client, Statistics=["Sum", "SampleCount"], ExtendedStatistics=["p90", "p50"])["Datapoints"]
    assert point["ExtendedStatistics"] == {"p90": 90, "p50": 50}
    assert (point["Sum"], point["SampleCount"], point["Unit"]) == (5050, 100, "None")
    assert point["Timestamp"] == at("12:30")


def test_periods_are_counted_from_the_start_and_the_latest_comes_first(client):
    for minute, value in (("12:20", 1), ("12:24", 2), ("12:25", 4), ("12:29", 8)):
        put(client, value, when=at(minute))
    found = data(client, wanted(period=300), start=at("12:20:59"), end=at("12:30"))["MetricDataResults"]
    assert found == [
        {
            "Id": "a", "Label": "took", "StatusCode": "Complete", "Timestamps": [at("12:25"), at("12:20")],
            "Values": [12, 3],
        }
    ]  # fmt: skip
    answer = data(client, wanted(period=300), start=at("12:21"), end=at("12:29"), ScanBy="TimestampAscending")
    assert answer["MetricDataResults"][0]["Timestamps"] == [at("12:21")]
    assert values(answer) == [6]


def test_what_there_is_not_is_empty(client):
    put(client, 1)
    empty = {"Id": "a", "Label": "none", "Timestamps": [], "Values": [], "StatusCode": "Complete"}
    assert data(client, wanted(name="none"))["MetricDataResults"] == [empty]
    assert values(data(client, wanted(dimensions=DIMENSIONS[:1]))) == []
    assert statistics(client, Statistics=["Sum"], end=at("12:30"))["Datapoints"] == []
    assert Client()("ListMetrics")["Metrics"] == []


def test_several_queries_of_which_some_are_not_returned(client):
    put(client, 1, 2)
    answer = data(
        client, wanted(identifier="b", Label="how many", ReturnData=False), wanted("Maximum", Label="most"),
        wanted("SampleCount", identifier="c"),
    )  # fmt: skip
    assert [(one["Id"], one["Label"], one["Values"]) for one in answer["MetricDataResults"]] == [
        ("a", "most", [2]), ("c", "took", [2]),
    ]  # fmt: skip


def test_units_are_apart(client):
    put(client, 1, Unit="Seconds")
    put(client, 2, Unit="Count")
    query = wanted()
    assert values(data(client, query)) == [3]
    query["MetricStat"]["Unit"] = "Count"
    assert values(data(client, query)) == [2]
    points = statistics(client, Statistics=["Sum"])["Datapoints"]
    assert {(one["Unit"], one["Sum"]) for one in points} == {("Seconds", 1), ("Count", 2)}


def test_values_that_come_with_counts_or_summed_up(client):
    several = {"MetricName": "took", "Dimensions": DIMENSIONS, "Timestamp": NOW, "Values": [1, 5], "Counts": [3, 1]}
    client("PutMetricData", Namespace="app", MetricData=[several])
    assert values(data(client, wanted("p75"))) == [1]
    summary = {"SampleCount": 4, "Sum": 40, "Minimum": 9, "Maximum": 11}
    told = {"MetricName": "took", "Dimensions": DIMENSIONS, "Timestamp": NOW, "StatisticValues": summary}
    client("PutMetricData", Namespace="app", MetricData=[told])
    names = ("SampleCount", "Sum", "Minimum", "Maximum", "Average")
    answer = data(client, *(wanted(name, identifier=f"q{place}") for place, name in enumerate(names)))
    assert [one["Values"] for one in answer["MetricDataResults"]] == [[8], [48], [1], [11], [6]]
    assert values(data(client, wanted("p75"))) == []  # as there: it needs the values
    alike = {**told, "MetricName": "alike", "StatisticValues": {**summary, "Minimum": 10, "Maximum": 10}}
    client("PutMetricData", Namespace="app", MetricData=[alike])
    assert values(data(client, wanted("p75", name="alike"))) == [10]


def test_there_are_no_percentiles_of_negative_values(client):
    put(client, -1, 2)
    assert values(data(client, wanted("p50"))) == []
    assert values(data(client, wanted("Minimum"))) == [-1]


@pytest.mark.parametrize(("days", "step"), [(16, 300), (64, 3_600)])
def test_old_values_are_there_by_longer_periods_alone(client, days, step):
    start = NOW - timedelta(days=days)
    put(client, 7)
    assert values(data(client, wanted(period=60), start=start)) == []
    answer = data(client, wanted(period=step), start=start)
    assert values(answer) == [7]
    [moment] = answer["MetricDataResults"][0]["Timestamps"]
    assert moment.timestamp() % step == 0


def test_metrics_are_listed_by_what_they_have(client):
    put(client, 1)
    put(client, 1, name="other")
    client("PutMetricData", Namespace="else", MetricData=[{"MetricName": "took", "Value": 1}])
    names = [(one["Namespace"], one["MetricName"]) for one in client("ListMetrics")["Metrics"]]
    assert names == [("app", "other"), ("app", "took"), ("else", "took")]
    [found] = client("ListMetrics", MetricName="took", Dimensions=[{"Name": "A"}])["Metrics"]
    assert found["Dimensions"] == [{"Name": "A", "Value": "1"}, {"Name": "B", "Value": "2"}]
    assert client("ListMetrics", Dimensions=[{"Name": "A", "Value": "2"}])["Metrics"] == []
    assert len(client("ListMetrics", Namespace="app")["Metrics"]) == 2


def test_lists_come_in_pages(client):
    for number in range(501):
        client.metrics.put(Metric.of(REGION, "app", f"m{number}", {}), NOW.timestamp(), "None", 1)
    first = client("ListMetrics")
    second = client("ListMetrics", NextToken=first["NextToken"])
    assert len({one["MetricName"] for one in (*first["Metrics"], *second["Metrics"])}) == 501
    assert "NextToken" not in second
    assert client("ListMetrics", NextToken="never")["Error"]["Code"] == "InvalidParameterValue"


@pytest.mark.parametrize(
    ("call", "code", "message"),
    [
        (lambda client: data(client, wanted(), end=NOW - timedelta(hours=1)), "ValidationError", "must be less than"),
        (lambda client: data(client, wanted(), wanted()), "ValidationError", "must be unique"),
        (lambda client: data(client, {"Id": "a", "Expression": "b / c"}), "ValidationError", "no metric math"),
        (lambda client: data(client, wanted(period=61)), "InvalidParameterValue", "Period"),
        (lambda client: data(client, wanted("tm90")), "InvalidParameterValue", "does not know the statistic tm90"),
        (lambda client: data(client, wanted("p101")), "InvalidParameterValue", "p0 to p100"),
        (lambda client: statistics(client), "InvalidParameterCombination", "either Statistics or Extended"),
        (lambda client: statistics(client, Statistics=["Sum"], start=NOW - timedelta(days=2)),
         "InvalidParameterCombination", "2,882 datapoints"),
        (lambda client: client("PutMetricData", Namespace="AWS/Lambda", MetricData=[{"MetricName": "a", "Value": 1}]),
         "InvalidParameterValue", "AWS/"),
        (lambda client: client("PutMetricData", Namespace="app", MetricData=[{"MetricName": "a"}]),
         "MissingParameter", "Value"),
        (lambda client: client("PutMetricData", Namespace="app", MetricData=[
            {"MetricName": "a", "Value": 1}, {"MetricName": "a", "Value": 1, "Timestamp": NOW - timedelta(days=15)}]),
         "InvalidParameterValue", "MetricData.member.2.Timestamp"),
        (lambda client: client("PutMetricData", Namespace="app", MetricData=[{"MetricName": "a", "Value": 1e200}]),
         "InvalidParameterValue", "Value is invalid"),
        (lambda client: client("PutMetricData", Namespace="app", MetricData=[
            {"MetricName": "a", "Values": [1, 2], "Counts": [1]}]), "InvalidParameterValue", "same size"),
        (lambda client: client("PutMetricData", Namespace="app", MetricData=[
            {"MetricName": "a", "Values": [1], "Counts": [0]}]), "InvalidParameterValue", "greater than 0"),
        (lambda client: client("PutMetricData", Namespace="app", MetricData=[
            {"MetricName": "a", "StatisticValues": {"SampleCount": 0, "Sum": 0, "Minimum": 0, "Maximum": 0}}]),
         "InvalidParameterValue", "greater than 0"),
    ],
)  # fmt: skip
def test_what_is_refused(client, call, code, message):
    error = call(client)["Error"]
    assert (error["Code"], message in error["Message"]) == (code, True), error
    assert client("ListMetrics")["Metrics"] == []
