"""CloudWatch: figures of metrics.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from upproxy.aws.errors import AwsError
from upproxy.aws.session import Session

_READ = ("Complete", "PartialData")  # the latter where more pages come

Points = Mapping[int, float]
"""Data points, by the moment in seconds since 1970 at which the period of each begins."""


class Metric(NamedTuple):
    """A metric, and which of its statistics: `Sum`, `Average`, `Maximum`, or a percentile such as `p99`."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    statistic: str


class Asked(NamedTuple):
    """A metric in portions of so many seconds, the first one of which begins when the time does that is looked at."""

    metric: Metric
    period: int


class Metrics:
    """The metrics of a region."""

    def __init__(self, session: Session, region: str) -> None:
        self._cloudwatch = session.service("cloudwatch", region)

    def read(self, asked: Sequence[Asked], start: int, end: int) -> list[Points]:
        """Return the data points of up to 500 metrics from a moment on and before another, in seconds since 1970.

        Where nothing was measured there is no point. Raises AwsError.
        """
        found: list[dict[int, float]] = [{} for _ in asked]
        statuses: dict[int, str] = defaultdict(str)
        for page in self._cloudwatch.pages(
            "GetMetricData",
            MetricDataQueries=[_query(number, one) for number, one in enumerate(asked)],
            StartTime=datetime.fromtimestamp(start, UTC),
            EndTime=datetime.fromtimestamp(end, UTC),
            ScanBy="TimestampAscending",
        ):
            for result in page["MetricDataResults"]:
                number = int(result["Id"].removeprefix("m"))
                statuses[number] = result["StatusCode"]
                moments = (int(moment.timestamp()) for moment in result["Timestamps"])
                found[number].update(zip(moments, result["Values"], strict=True))
        for number, status in statuses.items():
            if status not in _READ:
                metric = asked[number].metric
                raise AwsError(
                    f"CloudWatch could not read {metric.name} of {metric.namespace}: {status}",
                    hint="Run it again in a minute.", operation="GetMetricData",
                )  # fmt: skip
        return list(found)


def _query(number: int, asked: Asked) -> dict[str, Any]:
    metric = asked.metric
    return {
        "Id": f"m{number}",
        "MetricStat": {
            "Metric": {
                "Namespace": metric.namespace,
                "MetricName": metric.name,
                "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions],
            },
            "Period": asked.period,
            "Stat": metric.statistic,
        },
    }
