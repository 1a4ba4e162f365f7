"""Lines with metrics in them, by the specification of the Embedded Metric Format."""

import json
import time

import pytest

from upproxy.local.sandbox.cloudwatch.counting import Counting
from upproxy.local.sandbox.cloudwatch.emf import embedded
from upproxy.local.sandbox.cloudwatch.ingestion import Ingestion
from upproxy.local.sandbox.cloudwatch.metrics import Metric, Metrics
from upproxy.warmer.warmer import Target, Tick

NAMES = ("took", "size")
METRICS = [{"Name": "took", "Unit": "Milliseconds"}, {"Name": "size"}]


def line(directives=None, *, moment=1_700_000_000_000, **members):
    if directives is None:
        directives = [directive()]
    return json.dumps({"_aws": {"Timestamp": moment, "CloudWatchMetrics": directives}, **members})


def directive(namespace="app", dimensions=(("stage",),), metrics=METRICS):
    return {"Namespace": namespace, "Dimensions": [list(one) for one in dimensions], "Metrics": metrics}


def read(text):
    found = embedded(text)
    values = [(one.namespace, one.name, dict(one.dimensions), one.unit, one.value) for one in found.values]
    return values, found.faults


def test_a_line_with_metrics():
    values, faults = read(line(stage="production", took=12.5, size=3, other="not asked for"))
    assert values == [
        ("app", "took", {"stage": "production"}, "Milliseconds", 12.5),
        ("app", "size", {"stage": "production"}, "None", 3.0),
    ]
    assert not faults


def test_every_set_of_dimensions_is_a_metric_of_its_own_and_may_be_empty():
    sets = ((), ("stage",), ("stage", "app"))
    values, _ = read(line([directive(dimensions=sets, metrics=METRICS[:1])], stage="s", app="a", took=1))
    assert [dimensions for _, _, dimensions, _, _ in values] == [{}, {"stage": "s"}, {"stage": "s", "app": "a"}]


def test_several_directives_and_arrays_of_values():
    directives = [directive(metrics=METRICS[:1]), directive("other", metrics=METRICS[1:])]
    values, _ = read(line(directives, stage="s", took=[1, 2.5, 1], size=list(range(100))))
    assert [value for namespace, *_, value in values if namespace == "app"] == [1, 2.5, 1]
    assert [value for namespace, *_, value in values if namespace == "other"] == list(range(100))


@pytest.mark.parametrize(
    "text",
    [
        "plain text about CloudWatchMetrics",
        '{"message": "no metadata"}',
        '{"CloudWatchMetrics": []}',
        '{"_aws": {"other": 1}, "about": "CloudWatchMetrics"}',
        '{"_aws": "CloudWatchMetrics"}',
        'before {"_aws": {"Timestamp": 1, "CloudWatchMetrics": []}}',
        '{"_aws": {"Timestamp": 1, "CloudWatchMetrics": []}} after',
        '["CloudWatchMetrics"]',
        '{"CloudWatchMetrics":' * 100_000,
    ],
)
def test_other_lines(text):
    assert embedded(text) is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (line(moment="now"), "_aws.Timestamp is no whole number"),
        (line(moment=True), "_aws.Timestamp is no whole number"),
        (line({}), "_aws.CloudWatchMetrics is no array"),
        (line(["text"]), "a directive is no object"),
        (line([directive("")]), "Namespace is no text of 1 to 255 characters"),
        (line([directive(5)]), "Namespace is no text of 1 to 255 characters"),
        (line([{**directive(), "Dimensions": []}]), "Dimensions is no array of arrays"),
        (line([directive(metrics=METRICS * 51)]), "Metrics is no array of up to 100 objects"),
        (line([{**directive(), "Dimensions": ["stage"]}], stage="s", took=1, size=1),
         "a set of dimensions is no array of up to 30 names"),
        (line([directive(dimensions=[["stage"] * 31])], stage="s", took=1, size=1),
         "a set of dimensions is no array of up to 30 names"),
        (line(took=1, size=1), "the dimension stage is no text of the line"),
        (line(stage=5, took=1, size=1), "the dimension stage is no text of the line"),
        (line([directive(metrics=["took"])], stage="s", took=1), "a metric is no object with a Name"),
    ],
)  # fmt: skip
def test_what_is_not_as_specified_carries_nothing(text, fault):
    assert read(text) == ([], [fault])


@pytest.mark.parametrize("value", [None, "5", True, {"a": 1}, [1, "2"], [1] * 101, 10**400, float("nan"), [[1]]])
def test_a_metric_without_a_number_is_left_out_alone(value):
    values, faults = read(line(stage="s", took=value, size=1))
    assert [name for _, name, *_ in values] == ["size"]
    assert faults == ["took is no number of the line, and no array of up to 100"]


def test_the_line_of_the_warmer_becomes_metrics():
    """And events are counted, whatever is in them; what is wrong with one is told."""
    metrics, told = Metrics(), []
    ingestion = Ingestion(metrics, Counting(metrics), lambda level, message: told.append((level, message)))
    tick = Tick(Target("shop-production", "live", 3), asked=3, distinct=2, cold=1)
    messages = [
        json.dumps(tick.line()),
        "ä text",
        line(stage="s", took=1, size=1),
        line(moment=time.time_ns() // 10**6),
    ]
    for message in messages:
        ingestion.take("us-east-1", "/aws/lambda/w", message)
    found = Metric.of("us-east-1", "upproxy", "WarmDistinct", {"Function": "shop-production"})
    [(_, unit, sample)] = metrics.within(found, 0, 1e12)
    assert (unit, sample.values) == ("Count", {2.0: 1})
    [(_, unit, sample)] = metrics.within(
        Metric.of("us-east-1", "AWS/Logs", "IncomingBytes", {"LogGroupName": "/aws/lambda/w"}), 0, 1e12
    )
    assert (unit, sample.statistic("Sum")) == ("Bytes", sum(len(one.encode()) for one in messages))
    where = "a metric in /aws/lambda/w is left out"
    assert [message.split(": ", 1) for _, message in told] == [
        [where, "_aws.Timestamp is not of the past two weeks"],
        [where, "; ".join(("the dimension stage is no text of the line",
                           *(f"{name} is no number of the line, and no array of up to 100" for name in NAMES)))],
    ]  # fmt: skip
    assert not any(metric.namespace == "app" for metric in metrics.all("us-east-1"))
