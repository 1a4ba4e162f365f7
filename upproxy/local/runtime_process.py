"""A runtime process with a Runtime API of its own: started, frozen and thawed, ended."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from upproxy.local.invocation import FunctionError, Invocation, Reply
from upproxy.local.processes import is_stopped, kill_session, memory, sessions
from upproxy.local.runtime_api import RuntimeApi

LINE_LIMIT = 1 << 20  # bytes; what is longer is split
STOP_GRACE = 3.0  # seconds between SIGTERM and SIGKILL
RUNTIME_GRACE = 0.3  # the same where Lambda shuts down an environment with extensions, at the end of their time
OUTPUT_GRACE = 1.0  # seconds that output may still come in after the process has ended

FREEZE_REST = 0.05  # seconds after which processes that nobody knew of are looked for and frozen, too

Line = Callable[[str, bytes], None]
"""Called with `stdout` or `stderr`, and a line without its end."""


class Guard(Protocol):
    """What ends a session when we can no longer do it."""

    def watch(self, session: int, mark: bytes) -> None:
        """Take note of a session, and of the environment variable that its processes carry."""

    def forget(self, session: int) -> None:
        """Take note that a session has ended."""


class StartFailed(Exception):
    """The runtime process did not come as far as its first poll.

    `error` is what it reported, if it did; `exit_code` what it ended with, negative for a signal, None if it lives.
    """

    def __init__(self, error: FunctionError, exit_code: int | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.exit_code = exit_code


class RuntimeProcess:
    """Started once, stopped once. `exited` is done, with the exit code, when the process has ended and been heard.

    `on_finished` and `on_quiet` are called back as by the RuntimeApi. The environment's log stream is what daemons that
    have left the session are known by.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        directory: str,
        function_name: str,
        arn: str,
        on_line: Line,
        on_finished: Callable[[Invocation], None] = lambda _: None,
        on_quiet: Callable[[], None] = lambda: None,
        guard: Guard | None = None,
    ) -> None:
        self._command = command
        self._environment = environment
        self._directory = directory
        self._on_line = on_line
        self._guard = guard
        stream = environment.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self._mark = f"AWS_LAMBDA_LOG_STREAM_NAME={stream}".encode() if stream else b""
        self._groups: tuple[int, ...] = ()
        self._members: tuple[int, ...] = ()
        self._strays: list[int] = []  # processes that were frozen one by one
        self._rest: asyncio.TimerHandle | None = None
        self._reason: tuple[str, str] | None = None
        self._init_error: asyncio.Future[FunctionError] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.SubprocessTransport | None = None
        self.api = RuntimeApi(
            function_name=function_name,
            arn=arn,
            on_init_error=self._init_failed,
            on_exit_error=self.kill,
            on_finished=on_finished,
            on_quiet=on_quiet,
        )
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def start(self) -> None:
        """Start the process, in a session of its own, so that a terminal's Ctrl-C reaches us alone. Raises OSError."""
        await self.api.start()
        try:
            self._transport, _ = await asyncio.get_running_loop().subprocess_exec(
                lambda: _Process(self._on_line, self._exited, self._ended),
                *self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**self._environment, "AWS_LAMBDA_RUNTIME_API": self.api.address},
                cwd=self._directory,
                start_new_session=True,
            )
        except BaseException:
            self.api.close()
            raise
        if self._guard is not None and self._transport.get_returncode() is None:
            self._guard.watch(self.pid, self._mark)

    @property
    def pid(self) -> int:
        """The process's number, which is that of its session and of its process group too; 0 before the start."""
        return 0 if self._transport is None else self._transport.get_pid()

    async def ready(self) -> None:
        """Wait for the first poll. Raises StartFailed."""
        ready = asyncio.ensure_future(self.api.ready.wait())
        try:
            waited: set[asyncio.Future[Any]] = {ready, self._init_error, self.exited}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if ready.done():
                return
            if self._init_error.done():  # what the process prints, and its exit code, come right after
                with suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(self.exited), OUTPUT_GRACE)
        finally:
            ready.cancel()
        code = self.exited.result() if self.exited.done() else None
        if self._init_error.done():
            raise StartFailed(self._init_error.result(), code)
        kind, reason = self._reason or ("Runtime.ExitError", _exit_reason(code))
        raise StartFailed(FunctionError.of(kind, reason), code)

    async def invoke(self, event: bytes, **values: Any) -> Reply:
        """Hand an event to the runtime, see `RuntimeApi.invoke`."""
        return await self.api.invoke(event, **values)

    def freeze(self) -> None:
        """Stop every process of the session, as it is.

        The process groups that are known are stopped at once, which takes microseconds. What has come since is found
        when the instance has stayed idle for 50 ms: looking through all processes of the machine takes longer than a
        request may wait.
        """
        self._stop_looking()
        if not self._groups:
            self._look()
        self._signal_groups(signal.SIGSTOP)
        self._rest = asyncio.get_running_loop().call_later(FREEZE_REST, self._freeze_rest)

    def thaw(self) -> None:
        """Let every process go on."""
        self._stop_looking()
        self._signal_groups(signal.SIGCONT)
        strays, self._strays = self._strays, []
        for pid in strays:
            with suppress(OSError):
                if os.getsid(pid) == self.pid:
                    os.kill(pid, signal.SIGCONT)

    def memory(self, limit: int) -> int:
        """Return the bytes that the processes known of hold together, see `processes.memory`."""
        if not self._members:
            self._look()
        return memory(self._members, limit)

    def look(self, members: Sequence[int]) -> None:
        """Take note of the processes that the session has now."""
        self._members = tuple(members)
        groups = set()
        for pid in members:
            with suppress(OSError):
                groups.add(os.getpgid(pid))
        self._groups = tuple(groups)

    async def stop(self, grace: float = STOP_GRACE) -> None:
        """End the process, by SIGTERM first, and whatever else is left in its session."""
        try:
            if self._transport is not None and not self.exited.done():
                self.thaw()
                self._signal(signal.SIGTERM)
                await asyncio.wait({self.exited}, timeout=grace)
        finally:
            self.kill()
            self.api.close()
        if self._transport is not None:
            await asyncio.wait({self.exited}, timeout=STOP_GRACE)

    async def shut_down(self) -> None:
        """End it as Lambda does: extensions are told and get their time, a runtime without any is just killed."""
        grace = self.api.extensions.grace
        if not grace or self.exited.done():
            self.kill()
            await self.stop(0)
            return
        self.thaw()
        deadline_ms = int((time.time() + grace) * 1000)
        self.api.extensions.post({"eventType": "SHUTDOWN", "shutdownReason": "spindown", "deadlineMs": deadline_ms})
        runtime_grace = min(grace, RUNTIME_GRACE)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.api.extensions.leave(), grace - runtime_grace)
        await self.stop(runtime_grace)

    def kill(self, kind: str = "", reason: str = "") -> None:
        """End the whole session at once, without waiting. What is in flight ends with the reason, if one is given."""
        if kind and self._reason is None:
            self._reason = (kind, reason)
        if self._transport is not None and self._transport.get_returncode() is None:
            self._signal(signal.SIGKILL)
            kill_session(self.pid, self._mark)  # once it has ended this has been done; its number may be another's

    def _look(self) -> None:
        self.look(sessions().get(self.pid, ()))

    def _signal_groups(self, number: signal.Signals) -> None:
        if self._transport is None or self._transport.get_returncode() is not None:
            return
        for group in self._groups:
            with suppress(OSError):
                # A group whose leader has gone may be another's by now; `_freeze_rest` finds those that are left of it.
                if os.getsid(group) == self.pid:
                    os.killpg(group, number)

    def _freeze_rest(self) -> None:
        self._rest = None
        if self.exited.done():
            return
        self._look()
        self._strays = [pid for pid in self._members if not is_stopped(pid)]
        for pid in self._strays:
            with suppress(OSError):
                os.kill(pid, signal.SIGSTOP)

    def _stop_looking(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None

    def _signal(self, number: signal.Signals) -> None:
        # Not by the transport, whose Popen would take the exit status away from the loop's watcher.
        if self._transport is not None and self._transport.get_returncode() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _init_failed(self, error: FunctionError) -> None:
        if not self._init_error.done():
            self._init_error.set_result(error)

    def _exited(self, pid: int) -> None:
        """Clear up after the process; it may have ended before `start` knows that it has begun."""
        kill_session(pid, self._mark)
        if self._guard is not None:
            self._guard.forget(pid)

    def _ended(self, code: int) -> None:
        if not self.exited.done():
            self.exited.set_result(code)
        self.api.fail(*(self._reason or ("Runtime.ExitError", _exit_reason(code))))
        self.api.close()


class _Process(asyncio.SubprocessProtocol):
    """Splits what the process prints into lines; calls back when it has exited, and when its output has ended too."""

    def __init__(self, on_line: Line, exited: Callable[[int], None], ended: Callable[[int], None]) -> None:
        self._on_line = on_line
        self._exited = exited
        self._ended: Callable[[int], None] | None = ended
        self._rests = {1: b"", 2: b""}
        self._transport: asyncio.SubprocessTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)  # noqa: S101
        self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        *lines, rest = (self._rests[fd] + data).split(b"\n")
        if len(rest) > LINE_LIMIT:
            lines.append(rest)
            rest = b""
        self._rests[fd] = rest
        for line in lines:
            self._on_line("stdout" if fd == 1 else "stderr", line)

    def pipe_connection_lost(self, fd: int, _exc: Exception | None) -> None:
        if rest := self._rests.get(fd):
            self._rests[fd] = b""
            self._on_line("stdout" if fd == 1 else "stderr", rest)

    def process_exited(self) -> None:
        assert self._transport is not None  # noqa: S101
        self._exited(self._transport.get_pid())
        # A process that it left behind, out of our reach, may hold the pipes open for ever.
        asyncio.get_running_loop().call_later(OUTPUT_GRACE, self._finish)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._finish()

    def _finish(self) -> None:
        ended, self._ended = self._ended, None
        if ended is not None and self._transport is not None:
            ended(self._transport.get_returncode() or 0)
            self._transport.close()


def _exit_reason(code: int | None) -> str:
    if not code:
        return "Runtime exited without providing a reason"
    how = f"signal: {(signal.strsignal(-code) or '').lower()}" if code < 0 else f"exit status {code}"
    return f"Runtime exited with error: {how}"
