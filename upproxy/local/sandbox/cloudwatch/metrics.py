"""All metrics, by the minute, as CloudWatch keeps those of standard resolution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Self

from upproxy.local.sandbox.cloudwatch.samples import Sample, Summary

MINUTE = 60  # seconds
MOST = 1_000_000  # values that are kept, of about 100 bytes each
_WEIGHT = 5  # values that a sample takes the place of


class Metric(NamedTuple):
    """What a metric is known by: its dimensions, in order, are a part of that."""

    region: str
    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, region: str, namespace: str, name: str, dimensions: Mapping[str, str]) -> Self:
        """Make one, whatever the order of its dimensions."""
        return cls(region, namespace, name, tuple(sorted(dimensions.items())))


class Metrics:
    """Keeps the values of all metrics, up to `most` different ones: then the oldest minute goes, of every metric.

    A value that comes again within a minute takes no further room, so that counts and codes last for days.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._size = 0
        self._minutes: dict[int, dict[Metric, dict[str, Sample]]] = {}

    def put(self, metric: Metric, moment: float, unit: str, value: float, count: float = 1.0) -> None:
        """Take a value of a moment, in seconds since 1970, that came so many times."""
        sample = self._sample(metric, moment, unit)
        before = len(sample.values)
        sample.add(value, count)
        self._grow(len(sample.values) - before)

    def put_summary(self, metric: Metric, moment: float, unit: str, summary: Summary) -> None:
        """Take what is known of values of a moment; values that are all the same are known one by one."""
        if summary.minimum == summary.maximum:
            self.put(metric, moment, unit, summary.minimum, summary.times)
        else:
            self._sample(metric, moment, unit).summaries.append(summary)
            self._grow(1)

    def all(self, region: str) -> set[Metric]:
        """Return the metrics that a region has values of."""
        return {metric for minute in self._minutes.values() for metric in minute if metric.region == region}

    def within(self, metric: Metric, start: float, end: float) -> Iterator[tuple[int, str, Sample]]:
        """Go through the minutes from `start` on and before `end`, in order: each in seconds, with unit and values."""
        for number in sorted(number for number in self._minutes if start <= number * MINUTE < end):
            for unit, sample in self._minutes[number].get(metric, {}).items():
                yield number * MINUTE, unit, sample

    def _sample(self, metric: Metric, moment: float, unit: str) -> Sample:
        units = self._minutes.setdefault(int(moment // MINUTE), {}).setdefault(metric, {})
        if unit not in units:
            units[unit] = Sample()
            self._grow(_WEIGHT)
        return units[unit]

    def _grow(self, size: int) -> None:
        self._size += size
        while self._size > self._most and len(self._minutes) > 1:
            oldest = self._minutes.pop(min(self._minutes))
            self._size -= sum(
                _WEIGHT + len(sample.values) + len(sample.summaries)
                for units in oldest.values()
                for sample in units.values()
            )
