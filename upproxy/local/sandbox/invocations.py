"""Lambda's data plane: versions run from the zip that was uploaded, each on a fleet of its own."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any, NamedTuple, TypeVar

from upproxy.local.environment import reserved
from upproxy.local.failure import Failure
from upproxy.local.fleet import DRAIN, Fleet, Scaling
from upproxy.local.instance import Ended, Function, LogStream
from upproxy.local.invocation import Buffered, FunctionError, Reply, Stream, StreamBroken, Throttled
from upproxy.local.runtime_process import StartFailed
from upproxy.local.sandbox.cloudwatch.counting import Counting
from upproxy.local.sandbox.errors import ApiError
from upproxy.local.sandbox.functions import Functions
from upproxy.local.sandbox.logs import Logs
from upproxy.local.sandbox.state import Invoked, Version
from upproxy.local.sandbox.unpacked import Unpacked
from upproxy.local.watchdog import Watchdog

TASK = "/var/task"
WRAPPER = "AWS_LAMBDA_EXEC_WRAPPER"
REPORT_WAIT = 2.0  # seconds that the report of an invocation is waited for
RUNNER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "handler_runner.py")

_DECISIVE = ("CodeSha256", "Environment", "Handler", "LoggingConfig", "MemorySize", "Runtime", "Timeout")

_T = TypeVar("_T")

Python = Callable[[str], Awaitable[str]]
"""Finds an interpreter by its minor version, such as 3.13. Raises Failure."""


class NotStarted(Failure):
    """Code could not be initialised; `kind` is AWS's name of the reason."""

    def __init__(self, message: str, kind: str, output: tuple[str, ...]) -> None:
        super().__init__(message, output=output)
        self.kind = kind


class Done(NamedTuple):
    """What an invocation came to; `error` is AWS's name of the kind of failure, empty for none."""

    payload: bytes
    error: str
    log: str


@dataclass
class _Running:
    """A version that runs: its fleet, the hash of its code, and the logs of its last invocations by request id."""

    fleet: Fleet
    digest: str
    revision: str
    reports: dict[str, asyncio.Future[str]] = field(default_factory=dict)


