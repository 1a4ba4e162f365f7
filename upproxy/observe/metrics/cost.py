"""What was used, and what that costs by the list prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from upproxy.observe.metrics.figures import Figure, Figures, Value
from upproxy.observe.metrics.source import Source
from upproxy.observe.prices import MONTH, PRICES, compute, logged

WARMER_MEMORY = 128  # MB
WARMER_METRICS = 3
_NOTHING = Figure(None, None, ())


@dataclass(frozen=True)
class WarmerUsage:
    """What the warmer has used: its own invocations and their ms, and those of the function for its messages."""

    ticks: float
    tick_ms: float
    messages: float = 0.0
    message_ms: float = 0.0
    log_bytes: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What was used in some seconds; None for what is not known.

    `invocations`, `billed_ms` and, as a part of these, `init_ms` are those of requests, `requests` what has come to the
    `endpoint`, and `warmer` is None where there is no warmer. Initialisation is billed like anything else, of
    managed runtimes since August 2025: https://aws.amazon.com/blogs/compute/aws-lambda-standardizes-billing-for-init-phase/
    """

    seconds: float
    memory: int
    invocations: Value
    billed_ms: Value
    architecture: str = "x86_64"
    init_ms: Value = 0.0
    endpoint: str = "function_url"
    requests: Value = 0.0
    log_bytes: Value = 0.0
    warmer: WarmerUsage | None = None


def used(figures: Figures, source: Source, seconds: float) -> Usage:
    """Return what a stage has used in the period of its figures, of which it was there for so many seconds."""

    def value(name: str) -> Value:
        return figures.get(name, _NOTHING).now

    invocations, billed_ms = value("all_invocations"), value("billed_ms")
    warmer = None
    if source.warmer is not None:
        # The rest was invoked by version: by the warmer, and now and then by the check of a release or by a command.
        messages = _rest(value("all_invocations"), value("invocations"))
        message_ms = _rest(value("all_duration_ms"), value("duration_ms"))
        warmer = WarmerUsage(
            value("warmer_invocations") or 0.0, value("warmer_duration_ms") or 0.0, messages, message_ms,
            value("warmer_log_bytes") or 0.0,
        )  # fmt: skip
        invocations = None if invocations is None else _rest(invocations, messages)
        billed_ms = None if billed_ms is None else _rest(billed_ms, message_ms)
    return Usage(
        seconds=seconds,
        memory=source.memory,
        architecture=source.architecture,
        invocations=invocations,
        billed_ms=billed_ms,
        init_ms=value("init_ms"),
        endpoint=source.endpoint,
        requests=value("requests"),
        log_bytes=_sum(value("log_bytes"), value("gateway_log_bytes")),
        warmer=warmer,
    )


def cost(usage: Usage) -> dict[str, Value]:
    """Return what that costs in US dollars, by what it is for; None for what is not known."""
    init_ms, billed_ms = usage.init_ms, usage.billed_ms
    run_ms = None if billed_ms is None or init_ms is None else _rest(billed_ms, init_ms)
    parts = {
        "requests": None if usage.invocations is None else usage.invocations * PRICES["request"],
        "compute": None if run_ms is None else compute(run_ms, usage.memory, usage.architecture),
        "init": None if init_ms is None else compute(init_ms, usage.memory, usage.architecture),
        "endpoint": _endpoint(usage),
        "logs": None if usage.log_bytes is None else logged(usage.log_bytes),
    }
    return parts if usage.warmer is None else {**parts, "warmer": _warmer(usage, usage.warmer)}


def total(parts: Mapping[str, Value]) -> Value:
    """Return the sum of what is known, None where nothing is."""
    return _sum(*parts.values())


def monthly(usage: Usage) -> float:
    """Return the price of a month of that."""
    return (total(cost(usage)) or 0.0) * MONTH / usage.seconds


def _endpoint(usage: Usage) -> Value:
    price = PRICES.get(f"{usage.endpoint} request", 0.0)  # a Function URL has none
    return None if usage.requests is None else usage.requests * price


def _warmer(usage: Usage, warmer: WarmerUsage) -> float:
    tick = PRICES["request"] + PRICES["schedule"] + PRICES["metric request"]
    metrics = WARMER_METRICS * PRICES["metric"] * usage.seconds / MONTH
    return (
        metrics
        + warmer.ticks * tick
        + compute(warmer.tick_ms, WARMER_MEMORY, "x86_64")
        + warmer.messages * PRICES["request"]
        + compute(warmer.message_ms, usage.memory, usage.architecture)
        + logged(warmer.log_bytes)
    )


def _rest(whole: Value, part: Value) -> float:
    return max(0.0, (whole or 0.0) - (part or 0.0))


def _sum(*values: Value) -> Value:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
