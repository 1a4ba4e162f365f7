"""The one writer of log lines inside Lambda: JSON lines as structlog's JSONRenderer would write them.

A line has `timestamp` (ISO 8601, UTC), `level` (debug, info, warn, error or fatal), `message`, then its fields.
"""

from __future__ import annotations

import posix
import select
import time

from upproxy.proxy.lean import dumps_ascii

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PATIENCE = 1_000  # ms that a full pipe is waited for before lines are dropped


class Log:
    """Writes to a descriptor, whole lines at a time."""

    def __init__(self, fd: int = 1) -> None:
        self.fd = fd
        self._second = -1
        self._clock = ""
        self._torn = False  # the last line has no end, since the rest of it was dropped

    def timestamp(self) -> str:
        """Return the wall clock as `2026-01-31T08:15:00.123456Z`."""
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            year, month, day, hour, minute, secs, *_ = time.gmtime(second)
            self._clock = f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{secs:02}."
        return f"{self._clock}{int((now - second) * 1_000_000):06}Z"

    def write(self, level: str, message: str, **fields: Any) -> None:
        """Write one line."""
        self.write_lines([{"timestamp": self.timestamp(), "level": level, "message": message, **fields}])

    def write_lines(self, lines: list[dict[str, Any]]) -> None:
        """Write lines that have all their fields, in one go."""
        data = "".join([dumps_ascii(line) + "\n" for line in lines]).encode()
        if self._torn:
            data = b"\n" + data
        while data:
            try:
                count = posix.write(self.fd, data)
                self._torn = data[count - 1] != 0x0A
                data = data[count:]
            except BlockingIOError:  # somebody made our standard output non-blocking
                poll = select.poll()
                poll.register(self.fd, select.POLLOUT)
                if not poll.poll(PATIENCE):
                    return
            except OSError:  # nobody reads any more; there is nowhere left to say so
                return
