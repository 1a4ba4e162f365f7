"""What was used, and its price, reckoned by hand."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from upproxy.observe import prices
from upproxy.observe.metrics.cost import Usage, WarmerUsage, cost, monthly, total, used
from upproxy.observe.metrics.figures import Figure
from upproxy.observe.metrics.source import Source
from upproxy.observe.prices import PRICES

HOUR = 3600.0
MILLION = 1_000_000
X86, ARM = 0.0000166667, 0.0000133334

USAGE = Usage(
    seconds=HOUR, memory=512, invocations=MILLION, billed_ms=100.0 * MILLION + 600_000, init_ms=600_000.0,
    requests=MILLION, log_bytes=2.0 * 1024**3,
)  # fmt: skip
SOURCE = Source(
    function="shop-staging", alias="live", memory=1024, architecture="x86_64", endpoint="function_url", api={},
    log=None, gateway_log="", warmer=None,
)  # fmt: skip


def test_prices():
    assert (prices.REGION, prices.DATE) == ("us-east-1", "March 2026")
    assert all(0 < price < 1 for price in PRICES.values())
    assert prices.provisioned(5, 512) == pytest.approx(5 * 0.5 * 730 * 3600 * 0.0000041667)


def test_parts():
    """A million requests of 100 ms at half a GB, with 1,000 cold starts of 600 ms."""
    parts = {"requests": 0.20, "compute": 50_000 * X86, "init": 300 * X86, "endpoint": 0.0, "logs": 1.0}
    assert cost(USAGE) == pytest.approx(parts)
    assert total(cost(USAGE)) == pytest.approx(sum(parts.values()))
    assert monthly(USAGE) == pytest.approx(730 * sum(parts.values()))


@pytest.mark.parametrize(("endpoint", "price"), [("function_url", 0.0), ("http_api", 1.00), ("rest_api", 3.50)])
def test_endpoints(endpoint, price):
    assert cost(replace(USAGE, endpoint=endpoint))["endpoint"] == pytest.approx(price)


def test_arm_costs_less():
    parts = cost(replace(USAGE, architecture="arm64"))
    assert parts["compute"] == pytest.approx(50_000 * ARM)
    assert parts["init"] == pytest.approx(300 * ARM)


def test_the_warmer():
    """12 ticks of a second, each with 5 messages of 80 ms, and what its three metrics cost in an hour."""
    warmer = WarmerUsage(ticks=12, tick_ms=12_000.0, messages=60, message_ms=4_800.0, log_bytes=1024.0**3)
    parts = cost(replace(USAGE, warmer=warmer))
    own = 12 * (0.20e-6 + 1e-6 + 10e-6) + 12 * 0.125 * X86 + 0.50 + 3 * 0.30 / 730
    assert parts["warmer"] == pytest.approx(own + 60 * 0.20e-6 + 4.8 * 0.5 * X86)
    assert {name: value for name, value in parts.items() if name != "warmer"} == cost(USAGE)


def test_what_is_not_known_has_no_price():
    parts = cost(replace(USAGE, billed_ms=None, init_ms=None))
    assert (parts["compute"], parts["init"]) == (None, None)
    assert total(parts) == pytest.approx(1.20)
    nothing = cost(replace(USAGE, invocations=None, billed_ms=None, init_ms=None, requests=None, log_bytes=None))
    assert total(nothing) is None


def figures(**values):
    return {name: Figure(float(value), None, ()) for name, value in values.items()}


MEASURED = figures(
    requests=1000, invocations=1000, all_invocations=1060, duration_ms=100_000, all_duration_ms=104_800,
    billed_ms=110_000, init_ms=5_000, log_bytes=10, gateway_log_bytes=5,
)  # fmt: skip


def test_without_a_warmer_all_is_for_requests():
    usage = used(MEASURED, SOURCE, HOUR)
    assert (usage.invocations, usage.billed_ms, usage.init_ms, usage.requests) == (1060, 110_000, 5_000, 1000)
    assert (usage.memory, usage.log_bytes, usage.warmer) == (1024, 15, None)


def test_what_the_warmer_has_invoked_is_its_own():
    ticks = figures(warmer_invocations=12, warmer_duration_ms=900, warmer_log_bytes=7)
    usage = used({**MEASURED, **ticks}, replace(SOURCE, warmer="upproxy-shop-staging-warmer"), HOUR)
    assert usage.warmer == WarmerUsage(12, 900, messages=60, message_ms=4_800, log_bytes=7)
    assert (usage.invocations, usage.billed_ms) == (1000, 105_200)


def test_nothing_was_measured():
    usage = used({}, replace(SOURCE, warmer="upproxy-shop-staging-warmer"), HOUR)
    assert (usage.invocations, usage.billed_ms, usage.requests, usage.log_bytes) == (None, None, None, None)
    assert usage.warmer == WarmerUsage(0, 0)


value = some.none() | some.floats(0, 1e12)


@given(some.builds(Usage, seconds=some.floats(1, 1e7), memory=some.integers(128, 10_240), invocations=value,
                   billed_ms=value, init_ms=value, requests=value, log_bytes=value))  # fmt: skip
def test_no_part_costs_less_than_nothing(usage):
    parts = cost(usage)
    assert all(part is None or part >= 0 for part in parts.values())
    assert (total(parts) is None) == all(part is None for part in parts.values())
