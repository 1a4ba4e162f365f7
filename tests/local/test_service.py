"""Reload, failure and crash of the instance that serves."""

import asyncio
import json

import pytest

from upproxy.local.failure import Failure
from upproxy.local.runtime_api import Buffered
from upproxy.local.service import Service


@pytest.fixture
async def serve(start):
    """A service whose instances start by the scripts given, one after another, the last one for ever."""
    services = []

    def serve(*scripts):
        remaining = list(scripts)
        launched = []
        crashes = []

        async def launch():
            script = remaining.pop(0) if len(remaining) > 1 else remaining[0]
            if script == "misconfigured":
                raise Failure("up.yml is wrong")
            launched.append(await start(script))
            return launched[-1]

        service = Service(launch, lambda failed: Failure(failed.error.message), crashes.append)
        service.launched = launched
        service.crashes = crashes
        services.append(service)
        return service

    yield serve
    for service in services:
        await service.close()


async def invoke(service, **event):
    return await service.invoke(json.dumps(event).encode(), timeout=30, request_id="", trace_id="")


async def test_requests_wait_for_the_first_start(serve):
    service = serve("")
    starting = asyncio.create_task(service.start())
    assert isinstance(await invoke(service), Buffered)
    await starting


async def test_the_old_one_serves_until_the_new_one_is_ready_and_then_finishes(serve, until):
    service = serve("", "hang", "")
    await service.start()
    old = service.launched[0]
    reloading = asyncio.create_task(service.start())
    await until(lambda: len(service.launched) == 2)
    assert isinstance(await invoke(service), Buffered)
    stream = await invoke(service, do="stream", chunks=["a"], endless=True)
    service.launched[1].kill()
    with pytest.raises(Failure):
        await reloading
    with pytest.raises(Failure):
        await invoke(service)
    assert not old.exited.done()  # it still has the stream
    stream.close()
    await old.exited
    await service.start()
    assert isinstance(await invoke(service), Buffered)


@pytest.mark.parametrize("broken", ["init-error:no such table", "misconfigured", "exit:1"])
async def test_a_failed_start_is_told_to_every_request_until_one_works(serve, broken):
    service = serve("", broken, "")
    await service.start()
    with pytest.raises(Failure) as failed:
        await service.start()
    for _ in range(2):
        with pytest.raises(Failure) as told:
            await invoke(service)
        assert told.value is failed.value
    await service.launched[0].exited
    await service.start()
    assert isinstance(await invoke(service), Buffered)


async def test_changes_during_a_start_make_one_more_start(serve, until):
    service = serve("init-error:half saved", "")
    first = asyncio.create_task(service.start())
    await until(lambda: service.launched)
    await asyncio.gather(first, service.start(), service.start())
    assert len(service.launched) == 2
    assert isinstance(await invoke(service), Buffered)


async def test_a_crashed_instance_is_replaced_by_the_next_request(serve):
    service = serve("")
    await service.start()
    assert (await invoke(service, do="exit", code=4)).kind == "Runtime.ExitError"
    await service.launched[0].exited
    replies = await asyncio.gather(invoke(service), invoke(service))
    assert all(isinstance(reply, Buffered) for reply in replies)
    assert (len(service.launched), service.crashes) == (2, [4])


async def test_closing_during_a_start_leaves_nothing(serve, until):
    service = serve("hang")
    starting = asyncio.create_task(service.start())
    await until(lambda: service.launched)
    await service.close()
    assert service.launched[0].exited.done()
    with pytest.raises(asyncio.CancelledError):
        await starting
