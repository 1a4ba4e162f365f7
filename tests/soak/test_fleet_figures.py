"""What the fleet costs: side by side with plain `start`, and in memory."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from bench.local import GIGABYTE, INSTANCES, crowd, warm

pytestmark = pytest.mark.soak

ROUNDS = 40


def test_a_warm_request_costs_under_a_millisecond_more() -> None:
    plain, frozen = map(statistics.median, warm(ROUNDS))
    print(f"median ms a warm request: plain {plain:.2f}, --lambda {frozen:.2f}")
    assert frozen - plain < 1.0


async def test_fifty_instances_fit_in_four_gigabytes(tmp_path: Path) -> None:
    processes, used = await crowd(str(tmp_path))
    print(f"{processes} processes of {INSTANCES} instances hold {used / GIGABYTE:.2f} GB")
    assert processes >= 2 * INSTANCES >= 100
    assert used < 4 * GIGABYTE