class Invocations:
    """Runs functions, and has it counted.

    `environment` is what every function gets besides its own, `scaling` that of each.
    """

    def __init__(
        self,
        logs: Logs,
        counting: Counting,
        *,
        folder: str,
        watchdog: Watchdog,
        python: Python,
        runtime: str,
        environment: Mapping[str, str],
        scaling: Scaling,
        log: Callable[..., None],
    ) -> None:
        self._logs = logs
        self._counting = counting
        self._folder = folder
        self._unpacked = Unpacked(os.path.join(folder, "code"))
        self._watchdog = watchdog
        self._python = python
        self._runtime = runtime
        self._environment = environment
        self._scaling = scaling
        self._log = log
        self._running: dict[tuple[str, str, str], _Running] = {}
        self._fleets: dict[Fleet, str] = {}  # with the hashes of their code; those that are being closed, too
        self._tasks: set[asyncio.Task[Any]] = set()
        self.functions: Functions

    async def invoke(self, invoked: Invoked, event: bytes, request_id: str) -> Done:
        """Invoke a version and wait for its reply. Raises ApiError."""
        running = self._run(invoked.version)
        report = running.reports[request_id] = asyncio.get_running_loop().create_future()
        try:
            reply = await self.reply(invoked, event, request_id)
            payload, error = await _whole(reply)
            try:
                log = await asyncio.wait_for(report, REPORT_WAIT)
            except TimeoutError:
                log = ""
            return Done(payload, error, log)
        except Throttled:
            raise ApiError("TooManyRequestsException", "Rate Exceeded.", 429) from None
        except Failure as failure:
            kind = failure.kind if isinstance(failure, NotStarted) else "Runtime.ExitError"
            message = {"errorType": kind, "errorMessage": failure.message}
            return Done(json.dumps(message).encode(), "Unhandled", "\n".join(failure.output))
        finally:
            running.reports.pop(request_id, None)

    async def reply(self, invoked: Invoked, event: bytes, request_id: str, **values: str) -> Reply:
        """Invoke a version and return its reply as it comes. Raises Throttled and Failure.

        Every invocation passes here, and is counted. Like on AWS it goes on when whoever asked for it is gone.
        """
        invocation = self._spawn(self._reply(invoked, event, request_id, values))
        try:
            return await asyncio.shield(invocation)
        except asyncio.CancelledError:
            invocation.add_done_callback(_dropped)
            raise

    async def _reply(self, invoked: Invoked, event: bytes, request_id: str, values: Mapping[str, str]) -> Reply:
        version = invoked.version
        reserved_ = self.functions.find(version.region, version.name).reserved
        self._counting.began(invoked, request_id, reserved=reserved_ is not None)
        began = monotonic()
        try:
            fleet = self._run(version).fleet
            if not fleet.scaling.most:
                raise Throttled(f"no concurrency is left to {version.name}")
            timeout = float(version.configuration["Timeout"])
            return await fleet.invoke(event, timeout=timeout, request_id=request_id, **values)
        except Throttled:
            self._counting.throttled(request_id)
            raise
        except Exception as error:
            self._counting.ended(request_id, (monotonic() - began) * 1000, failed=True)
            if isinstance(error, Failure):  # the first start: on AWS it is initialised again for the next invocation
                self._forget(version)
            raise

    def begin(self, invoked: Invoked, event: bytes, request_id: str) -> None:
        """Invoke a version, and let it be."""

        async def invoke() -> None:
            try:
                await self.invoke(invoked, event, request_id)
            except ApiError as error:
                name = invoked.version.name
                self._log("warn", f"an event of {name} was not taken, and is not tried again: {error}")

        self._spawn(invoke())

    def changed(self, region: str, name: str) -> None:
        """Stop what no longer exists or has become another one, and have as many instances as there shall be."""
        for key in [key for key in self._running if key[:2] == (region, name)]:
            try:
                version = self.functions.resolve(*key)
            except ApiError:
                version = None
            running = self._running[key]
            if version is None or running.revision != _revision(version):
                del self._running[key]
                self._retire(running)
            elif (scaling := self._scaled(version)) != running.fleet.scaling:
                again = scaling.provisioned != running.fleet.scaling.provisioned
                running.fleet.scaling = scaling
                if again:
                    self._spawn(_begun(running.fleet))
        for version in self._provisioned(region, name):
            if (region, name, version.number) not in self._running:
                self._spawn(_begun(self._run(version).fleet))

    async def close(self) -> None:
        """Stop everything."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(fleet.close() for fleet in self._fleets), return_exceptions=True)

    def kill(self) -> None:
        """Kill everything at once."""
        for fleet in self._fleets:
            fleet.kill()

    def _run(self, version: Version) -> _Running:
        key = (version.region, version.name, version.number)
        if key not in self._running:
            fleet = Fleet(
                lambda: self._describe(version),
                _explain,
                self._scaled(version),
                folder=self._folder,
                log=self._log,
                logs=lambda stream: self._stream(version, stream),
                guard=self._watchdog,
            )
            self._fleets[fleet] = version.configuration["CodeSha256"]
            self._running[key] = _Running(fleet, version.configuration["CodeSha256"], _revision(version))
        return self._running[key]

    def _scaled(self, version: Version) -> Scaling:
        """Return how many instances of a version there may be, and how many there always are."""
        reserved_ = self.functions.find(version.region, version.name).reserved
        most = self._scaling.most if reserved_ is None else min(self._scaling.most, reserved_)
        provisioned = min(self.functions.provisioned(version), most)
        return replace(self._scaling, most=most, provisioned=provisioned)

    def _provisioned(self, region: str, name: str) -> list[Version]:
        """Return the versions of a function of which there are always instances."""
        try:
            versions = self.functions.find(region, name).versions.values()
        except ApiError:
            return []
        return [version for version in versions if self.functions.provisioned(version)]

    def _forget(self, version: Version) -> None:
        running = self._running.pop((version.region, version.name, version.number), None)
        if running is not None:
            self._retire(running)

    def _retire(self, running: _Running) -> None:
        """Close the fleet of what no longer runs, when the requests that it has are answered."""
        fleet = running.fleet

        async def drain() -> None:
            with suppress(TimeoutError):
                async with asyncio.timeout(DRAIN):
                    for instance in fleet.instances:
                        await instance.unclaimed.wait()
            await fleet.close()
            del self._fleets[fleet]
            if running.digest not in self._fleets.values():
                await self._unpacked.drop(running.digest)

        self._spawn(drain())

    def _stream(self, version: Version, name: str) -> LogStream:
        def on_ended(ended: Ended) -> None:
            self._counting.ended(ended.request_id, ended.duration_ms, failed=ended.failed)

        def on_report(request_id: str, log: str) -> None:
            running = self._running.get((version.region, version.name, version.number))
            report = running.reports.get(request_id) if running else None
            if report is not None and not report.done():
                report.set_result(log)

        group = str(version.configuration["LoggingConfig"]["LogGroup"])
        return self._logs.stream(version.region, version.name, group, name, on_ended, on_report)

    async def _describe(self, version: Version) -> Function:
        """Describe how a version is started, as AWS's own runtime would. Raises Failure."""
        configuration = version.configuration
        runtime = str(configuration["Runtime"])
        if not runtime.startswith("python"):
            raise Failure(f"the sandbox runs Python alone, and not {runtime}")
        minor = runtime.removeprefix("python")
        python = await self._python(minor)
        task = await self._unpacked.unpack(version)
        programs = self._programs(minor, python)
        own = {name: value.replace(TASK, task) for name, value in configuration["Environment"]["Variables"].items()}
        runner = (python, "-u", RUNNER, str(configuration["Handler"]))  # what is printed is logged before the reply
        # A wrapper takes the runtime's place, and is given its command.
        command = (own[WRAPPER], *runner) if own.get(WRAPPER) else runner
        environment = {
            **self._environment,
            **reserved(
                version.name, region=version.region, python=minor, memory=configuration["MemorySize"], directory=task,
                runtime=self._runtime, version=version.number,
            ),
            "AWS_LAMBDA_LOG_GROUP_NAME": str(configuration["LoggingConfig"]["LogGroup"]),
            "_HANDLER": str(configuration["Handler"]),
            "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
            "LANG": "en_US.UTF-8",
            **own,
        }  # fmt: skip
        return Function(
            name=version.name, arn=str(configuration["FunctionArn"]), command=command, environment=environment,
            directory=task, memory=configuration["MemorySize"], timeout=float(configuration["Timeout"]), on_demand=True,
            version=version.number,
        )  # fmt: skip

    def _programs(self, minor: str, python: str) -> str:
        """Return a folder that has the interpreter as python3, by which name a bootstrap calls it."""
        folder = os.path.join(self._folder, f"bin-{minor}")
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, "python3")
        if not os.path.lexists(path):
            os.symlink(python, path)
        return folder

    def _spawn(self, coroutine: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _dropped(invocation: asyncio.Task[Reply]) -> None:
    """Give up a reply that nobody waits for."""
    if (
        not invocation.cancelled()
        and invocation.exception() is None
        and isinstance(reply := invocation.result(), Stream)
    ):
        reply.close()


async def _begun(fleet: Fleet) -> None:
    """Have the instances that there always are; those that do not start fail the invocations that they get."""
    with suppress(Failure):
        await fleet.start()


async def _whole(reply: Reply) -> tuple[bytes, str]:
    """Return all of a reply, as an invocation that buffers sees it, and the kind of its failure."""
    if isinstance(reply, FunctionError):
        return reply.payload, "Unhandled"
    if isinstance(reply, Buffered):
        return reply.payload, ""
    head = [reply.prelude, bytes(8)] if reply.prelude else []
    try:
        pieces = [*head, *[piece async for piece in reply]]
    except StreamBroken as broken:
        return broken.error.payload, "Unhandled"
    finally:
        reply.close()
    return b"".join(pieces), ""


def _explain(failed: StartFailed) -> Failure:
    reason, *lines = failed.error.message.split("\n")
    return NotStarted(reason, failed.error.kind, tuple(line for line in lines if line.strip()))


def _revision(version: Version) -> str:
    """Return what a running version has to be started anew for."""
    configuration = version.configuration
    return json.dumps([configuration[key] for key in _DECISIVE])
