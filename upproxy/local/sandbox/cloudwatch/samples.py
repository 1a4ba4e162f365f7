"""Values of a metric taken together, and the statistics of them.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

PERCENTILE = re.compile(r"p([0-9]{1,2}(?:\.[0-9]{1,10})?|100)")


class Summary(NamedTuple):
    """What is known of values that nobody has told one by one: a StatisticSet of PutMetricData."""

    times: float
    sum: float
    minimum: float
    maximum: float


class Sample:
    """Values, each with how often it came. Nothing of them is lost, so that percentiles are exact."""

    __slots__ = ("summaries", "values")

    def __init__(self) -> None:
        self.values: dict[float, float] = {}
        self.summaries: list[Summary] = []

    def add(self, value: float, count: float = 1.0) -> None:
        """Take a value that came so many times."""
        self.values[value] = self.values.get(value, 0.0) + count

    def merge(self, other: Sample) -> None:
        """Take all of another one."""
        for value, count in other.values.items():
            self.add(value, count)
        self.summaries.extend(other.summaries)

    def statistic(self, name: str) -> float | None:
        """Return a statistic by CloudWatch's name of it; None for one that these values do not have."""
        if found := PERCENTILE.fullmatch(name):
            # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html
            raw = not self.summaries and min(self.values, default=0.0) >= 0
            return percentile(self.values, float(found[1])) if raw else None
        count = sum(self.values.values()) + sum(one.times for one in self.summaries)
        total = sum(value * times for value, times in self.values.items()) + sum(one.sum for one in self.summaries)
        return {
            "SampleCount": count,
            "Sum": total,
            "Average": total / count,
            "Minimum": min([*self.values, *(one.minimum for one in self.summaries)]),
            "Maximum": max([*self.values, *(one.maximum for one in self.summaries)]),
        }[name]


def percentile(counts: Mapping[float, float], percent: float) -> float:
    """Return the smallest of the values that so many percent of all are not above; there has to be one."""
    ordered = sorted(counts)
    needed = sum(counts.values()) * percent / 100
    reached = 0.0
    for value in ordered:
        reached += counts[value]
        if reached >= needed - 1e-9:
            return value
    return ordered[-1]
