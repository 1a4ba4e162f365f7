"""A command that is run once beside the app, in its environment and folder. Loaded when one is asked for.

`{"upproxy": {"exec": {"command": ["python", "manage.py", "migrate"], "timeout": 60, "by": "arn:…"}}}`; `timeout` in
seconds and `by`, which is for the log alone, may be left out.
"""

from __future__ import annotations

import posix
from binascii import b2a_base64
from collections import deque
from time import monotonic

from upproxy.proxy.errors import ProxyError
from upproxy.proxy.lean import signal
from upproxy.proxy.runtime.artefact import packages
from upproxy.proxy.upstream.output import Pipe
from upproxy.proxy.upstream.spawn import SpawnError, environment, launch
from upproxy.proxy.upstream.supervisor import Supervisor, signal_group
from upproxy.proxy.waiting import DeadlineExceeded, Waitable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from upproxy.proxy.log import Log
    from upproxy.proxy.manifest import Manifest
    from upproxy.proxy.messages import Invocation
    from upproxy.proxy.upstream.absent import NoApp
    from upproxy.proxy.waiting import Loop

HEAD = 1 << 20  # bytes of the beginning of what is printed that a reply has
TAIL = 3 << 20  # and of its end: as base64 both fit into the 6 MB of a reply
PIECE = 32  # bytes that a piece counts for beside what is in it, which is more than its JSON takes
MARGIN = 1.0  # seconds before Lambda's deadline: a small instance needs them for a large reply
PATIENCE = 0.2  # seconds for what was killed to be gone
MARK = b"UPPROXY_EXEC"  # the variable by which whatever the command has started is known
PASSES = 10  # over the processes of the machine, until none is left that was started in the meantime
LOGGED = 200  # characters of a name in the log

# As shells have them.
NOT_EXECUTABLE = 126
NOT_FOUND = 127


async def execute(
    loop: Loop,
    log: Log,
    manifest: Manifest,
    supervisor: Supervisor | NoApp,
    options: dict[str, Any],
    invocation: Invocation,
) -> dict[str, Any]:
    """Run a command, and return how it ended and what it printed. Raises ProxyError where that is not allowed.

    It gets nothing to read. At its time-out, shortly before the invocation's deadline, and when it has ended, whatever
    it has started is killed. In the answer `exit_code` is negative for a signal and null at the time-out; of
    what was printed, `cut` bytes are missing between `head` and `tail`, which are pairs of a stream and base64.
    """
    if not manifest.exec:
        raise ProxyError("commands are not allowed here: set `exec: true` in up.yml and deploy")
    if manifest.upstream is None or not isinstance(supervisor, Supervisor):
        raise ProxyError("there is no app here beside which a command could be run, but files alone")
    command, timeout = _checked(options)
    began = monotonic()
    until = min(began + timeout, invocation.deadline - MARGIN)
    fields: dict[str, Any] = {"program": _text(command[0]), "arguments": len(command) - 1}
    if isinstance(by := options.get("by"), str):
        fields["by"] = by[:LOGGED]
    fields["request_id"] = invocation.request_id
    log.write("info", "a command is run", **fields)
    mark = posix.urandom(16).hex().encode()
    printed = Printed()
    answer: dict[str, Any] = {"exit_code": None, "timed_out": False}
    try:
        variables = environment(manifest.upstream, manifest.stage, packages())
        pid, stdout, stderr = launch(command, {**variables, MARK: mark})
    except SpawnError as error:
        answer |= {"exit_code": NOT_EXECUTABLE, "error": str(error)}
    except OSError as error:
        code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
        answer |= {"exit_code": code, "error": f"cannot start {_text(command[0])}: {error.strerror}"}
    else:
        pipes = [Captured(loop, stdout, "stdout", printed), Captured(loop, stderr, "stderr", printed)]
        process = Process(loop, supervisor, pid, mark)
        try:
            answer["exit_code"] = await process.end(until)
        except DeadlineExceeded:
            answer["timed_out"] = True
        finally:
            process.kill()
            for pipe in pipes:
                pipe.read()
                pipe.close()
        await process.gone()
    answer["duration_ms"] = round((monotonic() - began) * 1000, 1)
    log.write("info", "the command has ended", **fields, **answer, printed=printed.total)
    return answer | printed.described()


