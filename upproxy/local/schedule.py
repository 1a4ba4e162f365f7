"""What the scheduler of AWS does for the warmer: it runs the very same module, against the fleet."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from time import monotonic

from upproxy.config.warm import Warming
from upproxy.local.clock import Clock
from upproxy.local.failure import Failure
from upproxy.local.fleet import Fleet
from upproxy.local.invocation import Buffered, FunctionError, Throttled
from upproxy.warmer import warmer

Report = Callable[[warmer.Tick], None]


class Schedule:
    """Warms a fleet at a rate, while a window is open. `timeout` is the function's, in seconds.

    Time passes `speed` times as fast as it does, by `clock`; `on_tick` is called with what came of each tick.
    """

    def __init__(self, fleet: Fleet, *, timeout: float, on_tick: Report, speed: float = 1.0) -> None:
        self._fleet = fleet
        self._timeout = timeout
        self._on_tick = on_tick
        self._speed = speed
        self.clock = Clock(speed)
        self._running: asyncio.Task[None] | None = None
        self._messages: set[concurrent.futures.Future[bytes]] = set()

    async def keep(self, warming: Warming | None, function: str) -> None:
        """Begin anew, with a tick at once; the instances of new code are cold."""
        await self.close()
        if warming is not None:
            target = warmer.Target(function, "$LATEST", warming.count)
            self._running = asyncio.create_task(self._run(warming, target))

    async def close(self) -> None:
        """Stop, and leave no thread behind that waits for an answer."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})
            self._running = None

    async def _run(self, warming: Warming, target: warmer.Target) -> None:
        due = monotonic()
        while True:
            if warming.window is None or warming.window.contains(self.clock.now()):
                self._on_tick(await self._tick(target))
            due = max(due + warming.rate / self._speed, monotonic())
            await asyncio.sleep(due - monotonic())

    async def _tick(self, target: warmer.Target) -> warmer.Tick:
        scaling = self._fleet.scaling
        free = scaling.most - sum(bool(instance.claims) for instance in self._fleet.instances)
        loop = asyncio.get_running_loop()
        stopping = False

        def invoke(_: warmer.Target, message: bytes) -> bytes:
            if stopping:
                raise concurrent.futures.CancelledError
            future = asyncio.run_coroutine_threadsafe(self._invoke(message), loop)
            self._messages.add(future)
            try:
                return future.result()
            finally:
                self._messages.discard(future)

        work = asyncio.create_task(asyncio.to_thread(warmer.warm, target, invoke, free))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            stopping = True
            while not work.done():  # a message may have been on its way in between
                for future in tuple(self._messages):
                    future.cancel()
                await asyncio.wait({work}, timeout=0.01)
            raise

    async def _invoke(self, message: bytes) -> bytes:
        try:
            reply = await self._fleet.invoke(message, timeout=self._timeout)
        except Throttled as throttled:
            raise warmer.Throttled(str(throttled)) from None
        except Failure as failure:
            raise warmer.FunctionFailed(failure.message) from None
        if isinstance(reply, FunctionError):
            raise warmer.FunctionFailed(reply.message)
        if not isinstance(reply, Buffered):
            reply.close()
            raise warmer.FunctionFailed("the answer is a stream")
        return reply.payload
