"""What the app prints becomes log lines; a JSON line with a level keeps its own level and fields."""

from __future__ import annotations

import posix
import select
from time import monotonic

from upproxy.proxy.lean import JSONError, dumps_ascii, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

    from upproxy.proxy.log import Log
    from upproxy.proxy.manifest import LogOptions
    from upproxy.proxy.waiting import Channel, Loop

READ_SIZE = 65_536
READS_A_TURN = 4  # full reads before others have their turn
LINE_LIMIT = 200_000  # bytes; CloudWatch takes events of 256 kB
TAIL = 40  # lines that are kept to explain why an app ended


class Output:
    """The pipes of the app, and of the ones before it until they are empty.

    `in_flight` holds the request ids of the moment: a line gets the id when there is exactly one, never a guess.
    """

    def __init__(self, loop: Loop, log: Log, options: LogOptions, in_flight: Collection[str]) -> None:
        self._loop = loop
        self._log = log
        self._levels = options.stdout, options.stderr
        self._in_flight = in_flight
        self._pipes: list[_Lines] = []
        self._poll = select.poll()
        self.tail: list[str] = []

    def attach(self, stdout: int, stderr: int) -> None:
        """Read a new app's pipes from now on. The tail starts anew."""
        self.tail = []
        for fd, level in zip((stdout, stderr), self._levels, strict=True):
            self._pipes.append(_Lines(self._loop, fd, level, self))
            self._poll.register(fd, select.POLLIN)

    def drain(self) -> None:
        """Log what the app has printed so far: called after its last body byte, before the reply."""
        if self._poll.poll(0):  # costs a silent app less than two reads that find nothing
            for pipe in tuple(self._pipes):
                pipe.read()

    def take(self, level: str, lines: list[bytes]) -> None:
        """Log lines, given without their ends."""
        request_id = next(iter(self._in_flight)) if len(self._in_flight) == 1 else ""
        timestamp = self._log.timestamp()
        entries = []
        for line in lines:
            if line:
                entry = _own_entry(line) or {"level": level, "message": _text(line)}
                if "timestamp" not in entry:
                    entry = {"timestamp": timestamp, **entry}
                if request_id:
                    entry.setdefault("request_id", request_id)
                entries.append(entry)
        if entries:
            self._log.write_lines(entries)
            self.tail = (self.tail + [_text(line) for line in lines[-TAIL:]])[-TAIL:]

    def forget(self, pipe: _Lines, fd: int) -> None:
        """Drop a pipe that has ended, and its descriptor, which is still open."""
        self._pipes.remove(pipe)
        self._poll.unregister(fd)

    def close(self) -> None:
        """Log what is left and close all pipes, also those that a child of the app still holds open."""
        for pipe in tuple(self._pipes):
            pipe.read()
            pipe.close()


class Pipe:
    """The reading end of a pipe of a process. It is closed at its end, or by `close`."""

    __slots__ = ("_channel", "_loop")

    def __init__(self, loop: Loop, fd: int) -> None:
        self._loop = loop
        self._channel: Channel = loop.watch(fd, self.read)

    def read(self) -> None:
        """Read what is there, up to a bound; what is beyond it has its turn soon."""
        fd = self._channel.fd
        if fd < 0:
            return
        for _ in range(READS_A_TURN):
            try:
                data = posix.read(fd, READ_SIZE)
            except BlockingIOError:
                return
            if not data:
                self.close()
                return
            self.take(data)
            if len(data) < READ_SIZE and not self._channel.over:
                return
        self._loop.call_at(monotonic(), self.read)

    def take(self, data: bytes) -> None:
        """Do something with what was read."""
        raise NotImplementedError

    def close(self) -> None:
        """Read no more."""
        fd = self._channel.fd
        if fd >= 0:
            self._loop.unwatch(self._channel)
            posix.close(fd)


class _Lines(Pipe):
    """A pipe of the app: bytes in, lines out."""

    __slots__ = ("_level", "_output", "_rest")

    def __init__(self, loop: Loop, fd: int, level: str, output: Output) -> None:
        self._level = level
        self._output = output
        self._rest = b""
        super().__init__(loop, fd)

    def take(self, data: bytes) -> None:
        """Log the lines that are whole."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_LIMIT:
            lines.append(self._rest)
            self._rest = b""
        if lines:
            self._output.take(self._level, [piece for line in lines for piece in _pieces(line.rstrip(b"\r"))])

    def close(self) -> None:
        """Log a last line without an end, and close."""
        fd = self._channel.fd
        if fd >= 0:
            if self._rest:
                self._output.take(self._level, _pieces(self._rest))
                self._rest = b""
            self._output.forget(self, fd)
            super().close()


def _text(line: bytes) -> str:
    return line.decode("utf-8", "backslashreplace")


def _own_entry(line: bytes) -> dict[str, Any] | None:
    """Return the fields of a JSON line that has a level, None for every other line."""
    # A look at both ends first: failing to parse is what costs most.
    if line[:1] != b"{" or line[-1:] != b"}":
        return None
    try:
        entry: dict[str, Any] = loads(line)
        dumps_ascii(entry)  # what can be read cannot always be written: 1e999
    except JSONError:
        return None
    return entry if isinstance(entry.get("level"), str) else None


def _pieces(line: bytes) -> list[bytes]:
    if len(line) <= LINE_LIMIT:
        return [line]
    return [line[at : at + LINE_LIMIT] for at in range(0, len(line), LINE_LIMIT)]
