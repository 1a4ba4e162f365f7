"""What the warmer promises, measured: instances that it reaches, and cold starts that it spares users."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from bench.warmth import COUNT, arrivals, measure
from upproxy.config.warm import Warming
from upproxy.local.fleet import Fleet, Scaling
from upproxy.local.schedule import Schedule
from upproxy.local.serve import Options, Project
from upproxy.warmer.warmer import Tick

pytestmark = pytest.mark.soak

TICKS = 100
BURSTS = 36  # of which without warming about two thirds of the requests start cold
SPEED = 60


async def test_on_an_idle_fleet_nearly_every_tick_reaches_all_instances(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text("<p>hello")
    options = Options(directory=str(site), on_demand=True, environment=dict(os.environ))
    project = Project(options, str(tmp_path))
    fleet = Fleet(
        project.function,
        project.explain,
        Scaling(most=2 * COUNT, idle_timeout=60),
        folder=str(tmp_path),
        log=lambda *_, **__: None,
    )
    ticks: asyncio.Queue[Tick] = asyncio.Queue()
    schedule = Schedule(fleet, timeout=30, on_tick=ticks.put_nowait, speed=300)
    try:
        await fleet.start()
        await schedule.keep(Warming(COUNT, 60, None), "site-development")
        found = [await ticks.get() for _ in range(TICKS)]
    finally:
        await schedule.close()
        await fleet.close()
    reached = sum(tick.distinct == COUNT for tick in found)
    held = sum(tick.hold_ms == 75 for tick in found)
    print(f"{reached} of {TICKS} ticks reached {COUNT} instances, {held} of them with the first hold")
    assert reached >= 0.99 * TICKS
    assert sum(tick.failed for tick in found) == 0
    assert sum(tick.cold for tick in found) < COUNT + TICKS // 10


@pytest.mark.timeout(1_800)
async def test_users_see_a_tenth_of_the_cold_starts() -> None:
    bursts = arrivals(BURSTS)
    assert max(burst.size for burst in bursts) == COUNT
    without, warmed = [await measure(strategy, bursts, SPEED) for strategy in ("no warming", "warmer")]
    print(f"cold starts in 1,000 requests: {without.cold:.0f} without, {warmed.cold:.0f} with the warmer")
    assert without.cold > 100
    assert warmed.cold <= without.cold / 10
