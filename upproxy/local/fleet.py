"""All instances of a function: which of them takes an invocation, when there are more of them, and when fewer.

As on Lambda an invocation goes to the instance that was used last among the idle ones, to a new one where all are
busy, and is throttled where there may be no more of them. `upproxy start` without more is the smallest fleet: one
instance that takes many invocations at a time and is never frozen.

The code of a function changes under a fleet: each start begins a generation. The old one serves until the new one is
ready, and one that does not become ready leaves its failure, which every request then gets, until a later start works.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from upproxy.local.failure import Failure
from upproxy.local.instance import BUSY, IDLE, INIT, RESET, Function, Instance, LogStream
from upproxy.local.invocation import TIMED_OUT_KIND, Reply, Throttled
from upproxy.local.processes import sessions
from upproxy.local.runtime_process import Guard, StartFailed

Launch = Callable[[], Awaitable[Function]]
"""Reads the configuration. Raises Failure."""

Explain = Callable[[StartFailed], Failure]
Log = Callable[..., None]

DRAIN = 30.0  # seconds that requests in flight have to finish on instances of the old code
FINISHING = 0.05  # seconds that an invocation waits for an instance that has replied and has not polled yet
AT_ONCE = 2 * (os.cpu_count() or 1)  # provisioned instances that start at a time; on Lambda each has its own processor
MEMORY_WATCH = 0.1  # seconds between looks at the memory of instances that are at work


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """How many instances there may be, how many there always are, and for how many seconds one may be idle.

    `slots` is how many invocations an instance takes at a time; what is beyond them waits when there is one instance
    that is not on demand, and is throttled otherwise.
    """

    most: int = 1
    slots: int = 1
    provisioned: int = 0
    idle_timeout: float = float("inf")


class Fleet:
    """What the gateway invokes. `folder` is where instances have their folders for temporary files.

    `log` takes lines of our own; `logs` is called with the name of an instance's log stream and returns what takes
    those of the instance.
    """

    def __init__(
        self,
        launch: Launch,
        explain: Explain,
        scaling: Scaling,
        *,
        folder: str,
        log: Log,
        logs: Callable[[str], LogStream] = lambda _: LogStream(),
        guard: Guard | None = None,
    ) -> None:
        self.scaling = scaling
        self._launch = launch
        self._explain = explain
        self._folder = folder
        self._log = log
        self._logs = logs
        self._guard = guard
        self._function: Function | None = None
        self._current: set[Instance] = set()
        self._all: set[Instance] = set()
        self._starting: asyncio.Task[None] | None = None
        self._again = False
        self._closing = False
        self._failure: Failure | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._watching = False
        self._expiring: set[Instance] = set()

    @property
    def instances(self) -> tuple[Instance, ...]:
        """Those of the current code, in the order in which they would be chosen."""
        return tuple(sorted(self._current, key=_rank, reverse=True))

    async def start(self) -> None:
        """Begin a generation and let it take over when it is ready. Raises Failure, and keeps it for the requests.

        While one is being started, a further call makes that one be followed by another: its source is stale.
        """
        if self._starting is not None:
            self._again = True
        await asyncio.shield(self._begin())

    async def invoke(
        self,
        event: bytes,
        *,
        timeout: float,  # noqa: ASYNC109  # a value of the protocol, which the runtime is told
        request_id: str = "",
        trace_id: str = "",
        client_context: str = "",
        cognito_identity: str = "",
        tenant_id: str = "",
    ) -> Reply:
        """Invoke the function once and return the reply. `timeout` is the function's, in seconds.

        A failed invocation is a FunctionError. Instances that have served one tenant never serve another. Raises
        Throttled, and Failure where the code does not run at all.
        """
        if self._failure is None and self._function is None:
            with suppress(Failure):  # it is kept
                await asyncio.shield(self._begin())
        if self._failure is not None:
            raise self._failure.with_traceback(None)
        instance = await self._place(tenant_id)
        try:
            return await instance.invoke(
                event,
                timeout=timeout,
                request_id=request_id or str(uuid.uuid4()),
                trace_id=_trace(trace_id),
                client_context=client_context,
                cognito_identity=cognito_identity,
                tenant_id=tenant_id,
            )
        except StartFailed as failed:
            raise self._explain(failed) from None

    async def close(self) -> None:
        """Stop everything."""
        self._closing = True
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait({self._starting})
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*(instance.expire() for instance in self._all), return_exceptions=True)

    def kill(self) -> None:
        """Kill everything at once: for ways out that leave no time."""
        for instance in self._all:
            instance.kill()

    # --- which instance

    async def _place(self, tenant: str) -> Instance:
        """Choose the instance of an invocation and claim it. Raises Throttled."""
        function = self._function
        assert function is not None  # noqa: S101
        candidates = [instance for instance in self.instances if instance.tenant in (None, tenant)]
        instance = next(filter(self._is_free, candidates), None)
        if instance is None and (finishing := next(filter(_is_finishing, candidates), None)) is not None:
            # It has replied and polls in a moment. Lambda's clients are too far away to come in between.
            finishing.claim(tenant)
            try:
                await asyncio.wait_for(finishing.settled.wait(), FINISHING)
            except TimeoutError:
                finishing.release()
            except BaseException:
                finishing.release()
                raise
            else:
                return finishing
        if instance is None and len(self._current) < self.scaling.most:
            instance = self._new(function, provisioned=False)
            self._current.add(instance)
            instance.begin()
        if instance is None and not function.on_demand:
            instance = next(iter(candidates), None)  # its slots are all taken: wait there
        if instance is None:
            raise Throttled(f"all of the {self.scaling.most} instances that there may be are busy: see --max-instances")
        instance.claim(tenant)
        return instance

    def _is_free(self, instance: Instance) -> bool:
        ready = self.scaling.slots > 1 or instance.state in (IDLE, RESET)
        return ready and instance.claims < self.scaling.slots

    def _new(self, function: Function, *, provisioned: bool) -> Instance:
        instance = Instance(
            function,
            folder=self._folder,
            provisioned=provisioned,
            logs=self._logs,
            on_change=self._changed,
            on_crash=self._crashed,
            guard=self._guard,
        )
        self._all.add(instance)
        return instance

    def _changed(self, instance: Instance) -> None:
        """Look after an instance that has come into a new state."""
        if self._closing:
            return
        if instance.state in (INIT, BUSY) and instance.function.on_demand and not self._watching:
            self._watching = True
            self._spawn(self._watch_memory())
        if instance not in self._current:
            return
        if instance.state == RESET and instance.provisioned and not instance.failed:
            self._spawn(self._start_again(instance))
        elif instance.state in (IDLE, RESET) and not instance.provisioned:
            self._expire_later(instance)

    def _crashed(self, code: int) -> None:
        if not self._closing:
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            self._log("error", f"the runtime process ended ({how}); the next request starts another")

    def _expire_later(self, instance: Instance) -> None:
        if instance not in self._expiring and self.scaling.idle_timeout != float("inf"):
            self._expiring.add(instance)
            self._look_at_idle(instance)

    def _look_at_idle(self, instance: Instance) -> None:
        """Expire an instance that has been idle for long enough, or look again when it may have been."""
        left = instance.last_used + self.scaling.idle_timeout - time.monotonic()
        if instance not in self._current or instance.claims or instance.state not in (IDLE, RESET):
            self._expiring.discard(instance)  # when it is idle again it comes back
        elif left > 0:
            asyncio.get_running_loop().call_later(left, self._look_at_idle, instance)
        else:
            self._expiring.discard(instance)
            self._current.discard(instance)
            self._log("info", "an idle instance has expired", instances=len(self._current))
            self._spawn(self._stop(instance))

    async def _start_again(self, instance: Instance) -> None:
        """Bring back a provisioned instance whose process has ended; one that fails waits for an invocation."""
        with suppress(StartFailed):
            await instance.ready()

    async def _watch_memory(self) -> None:
        """Look at the memory of the instances that are at work, while there are any."""
        try:
            while True:
                await asyncio.sleep(MEMORY_WATCH)
                busy = [instance for instance in self._all if instance.state in (INIT, BUSY)]
                if not busy:
                    return
                found = sessions()
                for instance in busy:
                    instance.look(found.get(instance.pid, ()))
        finally:
            self._watching = False

    # --- generations

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
                    self._replace(None, set())
                    raise
            else:
                self._failure = None
            if not self._again:
                return

    async def _take_over(self) -> None:
        """Start a new generation with its first instances, which prove that it works. Raises Failure."""
        function = await self._launch()
        kept = self.scaling.provisioned
        instances = {self._new(function, provisioned=number < kept) for number in range(max(1, kept))}
        few = asyncio.Semaphore(AT_ONCE)
        proofs = [asyncio.create_task(self._prove(instance, few)) for instance in instances]
        try:
            await asyncio.gather(*proofs)
        except BaseException:
            for proof in proofs:
                proof.cancel()
            await asyncio.gather(*map(self._stop, instances))
            raise
        self._replace(function, instances)

    async def _prove(self, instance: Instance, few: asyncio.Semaphore) -> None:
        """Start one of the first instances. Raises Failure."""
        async with few:
            try:
                await instance.ready()
            except StartFailed as failed:
                # On demand an initialisation that takes too long is done again within the first invocation.
                if instance.provisioned or failed.error.kind != TIMED_OUT_KIND:
                    raise self._explain(failed) from None

    def _replace(self, function: Function | None, instances: set[Instance]) -> None:
        old, self._current, self._function = self._current, instances, function
        for instance in old:
            self._spawn(self._drain(instance))
        for instance in instances:
            self._changed(instance)

    async def _drain(self, instance: Instance) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(instance.unclaimed.wait(), DRAIN)
        await self._stop(instance)

    async def _stop(self, instance: Instance) -> None:
        await instance.expire()
        self._all.discard(instance)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _rank(instance: Instance) -> tuple[bool, bool, float]:
    """Order instances: those with a process, then the provisioned, then those that were used last."""
    return instance.state != RESET, instance.provisioned, instance.last_used


def _is_finishing(instance: Instance) -> bool:
    return instance.state == BUSY and not instance.claims


def _trace(trace_id: str) -> str:
    """Complete a trace header as Lambda does: a root, a parent, and whether it is sampled (which here it never is)."""
    if "Root=" not in trace_id:
        trace_id = f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)}"
    if "Parent=" not in trace_id:
        trace_id += f";Parent={secrets.token_hex(8)}"
    return trace_id if "Sampled=" in trace_id else f"{trace_id};Sampled=0"
