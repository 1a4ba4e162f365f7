"""The instance that serves, and its replacement: on a change of the source, and after a crash.

The old instance serves until the new one is ready. One that does not become ready leaves its failure, which every
request then gets, until a later change works.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from upproxy.local.failure import Failure
from upproxy.local.instance import Instance, StartFailed
from upproxy.local.runtime_api import FunctionError, Reply

Launch = Callable[[], Awaitable[Instance]]
"""Reads the configuration and starts an instance. Raises Failure."""

Explain = Callable[[StartFailed], Failure]

ATTEMPTS = 3  # looks for an instance that lives, per request
DRAIN = 30.0  # seconds that requests in flight have to finish on the old instance


class Service:
    """What the gateway invokes. `retired` instances are stopped in the background; `close` waits for them."""

    def __init__(self, launch: Launch, explain: Explain, on_crash: Callable[[int], None]) -> None:
        self._launch = launch
        self._explain = explain
        self._on_crash = on_crash
        self._current: Instance | None = None
        self._starting: asyncio.Task[None] | None = None
        self._again = False
        self._closing = False
        self._failure: Failure | None = None
        self._instances: set[Instance] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Start a new instance and let it take over when it is ready. Raises Failure, and keeps it for the requests.

        While one is being started, a further call makes that one be followed by another: its source is stale.
        """
        if self._starting is not None:
            self._again = True
        await asyncio.shield(self._begin())

    async def invoke(self, event: bytes, *, timeout: float, request_id: str, trace_id: str) -> Reply:  # noqa: ASYNC109
        """Invoke the current instance, once there is one. Raises Failure and Throttled.

        One that has crashed is replaced first, as Lambda does on the next invocation.
        """
        for _ in range(ATTEMPTS):
            if self._failure is not None:
                raise self._failure.with_traceback(None)
            instance = self._current
            if instance is not None and not instance.exited.done():
                return await instance.invoke(event, timeout=timeout, request_id=request_id, trace_id=trace_id)
            with suppress(Failure):  # the next look finds it
                await asyncio.shield(self._begin())
        return FunctionError.of("Runtime.ExitError", "The runtime process ends as soon as it is ready.")

    async def close(self) -> None:
        """Stop everything."""
        self._closing = True
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait({self._starting})
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*(instance.stop() for instance in self._instances), return_exceptions=True)

    def kill(self) -> None:
        """Kill everything at once: for ways out that leave no time."""
        for instance in self._instances:
            instance.kill()

    def _begin(self) -> asyncio.Task[None]:
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
            self._starting.add_done_callback(self._started)
        return self._starting

    def _started(self, task: asyncio.Task[None]) -> None:
        self._starting = None
        if not task.cancelled():
            task.exception()  # whoever waited for it has it; maybe nobody did

    async def _start(self) -> None:
        while True:
            self._again = False
            try:
                await self._take_over()
            except Failure as failure:
                if not self._again:
                    self._failure = failure
                    old, self._current = self._current, None
                    if old is not None:
                        self._retire(old)
                    raise
            else:
                self._failure = None
            if not self._again:
                return

    async def _take_over(self) -> None:
        instance = await self._launch()
        self._instances.add(instance)
        try:
            await instance.ready()
        except StartFailed as error:
            await self._stop(instance)
            raise self._explain(error) from None
        except BaseException:
            instance.kill()
            raise
        old, self._current = self._current, instance
        instance.exited.add_done_callback(lambda exited: self._ended(instance, exited))
        if old is not None:
            self._retire(old)

    def _ended(self, instance: Instance, exited: asyncio.Future[int]) -> None:
        if instance is self._current and not self._closing and not exited.cancelled():
            self._on_crash(exited.result())
            self._spawn(self._stop(instance))

    def _retire(self, instance: Instance) -> None:
        self._spawn(self._drain(instance))

    async def _drain(self, instance: Instance) -> None:
        await asyncio.wait({asyncio.ensure_future(instance.api.idle.wait())}, timeout=DRAIN)
        await self._stop(instance)

    async def _stop(self, instance: Instance) -> None:
        await instance.stop()
        self._instances.discard(instance)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
