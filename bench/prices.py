"""What AWS asks for: list prices in US dollars, without free tiers, of one region at one date. All costs go by it."""

from __future__ import annotations

from typing import NamedTuple

REGION = "us-east-1"
DATE = "March 2026"
PRICES = {
    "request": 0.20 / 1_000_000,  # Lambda
    "GB-second": 0.0000166667,  # Lambda, x86_64
    "GB-second provisioned": 0.0000041667,  # Lambda, x86_64, for being there
    "schedule": 1.00 / 1_000_000,  # EventBridge Scheduler, for each invocation
    "metric": 0.30,  # CloudWatch, for each custom metric in a month
    "metric request": 0.01 / 1_000,  # CloudWatch, GetMetricStatistics
}

MONTH = 730 * 3600  # seconds
WARMER_MEMORY = 128  # MB
WARMER_METRICS = 3


class Usage(NamedTuple):
    """What was used in some time: invocations and billed ms of a function, ticks of a warmer and their ms."""

    seconds: float
    invocations: int
    billed_ms: float
    memory: int
    ticks: int = 0
    tick_ms: float = 0.0


def compute(milliseconds: float, memory: int) -> float:
    """Return the price of running with so many MB."""
    return milliseconds / 1000 * memory / 1024 * PRICES["GB-second"]


def monthly(usage: Usage) -> float:
    """Return the price of a month of that."""
    price = usage.invocations * PRICES["request"] + compute(usage.billed_ms, usage.memory)
    fixed = 0.0
    if usage.ticks:
        price += usage.ticks * (PRICES["request"] + PRICES["schedule"] + PRICES["metric request"])
        price += compute(usage.tick_ms, WARMER_MEMORY)
        fixed = WARMER_METRICS * PRICES["metric"]
    return price * MONTH / usage.seconds + fixed


def provisioned(count: int, memory: int) -> float:
    """Return the price of so many provisioned instances for a month, which do nothing yet."""
    return count * memory / 1024 * MONTH * PRICES["GB-second provisioned"]
