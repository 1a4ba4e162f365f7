"""One execution environment: a runtime process with a Runtime API of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from upproxy.local.runtime_api import FunctionError, Reply, RuntimeApi

LINE_LIMIT = 1 << 20  # bytes; what is longer is split
STOP_GRACE = 3.0  # seconds between SIGTERM and SIGKILL
OUTPUT_GRACE = 1.0  # seconds that output may still come in after the process has ended

Line = Callable[[str, bytes], None]
"""Called with `stdout` or `stderr`, and a line without its end."""


class StartFailed(Exception):
    """The runtime process did not come as far as its first poll.

    `error` is what it reported, if it did; `exit_code` what it ended with, negative for a signal, None if it lives.
    """

    def __init__(self, error: FunctionError, exit_code: int | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.exit_code = exit_code


class Instance:
    """Started once, stopped once. `exited` is done, with the exit code, when the process has ended and been heard."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        directory: str,
        function_name: str,
        arn: str,
        on_line: Line,
    ) -> None:
        self._command = command
        self._environment = environment
        self._directory = directory
        self._on_line = on_line
        self._init_error: asyncio.Future[FunctionError] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.SubprocessTransport | None = None
        self.api = RuntimeApi(function_name=function_name, arn=arn, on_init_error=self._init_failed)
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def start(self) -> None:
        """Start the process, in a session of its own, so that a terminal's Ctrl-C reaches us alone. Raises OSError."""
        await self.api.start()
        try:
            self._transport, _ = await asyncio.get_running_loop().subprocess_exec(
                lambda: _Process(self._on_line, lambda: kill_session(self.pid), self._ended),
                *self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**self._environment, "AWS_LAMBDA_RUNTIME_API": self.api.address},
                cwd=self._directory,
                start_new_session=True,
            )
        except BaseException:
            await self.api.close()
            raise

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
        raise StartFailed(self._init_error.result() if self._init_error.done() else _exit_error(code), code)

    async def invoke(self, event: bytes, *, timeout: float, request_id: str, trace_id: str) -> Reply:  # noqa: ASYNC109
        """Hand an event to the runtime, see `RuntimeApi.invoke`."""
        return await self.api.invoke(event, timeout=timeout, request_id=request_id, trace_id=trace_id)

    async def stop(self, grace: float = STOP_GRACE) -> None:
        """End the process, by SIGTERM first, and whatever else is left in its session."""
        try:
            if self._transport is not None and not self.exited.done():
                self._signal(signal.SIGTERM)
                await asyncio.wait({self.exited}, timeout=grace)
        finally:
            self.kill()
            await self.api.close()
        if self._transport is not None:
            await asyncio.wait({self.exited}, timeout=grace)

    def kill(self) -> None:
        """End the whole session at once, without waiting."""
        if self._transport is not None and self._transport.get_returncode() is None:
            self._signal(signal.SIGKILL)
            kill_session(self.pid)  # once it has ended this has been done, and the number may be another's

    def _signal(self, number: signal.Signals) -> None:
        if self._transport is not None:
            with suppress(ProcessLookupError):
                self._transport.send_signal(number)

    def _init_failed(self, error: FunctionError) -> None:
        if not self._init_error.done():
            self._init_error.set_result(error)

    def _ended(self, code: int) -> None:
        if not self.exited.done():
            self.exited.set_result(code)
        self.api.fail(_exit_error(code))


class _Process(asyncio.SubprocessProtocol):
    """Splits what the process prints into lines; calls back when it has exited, and when its output has ended too."""

    def __init__(self, on_line: Line, exited: Callable[[], None], ended: Callable[[int], None]) -> None:
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
        self._exited()
        # A process that it left behind, out of our reach, may hold the pipes open for ever.
        asyncio.get_running_loop().call_later(OUTPUT_GRACE, self._finish)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._finish()

    def _finish(self) -> None:
        ended, self._ended = self._ended, None
        if ended is not None and self._transport is not None:
            ended(self._transport.get_returncode() or 0)
            self._transport.close()


def kill_session(session: int) -> None:
    """Kill every process of a session, in whichever process group: the app has one of its own."""
    for pid in _pids():
        with suppress(OSError):
            if os.getsid(pid) == session:
                os.kill(pid, signal.SIGKILL)


def _pids() -> list[int]:
    with suppress(OSError):
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    listed = subprocess.run(["ps", "-A", "-o", "pid="], capture_output=True, check=False)  # where there is no /proc
    return [int(word) for word in listed.stdout.split()]


def _exit_error(code: int | None) -> FunctionError:
    how = f"signal: {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit status {code}"
    return FunctionError.of("Runtime.ExitError", f"Runtime exited with error: {how}")
