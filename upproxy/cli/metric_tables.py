"""How the figures of a stage are written: as tables for people, or as one document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from upproxy.cli.output import Cell, Output
from upproxy.config import Config
from upproxy.observe import prices
from upproxy.observe.metrics.change import Direction, better, told
from upproxy.observe.metrics.cost import cost, total
from upproxy.observe.metrics.figures import Figure, Figures, Value
from upproxy.observe.metrics.measuring import Measured
from upproxy.observe.metrics.span import Span
from upproxy.observe.metrics.sparkline import sparkline

_ABSENT = "–"
_NOT_IN_IT = "free tiers, data transfer, storage, provisioned instances, alarms"
_ENDPOINTS = {"function_url": "Function URL", "http_api": "HTTP API", "rest_api": "REST API"}


def write(output: Output, function: str, span: Span, found: Mapping[str, Measured]) -> None:
    """Write tables for each region: of figures, and of costs."""
    start, end = (f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}" for at in (span.start, span.end))
    output.text(f"{function}, {start} to {end} UTC")
    for region, one in found.items():
        source = one.source
        output.text(f"\n{region}: {_ENDPOINTS[source.endpoint]}, {source.architecture}, {source.memory} MB")
        output.table(("", "NOW", "BEFORE", "CHANGE", "COURSE"), _figures(one.figures), right=(1, 2))
        output.text("")
        output.table(("COST", "IN THAT TIME", "A MONTH"), _costs(one), right=(1, 2))
    output.text(f"\nBy list prices of {prices.REGION}, {prices.DATE}, without\n{_NOT_IN_IT}.")


def document(config: Config, span: Span, found: Mapping[str, Measured]) -> dict[str, Any]:
    """Return all of it for other programs; what was not measured is null."""
    return {
        "app": config.name,
        "stage": config.stage,
        "before": _moment(span.before),
        "start": _moment(span.start),
        "end": _moment(span.end),
        "step_s": span.step,
        "prices": {"region": prices.REGION, "date": prices.DATE, "without": _NOT_IN_IT.split(", ")},
        "regions": [_described(region, one) for region, one in found.items()],
    }


class _Row(NamedTuple):
    """A line of the table: its figure, how it is written, which way is better, and the figure of its share.

    One `where_known` is left out where there is nothing to say.
    """

    title: str
    name: str
    written: Callable[[float], str]
    wanted: Direction | None = None
    share: str = ""
    where_known: bool = False


def _count(value: float) -> str:
    if value < 100_000:
        return f"{value:,.0f}"
    return f"{value / 1e3:.0f}k" if value < 1e6 else f"{value / 1e6:,.1f}M"


def _milliseconds(value: float) -> str:
    if value >= 9_995:
        return f"{value / 1000:,.1f} s"
    if value >= 999.5:
        return f"{value / 1000:.2f} s"
    return f"{value:.0f} ms" if value >= 99.95 else f"{value:.1f} ms"


def _megabytes(value: float) -> str:
    return f"{value / 1_048_576:.0f} MB"


def _instances(value: float) -> str:
    return f"{value:.1f}"


_ROWS = (
    _Row("requests", "requests", _count),
    _Row("  4xx", "http_4xx", _count, share="http_4xx_share"),
    _Row("  5xx", "http_5xx", _count, "less", "http_5xx_share"),
    _Row("latency p50", "latency_p50_ms", _milliseconds, "less"),
    _Row("        p90", "latency_p90_ms", _milliseconds, "less"),
    _Row("        p99", "latency_p99_ms", _milliseconds, "less"),
    _Row("duration", "duration_mean_ms", _milliseconds, "less"),
    _Row("cold starts", "cold_starts", _count, "less", "cold_starts_share"),
    _Row("  init", "init_mean_ms", _milliseconds, "less"),
    _Row("errors", "errors", _count, "less", "errors_share"),
    _Row("throttles", "throttles", _count, "less"),
    _Row("concurrency", "concurrency_max", _count),
    _Row("memory", "memory_used_max_bytes", _megabytes, share="memory_used_max_share"),
    _Row("warmed", "warmed_mean", _instances, where_known=True),
)


def _figures(figures: Figures) -> list[list[str | Cell]]:
    lines: list[list[str | Cell]] = []
    for row in _ROWS:
        figure = figures[row.name]
        if row.where_known and figure.now is None and figure.before is None:
            continue
        share = figures[row.share].now if row.share else None
        now = _written(row.written, figure.now) + ("" if share is None else f" ({_percent(share)})")
        change = Cell(told(figure.now, figure.before), _colour(row.wanted, figure, figures[row.share or row.name]))
        lines.append([row.title, now, _written(row.written, figure.before), change, sparkline(figure.course)])
    return lines


def _written(writing: Callable[[float], str], value: Value) -> str:
    return _ABSENT if value is None else writing(value)


def _percent(share: float) -> str:
    if 0 < share < 0.001:
        return "<0.1 %"
    digits = 1 if 0 < share < 0.1 else 0
    return f"{share * 100:.{digits}f} %"


def _colour(wanted: Direction | None, *judged: Figure) -> str | None:
    """Return the colour of a change: a figure and its share must both have become better, or both worse."""
    if wanted is None:
        return None
    verdicts = {better(one.now, one.before, wanted) for one in judged}
    return {True: "green", False: "red", None: None}[verdicts.pop()] if len(verdicts) == 1 else None


def _costs(measured: Measured) -> list[list[str | Cell]]:
    parts = cost(measured.usage)
    unknown = [name for name, value in parts.items() if value is None]
    whole = f"total without {', '.join(unknown)}" if unknown else "total"
    return [
        [name, _written(_dollars, value), _written(_dollars, _a_month(value, measured))]
        for name, value in {**parts, whole: total(parts)}.items()
    ]


def _a_month(value: Value, measured: Measured) -> Value:
    return None if value is None else value * prices.MONTH / measured.usage.seconds


def _dollars(value: float) -> str:
    if value >= 1 or not value:
        return f"${value:,.2f}"
    return f"${value:.4f}" if value >= 0.0001 else "<$0.0001"


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def _described(region: str, measured: Measured) -> dict[str, Any]:
    source, parts = measured.source, cost(measured.usage)
    return {
        "region": region,
        "endpoint": source.endpoint,
        "architecture": source.architecture,
        "memory_bytes": source.memory * 1_048_576,
        "figures": {
            name: {"now": figure.now, "before": figure.before, "course": list(figure.course)}
            for name, figure in measured.figures.items()
        },
        "cost": {
            name: {"period_usd": value, "month_usd": _a_month(value, measured)}
            for name, value in {**parts, "total": total(parts)}.items()
        },
    }
