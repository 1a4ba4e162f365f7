"""Figures of a period, of the one before it, and their course. What was not measured is None, and never 0."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from upproxy.aws.metrics import Points
from upproxy.observe.metrics import reports
from upproxy.observe.metrics.reports import Reports
from upproxy.observe.metrics.span import Span

Value = float | None


class Figure(NamedTuple):
    """A figure of the period, of the one before it, and its course over the period, a value for each step."""

    now: Value
    before: Value
    course: Sequence[Value]

    def then(self, change: Callable[[Value], Value]) -> Figure:
        """Return the figure that comes of changing every value."""
        return Figure(change(self.now), change(self.before), [change(one) for one in self.course])

    def with_(self, other: Figure, combine: Callable[[Value, Value], Value]) -> Figure:
        """Return the figure that comes of combining each value with the other figure's."""
        course = [combine(one, another) for one, another in zip(self.course, other.course, strict=True)]
        return Figure(combine(self.now, other.now), combine(self.before, other.before), course)


Figures = Mapping[str, Figure]


def of_metric(whole: Points, course: Points, span: Span) -> Figure:
    """Return what CloudWatch has measured: in both periods as a whole, and in steps of the later one."""
    return Figure(whole.get(span.start), whole.get(span.before), [course.get(at) for at in span.steps])


def of_reports(portions: Mapping[int, Reports], span: Span, *, kept: bool, kept_before: bool) -> dict[str, Figure]:
    """Return what the REPORT lines come to, for those of the two periods whose lines are all kept."""
    now = reports.between(portions, span.start, span.end) if kept else None
    before = reports.between(portions, span.before, span.start) if kept_before else None
    course = [reports.between(portions, at, at + span.step) if kept else None for at in span.steps]

    def figure(value: Callable[[Reports], Value]) -> Figure:
        def valued(one: Reports | None) -> Value:
            return None if one is None else value(one)

        return Figure(valued(now), valued(before), [valued(one) for one in course])

    return {
        "all_cold_starts": figure(lambda one: one.cold),
        "init_mean_ms": figure(lambda one: one.init_ms / one.cold if one.cold else None),
        "init_ms": figure(lambda one: one.init_ms),
        "billed_ms": figure(lambda one: one.billed_ms),
        "memory_used_max_bytes": figure(lambda one: one.memory or None),
    }


def derived(figures: Figures, memory: int) -> dict[str, Figure]:
    """Return what follows from what was measured; `memory` is the function's, in MB."""
    # Whatever the warmer has started no request has waited for.
    cold = figures["all_cold_starts"].with_(figures["warmed_cold"], _less)
    return {
        "http_4xx_share": figures["http_4xx"].with_(figures["requests"], _share),
        "http_5xx_share": figures["http_5xx"].with_(figures["requests"], _share),
        "errors_share": figures["errors"].with_(figures["invocations"], _share),
        "cold_starts": cold,
        "cold_starts_share": cold.with_(figures["invocations"], _share),
        "memory_used_max_share": figures["memory_used_max_bytes"].then(lambda value: _share(value, memory * 1_048_576)),
    }


def _share(part: Value, whole: Value) -> Value:
    return None if part is None or not whole else part / whole


def _less(whole: Value, part: Value) -> Value:
    return None if whole is None else max(0.0, whole - (part or 0))
