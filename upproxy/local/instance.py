"""One execution environment: its states, its runtime process of the moment, and what Lambda logs of its invocations.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import NamedTuple

from upproxy.local import report
from upproxy.local.environment import LATEST, log_stream
from upproxy.local.invocation import TIMED_OUT_KIND, FunctionError, Invocation, Reply
from upproxy.local.runtime_process import Guard, Line, RuntimeProcess, StartFailed

INIT = "init"  # the runtime process has been started and has not polled yet
IDLE = "idle"  # it polls; frozen, where instances are
BUSY = "busy"  # it has an invocation, or has not polled since
RESET = "reset"  # there is no process: the next invocation starts one, and /tmp is as it was
EXPIRED = "expired"

# (state, event) -> state. What is not here cannot happen.
TRANSITIONS = {
    (INIT, "quiet"): IDLE,
    (INIT, "ended"): RESET,
    (INIT, "expire"): EXPIRED,
    (IDLE, "invoke"): BUSY,
    (IDLE, "quiet"): IDLE,
    (IDLE, "ended"): RESET,
    (IDLE, "expire"): EXPIRED,
    (BUSY, "invoke"): BUSY,
    (BUSY, "quiet"): IDLE,
    (BUSY, "ended"): RESET,
    (BUSY, "expire"): EXPIRED,
    (RESET, "start"): INIT,
    (RESET, "ended"): RESET,
    (RESET, "expire"): EXPIRED,
    (EXPIRED, "quiet"): EXPIRED,
    (EXPIRED, "ended"): EXPIRED,
    (EXPIRED, "expire"): EXPIRED,
}

INIT_LIMIT = 10.0  # seconds, on demand
PROVISIONED_INIT_LIMIT = 130.0  # seconds, or the function's time-out if that is longer
PLATFORM_ERRORS = ("Runtime.", "Extension.", "UpProxy.")  # types of errors that end an environment
MEGABYTE = 1024 * 1024


class Ended(NamedTuple):
    """What an invocation came to; `duration_ms` is what its report says, without initialisation."""

    request_id: str
    duration_ms: float
    failed: bool


@dataclass(frozen=True)
class LogStream:
    """Takes the log of an instance: `line` what its processes print, `platform` what Lambda itself would log.

    `ended` is called when an invocation has ended, which is reported later: when the instance is quiet.
    """

    line: Line = lambda *_: None
    platform: Callable[[str], None] = lambda _: None
    ended: Callable[[Ended], None] = lambda _: None


@dataclass(frozen=True, kw_only=True)
class Function:
    """What all instances of one generation of the code share.

    `environment` lacks what each instance has for itself. `memory` is in MB, `timeout` in seconds. `on_demand`
    instances live as on Lambda: frozen between invocations, with limits of memory and time. Others live as managed
    instances do, which are neither frozen nor killed.
    """

    name: str
    arn: str
    command: Sequence[str]
    environment: Mapping[str, str]
    directory: str
    memory: int
    timeout: float
    on_demand: bool
    version: str = LATEST


class Instance:
    """An execution environment. `claims` counts the invocations that it has, or is meant for.

    `on_change` is called back after each change of state, `on_crash` with the exit code of a process that ends unasked,
    where no report of an invocation tells it. `settled` is set while an invocation need not wait for the one before,
    `unclaimed` while there are no claims. `folder` is where its own folder for temporary files is made.
    """

    def __init__(
        self,
        function: Function,
        *,
        folder: str,
        provisioned: bool,
        logs: Callable[[str], LogStream],
        on_change: Callable[[Instance], None],
        on_crash: Callable[[int], None],
        guard: Guard | None = None,
    ) -> None:
        self.function = function
        self.provisioned = provisioned
        self.state = RESET
        self.failed = False  # its last start
        self.claims = 0
        self.tenant: str | None = None  # whom it serves: nobody yet
        self.last_used = monotonic()
        self.settled = asyncio.Event()
        self.unclaimed = asyncio.Event()
        self.unclaimed.set()
        stream = log_stream(function.version)
        log = logs(stream)
        self._on_line = log.line
        self._on_platform = log.platform
        self._on_ended = log.ended
        self._on_change = on_change
        self._on_crash = on_crash
        self._guard = guard
        self._folder = tempfile.mkdtemp(prefix="tmp-", dir=folder)
        self._environment = {**function.environment, **self._own_variables(stream)}
        self._process: RuntimeProcess | None = None
        self._starting: asyncio.Task[None] | None = None
        self._begun: dict[str, float] = {}  # moments at which the invocations in flight began, by their ids
        self._init_ms: float | None = None  # until the first invocation has reported it
        self._peak = 0
        self._reports: list[Callable[[], None]] = []

    @property
    def pid(self) -> int:
        """The runtime process, and its session; 0 where there is none."""
        return self._process.pid if self._process is not None else 0

    def begin(self, limit: float | None = None, *, phase: str = "init") -> asyncio.Task[None]:
        """Start the runtime process; the task ends when it polls, or with StartFailed. One start at a time is enough.

        `limit` is in seconds; by default what Lambda allows.
        """
        if self._starting is None:
            self._move("start")
            self._starting = asyncio.create_task(self._start(self._init_limit if limit is None else limit, phase))
            self._starting.add_done_callback(self._started)
        return self._starting

    async def ready(self) -> None:
        """Start it, unless it is being started or has been, and wait until it polls. Raises StartFailed."""
        if self.state in (RESET, INIT):
            await asyncio.shield(self.begin())

    def claim(self, tenant: str) -> None:
        """Mean it for an invocation."""
        self.claims += 1
        self.unclaimed.clear()
        self.tenant = tenant

    def release(self) -> None:
        """End a claim."""
        self.claims -= 1
        if not self.claims:
            self.unclaimed.set()
        if self.state == IDLE:
            self._rest()

    async def invoke(self, event: bytes, *, timeout: float, request_id: str, **values: str) -> Reply:  # noqa: ASYNC109
        """Invoke it; it has been claimed for that, and the claim ends with the invocation.

        Where its first initialisation has failed, or its process has ended, it is initialised within the invocation,
        whose time that takes. On demand a second failure is the reply; else it raises StartFailed.
        """
        on_demand = self.function.on_demand
        began = 0.0
        try:
            if self.state == INIT:
                try:
                    await self.ready()
                except StartFailed:
                    if not on_demand:
                        raise
            if on_demand:
                self._on_platform(report.start(request_id, self.function.version))
            began = monotonic()
            if self.state == RESET:
                await asyncio.shield(self.begin(timeout if on_demand else None, phase="invoke"))
            process = self._process
            if process is None or self.state not in (IDLE, BUSY):
                raise StartFailed(FunctionError.of("Runtime.ExitError", "The execution environment is gone."))
        except StartFailed as failed:
            self.release()
            if not on_demand:
                raise
            return self._never_started(failed, request_id, timeout, monotonic() - began)
        except BaseException:
            self.release()
            raise
        self._move("invoke")
        if on_demand:
            process.thaw()
        self._begun[request_id] = began
        spent = monotonic() - began
        return await process.invoke(event, timeout=timeout, spent=spent, request_id=request_id, **values)

    def look(self, members: Sequence[int]) -> None:
        """Take note of the processes of its session; end it if they hold more memory than the function has."""
        if self._process is None or self.state not in (INIT, BUSY):
            return
        self._process.look(members)
        if self._measure() > self.function.memory * MEGABYTE:
            self._process.kill("Runtime.OutOfMemory", "Runtime exited with error: signal: killed")

    async def expire(self) -> None:
        """Shut it down for good, as Lambda does with one that has been idle for long."""
        self._move("expire")
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait({self._starting})
        if self._process is not None:
            await (self._process.shut_down() if self.function.on_demand else self._process.stop())
        shutil.rmtree(self._folder, ignore_errors=True)

    def kill(self) -> None:
        """Kill it at once: for ways out that leave no time."""
        if self._process is not None:
            self._process.kill()

    # --- the process

    @property
    def _init_limit(self) -> float | None:
        if not self.function.on_demand:
            return None
        return max(PROVISIONED_INIT_LIMIT, self.function.timeout) if self.provisioned else INIT_LIMIT

    def _own_variables(self, stream: str) -> dict[str, str]:
        own = {"AWS_LAMBDA_LOG_STREAM_NAME": stream}
        if self.function.on_demand:
            own["TMPDIR"] = self._folder
            if self.provisioned:
                own["AWS_LAMBDA_INITIALIZATION_TYPE"] = "provisioned-concurrency"
        return own

    async def _start(self, limit: float | None, phase: str) -> None:
        began = monotonic()
        function = self.function
        process = self._process = RuntimeProcess(
            function.command,
            self._environment,
            directory=function.directory,
            function_name=function.name,
            arn=function.arn,
            on_line=self._on_line,
            on_finished=self._finished,
            on_quiet=lambda: self._quiet(process),
            guard=self._guard,
        )
        process.exited.add_done_callback(lambda exited: self._ended(process, exited))
        try:
            await process.start()
        except OSError as error:
            raise StartFailed(FunctionError.of("Runtime.ExitError", f"cannot start the runtime: {error}")) from None
        try:
            async with asyncio.timeout(limit):
                await process.ready()
        except TimeoutError:
            self._init_failed(began, phase, "timeout")
            process.kill()
            await process.stop(0)
            message = f"the initialisation took longer than {limit:g} seconds"
            raise StartFailed(FunctionError.of(TIMED_OUT_KIND, message)) from None
        except StartFailed as failed:
            self._init_failed(began, phase, "error", failed.error.kind)
            await process.stop()
            raise
        except BaseException:
            process.kill()
            raise
        if phase == "init" and not self.provisioned:
            self._init_ms = (monotonic() - began) * 1000

    def _started(self, task: asyncio.Task[None]) -> None:
        self._starting = None
        self.failed = task.cancelled() or task.exception() is not None
        if self.failed and self.state == INIT:
            self._move("ended")

    def _init_failed(self, began: float, phase: str, status: str, error_type: str = "") -> None:
        if self.function.on_demand:
            took = (monotonic() - began) * 1000
            self._on_platform(report.init_report(took, phase=phase, status=status, error_type=error_type))

    def _ended(self, process: RuntimeProcess, exited: asyncio.Future[int]) -> None:
        if exited.cancelled() or process is not self._process:
            return
        self._report()
        if self.state == IDLE or (self.state == BUSY and not self.function.on_demand):  # else the report says it
            self._on_crash(exited.result())
        if self.state in (IDLE, BUSY):
            self._move("ended")

    # --- invocations

    def _move(self, event: str) -> None:
        self.state = TRANSITIONS[self.state, event]
        if self.state in (IDLE, RESET):
            self.settled.set()
        else:
            self.settled.clear()
        self._on_change(self)

    def _rest(self) -> None:
        if self.function.on_demand and not self.claims and self._process is not None:
            self._process.freeze()

    def _quiet(self, process: RuntimeProcess) -> None:
        """Freeze: everything polls, and nothing is in flight."""
        if process is not self._process or self.state in (RESET, EXPIRED):
            return
        if self._reports:
            # What the process printed before it polled may still be in its pipe; by the next turn it has been shown.
            self._measure()
            asyncio.get_running_loop().call_soon(self._report)
        self.last_used = monotonic()
        self._move("quiet")
        self._rest()

    def _finished(self, invocation: Invocation) -> None:
        self.release()
        began = self._begun.pop(invocation.request_id, monotonic())
        if not self.function.on_demand:
            return
        request_id, error = invocation.request_id, invocation.error
        took = _took(error, monotonic() - began, invocation.timeout)
        init_ms, self._init_ms = self._init_ms, None
        self._on_ended(Ended(request_id, took * 1000, error is not None))
        self._reports.append(lambda: self._write_report(request_id, took, init_ms, error))
        if error is not None and error.kind == TIMED_OUT_KIND and self._process is not None:
            self._process.kill()

    def _never_started(self, failed: StartFailed, request_id: str, timeout: float, took: float) -> FunctionError:
        """Word a failed initialisation within an invocation as its reply, and report it."""
        error = failed.error
        if error.kind == TIMED_OUT_KIND:
            error = FunctionError.of(TIMED_OUT_KIND, report.timed_out(request_id, timeout))
        took = _took(error, took, timeout)
        self._on_ended(Ended(request_id, took * 1000, True))
        self._write_report(request_id, took, None, error)
        return error

    def _report(self) -> None:
        reports, self._reports = self._reports, []
        for write in reports:
            write()

    def _write_report(self, request_id: str, took: float, init_ms: float | None, error: FunctionError | None) -> None:
        status = error_type = ""
        if error is not None and error.kind == TIMED_OUT_KIND:
            status = "timeout"
            self._on_platform(error.message)
        elif error is not None and error.kind.startswith(PLATFORM_ERRORS):
            status, error_type = "error", error.kind
            if error.message.startswith(f"RequestId: {request_id} "):
                self._on_platform(report.exited(error.message, error.kind))
        self._on_platform(report.end(request_id))
        line = report.report(
            request_id,
            duration_ms=took * 1000,
            memory_mb=self.function.memory,
            used_mb=min(self.function.memory, -(-self._peak // MEGABYTE)),
            init_ms=init_ms,
            status=status,
            error_type=error_type,
        )
        self._on_platform(line)

    def _measure(self) -> int:
        if self._process is None:
            return 0
        used = self._process.memory(self.function.memory * MEGABYTE)
        self._peak = max(self._peak, used)
        return used


def _took(error: FunctionError | None, seconds: float, timeout: float) -> float:
    """Return what an invocation took as Lambda tells it: what timed out took exactly as long as it may."""
    return timeout if error is not None and error.kind == TIMED_OUT_KIND else seconds
