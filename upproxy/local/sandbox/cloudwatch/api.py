"""CloudWatch's calls about metrics, after its API Reference; all others are moto's.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from upproxy.local.sandbox.cloudwatch.emf import MOST
from upproxy.local.sandbox.cloudwatch.metrics import MINUTE, Metric, Metrics
from upproxy.local.sandbox.cloudwatch.samples import PERCENTILE, Sample, Summary
from upproxy.local.sandbox.configuration import Document
from upproxy.local.sandbox.errors import Answer, ApiError
from upproxy.local.sandbox.protocol import answered, given

PAST, FUTURE = 14 * 86_400, 2 * 3_600  # seconds from now within which values are taken
_DAY = 86_400
_COARSE = ((63 * _DAY, 3_600), (15 * _DAY, 300))
"""From what age of the start on, in seconds, CloudWatch has values by no less than so many seconds."""
_SHORT = (1, 5, 10, 20, 30)  # periods under a minute, in seconds
_STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
_QUERIES = 500  # of a call
_POINTS = 1_440  # of an answer to GetMetricStatistics
_PAGE = 500  # metrics of an answer to ListMetrics
_ID = re.compile("[a-z][a-zA-Z0-9_]{0,254}")


class CloudWatch:
    """Answers calls about metrics."""

    def __init__(self, metrics: Metrics, now: Callable[[], float] = time.time) -> None:
        self._metrics = metrics
        self._now = now
        self._operations: dict[str, Callable[[str, Document], Document]] = {
            "GetMetricData": self._get_data,
            "GetMetricStatistics": self._get_statistics,
            "ListMetrics": self._list,
            "PutMetricData": self._put,
        }

    def knows(self, operation: str) -> bool:
        """Whether an operation is one of those that are answered here."""
        return operation in self._operations

    def call(self, region: str, operation: str, content_type: str, body: bytes) -> Answer:
        """Answer a call. Raises ApiError."""
        try:
            parameters = given("cloudwatch", operation, content_type, body)
        except ValueError as error:
            raise ApiError("SerializationException", str(error)) from None
        document = self._operations[operation](region, parameters)
        return answered("cloudwatch", operation, content_type, document)

    # --- values

    def _put(self, region: str, given: Document) -> Document:
        namespace = _needed(given, "Namespace")
        if namespace.startswith("AWS/"):
            raise _invalid("The value AWS/ for parameter Namespace is invalid.")
        wanted = [self._datum(region, namespace, number, one) for number, one in enumerate(_listed(given), 1)]
        for put in wanted:  # all of them are in order, or none is taken
            put()
        return {}

    def _datum(self, region: str, namespace: str, number: int, given: Document) -> Callable[[], None]:
        """Return what takes a datum of PutMetricData. Raises ApiError."""
        where = f"MetricData.member.{number}"
        metric = Metric.of(region, namespace, _needed(given, "MetricName"), _dimensions(given))
        moment = _seconds(given["Timestamp"]) if "Timestamp" in given else self._now()
        if not self._now() - PAST <= moment <= self._now() + FUTURE:
            raise _invalid(f"The parameter {where}.Timestamp must specify a time within the past two weeks.")
        unit = given.get("Unit") or "None"
        if summary := given.get("StatisticValues"):
            told = Summary(*(_needed(summary, name) for name in ("SampleCount", "Sum", "Minimum", "Maximum")))
            _check_counts(where, [told.times])
            return lambda: self._metrics.put_summary(metric, moment, unit, told)
        values = _values(where, given)

        def put() -> None:
            for value, count in values:
                self._metrics.put(metric, moment, unit, value, count)

        return put

    # --- statistics

    def _get_data(self, region: str, given: Document) -> Document:
        start, end = self._range(given)
        queries = given.get("MetricDataQueries") or []
        if not 0 < len(queries) <= _QUERIES:
            raise _refused(f"The collection MetricDataQueries must have a size of 1 to {_QUERIES}.")
        names = [str(one.get("Id", "")) for one in queries]
        if len(set(names)) < len(names) or not all(map(_ID.fullmatch, names)):
            raise _refused("Each Id in MetricDataQueries must be unique, and begin with a lowercase letter.")
        results = [self._result(region, one, start, end) for one in queries]
        if given.get("ScanBy") != "TimestampAscending":
            for one in results:
                one["Timestamps"].reverse()
                one["Values"].reverse()
        kept = [result for query, result in zip(queries, results, strict=True) if query.get("ReturnData", True)]
        return {"MetricDataResults": kept, "Messages": []}

    def _result(self, region: str, query: Document, start: float, end: float) -> Document:
        wanted = query.get("MetricStat")
        if wanted is None:
            raise _refused(f"{query['Id']}: the sandbox has no metric math and no Metrics Insights: give a MetricStat.")
        metric, period, statistic = _needed(wanted, "Metric"), _needed(wanted, "Period"), _needed(wanted, "Stat")
        _check(period, [statistic])
        name = _needed(metric, "MetricName")
        key = Metric.of(region, _needed(metric, "Namespace"), name, _dimensions(metric))
        points = {
            moment: value
            for (moment, _), sample in self._periods(key, wanted.get("Unit"), start, end, period, by_unit=False)
            if (value := sample.statistic(statistic)) is not None
        }
        return {
            "Id": query["Id"], "Label": query.get("Label") or name, "StatusCode": "Complete",
            "Timestamps": [_moment(one) for one in points], "Values": [*points.values()],
        }  # fmt: skip

    def _get_statistics(self, region: str, given: Document) -> Document:
        start, end = self._range(given)
        name, period = _needed(given, "MetricName"), _needed(given, "Period")
        plain, percentiles = given.get("Statistics") or [], given.get("ExtendedStatistics") or []
        if not plain and not percentiles:
            raise ApiError("InvalidParameterCombination", "Must specify either Statistics or ExtendedStatistics")
        _check(period, [*plain, *percentiles])
        if (asked := math.ceil((end - start) / period)) > _POINTS:
            message = f"You have requested up to {asked:,} datapoints, which exceeds the limit of {_POINTS:,}."
            raise ApiError("InvalidParameterCombination", message)
        metric = Metric.of(region, _needed(given, "Namespace"), name, _dimensions(given))
        points = []
        for (moment, unit), sample in self._periods(metric, given.get("Unit"), start, end, period, by_unit=True):
            point: Document = {"Timestamp": _moment(moment), "Unit": unit}
            point.update({one: sample.statistic(one) for one in plain})
            extended = {one: value for one in percentiles if (value := sample.statistic(one)) is not None}
            points.append({**point, **({"ExtendedStatistics": extended} if extended else {})})
        return {"Label": name, "Datapoints": points}

    def _range(self, given: Document) -> tuple[float, float]:
        """Return the start, rounded as CloudWatch does it, and the end of what is asked for. Raises ApiError."""
        start, end = _seconds(_needed(given, "StartTime")), _seconds(_needed(given, "EndTime"))
        if start >= end:
            raise _refused("The parameter StartTime must be less than the parameter EndTime.")
        step = self._step(start)
        return start // step * step, end

    def _step(self, start: float) -> int:
        """Return by how many seconds CloudWatch still has what is so old."""
        return next((step for age, step in _COARSE if self._now() - start > age), MINUTE)

    def _periods(
        self, metric: Metric, unit: str | None, start: float, end: float, period: int, *, by_unit: bool
    ) -> Iterable[tuple[tuple[float, str], Sample]]:
        """Go through the periods that have values, in order; they are counted from the start."""
        if period >= MINUTE and period % self._step(start):
            return ()  # as there: by so little it no longer has them
        periods: dict[tuple[float, str], Sample] = {}
        for minute, its_unit, sample in self._metrics.within(metric, start, end):
            if unit in (None, its_unit):
                begin = start + (minute - start) // period * period
                periods.setdefault((begin, its_unit if by_unit else ""), Sample()).merge(sample)
        return periods.items()

    # --- metrics

    def _list(self, region: str, given: Document) -> Document:
        wanted = [(one["Name"], one.get("Value")) for one in given.get("Dimensions") or []]
        found = sorted(
            metric
            for metric in self._metrics.all(region)
            if given.get("Namespace") in (None, metric.namespace)
            and given.get("MetricName") in (None, metric.name)
            and all(
                any(name == its_name and value in (None, its_value) for its_name, its_value in metric.dimensions)
                for name, value in wanted
            )
        )
        token = given.get("NextToken") or "0"
        if not token.isdecimal():
            raise _invalid("Request parameter NextToken is invalid")
        page = found[int(token) : int(token) + _PAGE]
        shown = [
            {
                "Namespace": one.namespace, "MetricName": one.name,
                "Dimensions": [{"Name": name, "Value": value} for name, value in one.dimensions],
            }
            for one in page
        ]  # fmt: skip
        more = {"NextToken": str(int(token) + _PAGE)} if int(token) + _PAGE < len(found) else {}
        return {"Metrics": shown, **more}


def _listed(given: Document) -> list[Document]:
    found = given.get("MetricData")
    if not found:
        raise _missing("The parameter MetricData is required.")
    return list(found)


def _values(where: str, given: Document) -> list[tuple[float, float]]:
    """Return the values of a datum, each with how often it came. Raises ApiError."""
    values: list[float] = given.get("Values") or ([given["Value"]] if "Value" in given else [])
    counts: list[float] = given.get("Counts") or [1.0] * len(values)
    if not values:
        raise _missing(f"At least one of the parameters {where}.Value, .Values or .StatisticValues must be specified.")
    if len(counts) != len(values):
        raise _invalid(f"The parameters {where}.Values and {where}.Counts must be of the same size.")
    if not all(abs(one) <= MOST for one in values):
        raise _invalid(f"The value of the parameter {where}.Value is invalid.")
    _check_counts(where, counts)
    return [*zip(values, counts, strict=True)]


def _check_counts(where: str, counts: Iterable[float]) -> None:
    """Raise ApiError where something came no times."""
    if not all(one > 0 for one in counts):
        raise _invalid(f"The counts of {where} must be greater than 0.")


def _dimensions(given: Document) -> dict[str, str]:
    return {one["Name"]: one["Value"] for one in given.get("Dimensions") or []}


def _check(period: int, statistics: Iterable[str]) -> None:
    """Raise ApiError for a period or a statistic that there is not."""
    if period not in _SHORT and (period < MINUTE or period % MINUTE):
        raise _invalid("The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60.")
    for one in statistics:
        if one not in _STATISTICS and not PERCENTILE.fullmatch(one):
            raise _invalid(f"The sandbox does not know the statistic {one}: {', '.join(_STATISTICS)} or p0 to p100.")


def _needed(given: Document, name: str) -> Any:
    if given.get(name) in (None, ""):
        raise _missing(f"The parameter {name} is required.")
    return given[name]


def _seconds(moment: datetime) -> float:
    return moment.replace(tzinfo=UTC).timestamp()


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _invalid(message: str) -> ApiError:
    return ApiError("InvalidParameterValue", message)


def _missing(message: str) -> ApiError:
    return ApiError("MissingParameter", message)


def _refused(message: str) -> ApiError:
    return ApiError("ValidationError", message)
