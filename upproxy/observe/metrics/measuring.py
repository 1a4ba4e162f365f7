"""Measuring a stage in a region: what is asked of AWS, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from upproxy.aws.errors import NotFound
from upproxy.aws.insights import Insights, Query
from upproxy.aws.metrics import Asked, Metrics
from upproxy.aws.session import Session
from upproxy.observe.metrics import cost, figures, reports, source
from upproxy.observe.metrics.cost import Usage
from upproxy.observe.metrics.figures import Figure, Figures
from upproxy.observe.metrics.source import Log, Source
from upproxy.observe.metrics.span import Span

_YOUNGEST = 3600.0  # seconds that a stage is taken to have been there for: what it did since tells nothing of a month

Report = Callable[[str], None]


@dataclass(frozen=True)
class Measured:
    """The figures of a stage in a region, what it has used, and whether its log still has all of the period."""

    source: Source
    figures: Figures
    usage: Usage
    log_is_whole: bool


def measure(
    session: Session, region: str, what: Source, span: Span, now: float, running: ExitStack, report: Report
) -> Measured:
    """Return the figures of a stage. `now` is in seconds since 1970.

    Queries of logs go on on AWS until they are done: they are entered into `running`, which stops those that are not
    when it is left. Raises AwsError.
    """
    log = what.log
    kept, kept_before = (log is not None and log.has(moment, now) for moment in (span.start, span.before))
    query = None
    if log is not None and kept:
        query = _query(Insights(session, region), log, span, kept_before=kept_before, report=report)
    if query is not None:
        running.enter_context(query)  # before the metrics are asked for, since it takes longest
    measured = _measured(Metrics(session, region), what, span)
    portions = {} if query is None else reports.read(query.rows(report))
    found = {**measured, **figures.of_reports(portions, span, kept=kept, kept_before=kept_before)}
    found |= figures.derived(found, what.memory)
    there = now - (span.start if log is None else max(span.start, log.created))
    return Measured(what, found, cost.used(found, what, max(there, min(_YOUNGEST, span.seconds))), kept)


def _query(insights: Insights, log: Log, span: Span, *, kept_before: bool, report: Report) -> Query | None:
    start = span.before if kept_before else span.start
    try:
        return insights.start(log.group, reports.query(span.unit), start, span.end, report)
    except NotFound:
        return None


def _measured(metrics: Metrics, what: Source, span: Span) -> dict[str, Figure]:
    """Ask for all metrics at once: each in both periods as a whole, and in steps."""
    named = source.metrics(what)
    asked = [Asked(metric, period) for metric in named.values() for period in (span.seconds, span.step)]
    points = iter(metrics.read(asked, span.before, span.end))
    return {name: figures.of_metric(next(points), next(points), span) for name in named}
