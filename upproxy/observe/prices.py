"""What AWS asks for: list prices in US dollars, without free tiers, of one region at one date. All costs go by it.

https://aws.amazon.com/lambda/pricing/, https://aws.amazon.com/api-gateway/pricing/,
https://aws.amazon.com/cloudwatch/pricing/ and https://aws.amazon.com/eventbridge/pricing/ have those of today.
"""

from __future__ import annotations

REGION = "us-east-1"
DATE = "March 2026"
PRICES = {
    "request": 0.20 / 1_000_000,  # Lambda
    "GB-second x86_64": 0.0000166667,  # Lambda
    "GB-second arm64": 0.0000133334,  # Lambda
    "GB-second provisioned": 0.0000041667,  # Lambda, x86_64, for being there
    "http_api request": 1.00 / 1_000_000,  # API Gateway, of at most 512 KB
    "rest_api request": 3.50 / 1_000_000,  # API Gateway
    "log GB": 0.50,  # CloudWatch, for being taken in
    "schedule": 1.00 / 1_000_000,  # EventBridge Scheduler, for each invocation
    "metric": 0.30,  # CloudWatch, for each custom metric in a month
    "metric request": 0.01 / 1_000,  # CloudWatch, GetMetricStatistics
}
"""The first tier of each, where many cost less."""

MONTH = 730 * 3600
"""Seconds of a month, as AWS counts them."""


def compute(milliseconds: float, memory: int, architecture: str) -> float:
    """Return the price of running with so many MB, on x86_64 or arm64."""
    return milliseconds / 1000 * memory / 1024 * PRICES[f"GB-second {architecture}"]


def logged(size: float) -> float:
    """Return the price of writing so many bytes to logs."""
    return size / 1024**3 * PRICES["log GB"]


def provisioned(count: int, memory: int) -> float:
    """Return the price of so many provisioned instances for a month, which do nothing yet."""
    return count * memory / 1024 * MONTH * PRICES["GB-second provisioned"]
