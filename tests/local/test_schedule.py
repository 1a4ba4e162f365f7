"""The warmer against real instances, at a rate and in a window."""

import asyncio
import os
import threading
from datetime import timedelta

import pytest

from tests.local.conftest import ARN, SCRIPTED
from upproxy.config.warm import Warming
from upproxy.config.window import Window
from upproxy.local.failure import Failure
from upproxy.local.fleet import Fleet, Scaling
from upproxy.local.instance import IDLE, Function
from upproxy.local.schedule import Schedule
from upproxy.local.serve import Options, Project

MINUTE = 60


class Ticks(asyncio.Queue):
    """What came of each."""

    def __call__(self, tick):
        self.put_nowait(tick)


@pytest.fixture
async def warmed(tmp_path):
    """A schedule over a fleet of the runtime process with files alone, or of whatever is launched instead."""
    made = []

    def build(most=8, launch=None, speed=1.0):
        folder = tmp_path / "site"
        folder.mkdir()
        (folder / "index.html").write_text("<p>hello")
        options = Options(directory=str(folder), on_demand=True, environment=dict(os.environ))
        project = Project(options, str(tmp_path))
        fleet = Fleet(
            launch or project.function,
            project.explain,
            Scaling(most=most),
            folder=str(tmp_path),
            log=lambda *_, **__: None,
        )
        ticks = Ticks()
        schedule = Schedule(fleet, timeout=30, on_tick=ticks, speed=speed)
        made.append((schedule, fleet))
        return schedule, fleet, ticks

    yield build
    for schedule, fleet in made:
        await schedule.close()
        await fleet.close()


async def test_so_many_instances_are_warm_and_stay_so(warmed):
    schedule, fleet, ticks = warmed(speed=600)
    await fleet.start()
    await schedule.keep(Warming(3, MINUTE, None), "shop-development")
    first, second = await ticks.get(), await ticks.get()
    assert (first.asked, first.distinct, first.failed) == (3, 3, 0)
    assert first.target.function == "shop-development"
    assert (second.distinct, second.cold, second.failed) == (3, 0, 0)
    await schedule.close()
    assert len(fleet.instances) == 3
    await asyncio.gather(*(instance.settled.wait() for instance in fleet.instances))
    assert {instance.state for instance in fleet.instances} == {IDLE}


async def test_half_of_what_there_may_be_is_left_to_requests(warmed):
    schedule, fleet, ticks = warmed(most=4)
    await schedule.keep(Warming(3, MINUTE, None), "shop-development")
    tick = await ticks.get()
    assert (tick.asked, tick.distinct) == (2, 2)
    assert len(fleet.instances) == 2


async def test_only_while_the_window_is_open(warmed):
    schedule, _, ticks = warmed(speed=600)
    opens = schedule.clock.now().replace(second=0, microsecond=0) + timedelta(minutes=5)
    window = Window.parse(f"{opens:%H:%M}-{opens + timedelta(hours=12):%H:%M}")
    await schedule.keep(Warming(1, MINUTE, window), "shop-development")
    assert (await ticks.get()).distinct == 1
    assert schedule.clock.now() >= opens


async def test_new_settings_take_the_place_of_old_ones(warmed):
    schedule, _, ticks = warmed()
    await schedule.keep(Warming(1, MINUTE, None), "shop-development")
    assert (await ticks.get()).target.count == 1
    await schedule.keep(Warming(2, MINUTE, None), "shop-production")
    tick = await ticks.get()
    assert (tick.target.function, tick.target.count) == ("shop-production", 2)
    tasks = asyncio.all_tasks()
    await schedule.keep(None, "shop-production")
    assert any(task.cancelled() for task in tasks)
    assert ticks.empty()


async def test_code_that_does_not_run_is_told(warmed):
    async def launch():
        raise Failure("up.yml is wrong")

    schedule, _, ticks = warmed(launch=launch)
    await schedule.keep(Warming(1, MINUTE, None), "shop-development")
    tick = await ticks.get()
    assert (tick.distinct, tick.failed, tick.reason) == (0, 2, "FunctionFailed: up.yml is wrong")


async def scripted(script):
    return Function(
        name="shop-development",
        arn=ARN,
        command=SCRIPTED,
        environment={**os.environ, "SCRIPT": script},
        directory="/",
        memory=256,
        timeout=30,
        on_demand=True,
    )


async def test_a_function_of_another_kind_is_told(warmed):
    schedule, _, ticks = warmed(launch=lambda: scripted(""))
    await schedule.keep(Warming(1, MINUTE, None), "shop-development")
    assert "does not know the message" in (await ticks.get()).reason


async def test_an_end_in_the_middle_leaves_no_thread(warmed):
    launched = asyncio.Event()

    async def launch():
        launched.set()
        return await scripted("hang")

    before = set(threading.enumerate())
    schedule, _, ticks = warmed(launch=launch)
    await schedule.keep(Warming(2, MINUTE, None), "shop-development")
    await launched.wait()
    await schedule.close()
    assert ticks.empty()
    left = {thread for thread in threading.enumerate() if "asyncio" not in thread.name} - before
    assert left == set()