class Process:
    """The command's process, and all that it has started, which is known by a variable's value."""

    def __init__(self, loop: Loop, supervisor: Supervisor, pid: int, mark: bytes) -> None:
        self._loop = loop
        self._pid = pid
        self._mark = MARK + b"=" + mark
        self._status: int | None = None
        self._changed = Waitable()
        supervisor.expect(pid, self._ended)

    def _ended(self, status: int) -> None:
        self._status = status
        self._loop.notify(self._changed)

    async def end(self, until: float) -> int:
        """Wait for its end; return its exit code, or the negative number of a signal. Raises DeadlineExceeded."""
        while self._status is None:
            await self._loop.wait(self._changed, until)
        return posix.waitstatus_to_exitcode(self._status)

    def kill(self) -> None:
        """Kill what still runs: the group, and what has left it."""
        if self._status is None:  # else its number may be another's by now, and the supervisor has killed the group
            signal_group(self._pid, signal.SIGKILL)
        for _ in range(PASSES):
            strays = [pid for pid in _processes() if self._mark in _variables(pid)]
            for pid in strays:
                try:
                    posix.kill(pid, signal.SIGKILL)
                except OSError:  # it has ended by itself
                    pass
            if not strays:
                return

    async def gone(self) -> None:
        """Wait until the process that was killed is no longer there."""
        try:
            await self.end(monotonic() + PATIENCE)
        except DeadlineExceeded:
            pass


class Printed:
    """The beginning and the end of what was printed, as pieces of either stream, in the order in which they came."""

    def __init__(self) -> None:
        self.total = 0
        self._head: deque[tuple[str, bytearray]] = deque()
        self._tail: deque[tuple[str, bytearray]] = deque()
        self._room = HEAD
        self._held = 0
        self._cut = 0

    def take(self, stream: str, data: bytes) -> None:
        """Add what was printed, and forget what has become the middle."""
        self.total += len(data)
        if self._room > PIECE:
            beginning, data = data[: self._room - PIECE], data[self._room - PIECE :]
            self._room -= _add(self._head, stream, beginning)
            if data:
                self._room = 0
        if data:
            self._held += _add(self._tail, stream, data)
        while self._held > TAIL:
            oldest = self._tail[0][1]
            over = self._held - TAIL
            if len(oldest) <= over:
                self._tail.popleft()
                self._held -= len(oldest) + PIECE
                self._cut += len(oldest)
            else:
                del oldest[:over]
                self._held -= over
                self._cut += over

    def described(self) -> dict[str, Any]:
        """Return what an answer has of it."""
        return {"head": _encoded(self._head), "cut": self._cut, "tail": _encoded(self._tail)}


class Captured(Pipe):
    """A pipe of the command."""

    __slots__ = ("_printed", "_stream")

    def __init__(self, loop: Loop, fd: int, stream: str, printed: Printed) -> None:
        self._stream = stream
        self._printed = printed
        super().__init__(loop, fd)

    def take(self, data: bytes) -> None:
        """Keep it."""
        self._printed.take(self._stream, data)


def _add(pieces: deque[tuple[str, bytearray]], stream: str, data: bytes) -> int:
    """Add data to the last piece, or as a new one; return what it counts for."""
    if pieces and pieces[-1][0] == stream:
        pieces[-1][1].extend(data)
        return len(data)
    pieces.append((stream, bytearray(data)))
    return len(data) + PIECE


def _encoded(pieces: Iterable[tuple[str, bytearray]]) -> list[tuple[str, str]]:
    return [(stream, b2a_base64(data, newline=False).decode()) for stream, data in pieces]


def _checked(options: dict[str, Any]) -> tuple[list[bytes], float]:
    """Return the words of the command, and its time-out in seconds. Raises ProxyError."""
    words = options.get("command")
    timeout = options.get("timeout", float("inf"))
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise ProxyError("a command is a list of texts, with a program first")
    if not words[0] or any("\0" in word for word in words):
        raise ProxyError("a command has the name of a program, and no NUL character")
    if not isinstance(timeout, int | float) or not timeout > 0:
        raise ProxyError("a time-out is a number of seconds above 0")
    try:
        return [word.encode("utf-8", "surrogateescape") for word in words], timeout
    except UnicodeEncodeError:
        raise ProxyError("a command is text that can be written as UTF-8") from None


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")[:LOGGED]


def _processes() -> list[int]:
    try:
        return [int(name) for name in posix.listdir("/proc") if name.isdigit()]
    except OSError:  # no Linux
        return []


def _variables(pid: int) -> list[bytes]:
    """Return the environment that a process was started with; empty for others' processes."""
    try:
        with open(f"/proc/{pid}/environ", "rb", buffering=0) as file:
            return (file.readall() or b"").split(b"\0")
    except OSError:
        return []
