"""Hold the next poll while the app still works: Lambda freezes the environment once it is polled for an invocation.

Work is what takes processor time. An app that waits for somebody else's answer looks idle, and is frozen while it does.
"""

from __future__ import annotations

import posix
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from upproxy.proxy.waiting import Loop

LOOK = 0.05  # seconds between looks
QUIET = 2  # looks in a row without work, after which the app is idle
WORK = 1_000_000  # ns of processor time between two looks that are work; an idle server's timers take less


async def linger(loop: Loop, pid: int, until: float) -> None:
    """Return when a process, and those that it has started, are idle, or at a `time.monotonic()` moment."""
    quiet = 0
    before = _spent(pid)
    while quiet < QUIET and time.monotonic() < until:
        await loop.sleep_until(min(until, time.monotonic() + LOOK))
        spent = _spent(pid)
        quiet = quiet + 1 if spent - before < WORK else 0
        before = spent


def _spent(pid: int) -> int:
    """Return the processor time in ns that a process and those that it has started have used so far."""
    total = 0
    left = [pid]
    while left:
        pid = left.pop()
        try:
            total += time.clock_gettime_ns((~pid << 3) | 2)  # clock_getcpuclockid(3), which Python does not have
            fd = posix.open(f"/proc/{pid}/task/{pid}/children", posix.O_RDONLY)
        except OSError:  # it has ended, or this is no Linux
            continue
        try:
            left += map(int, posix.read(fd, 65_536).split())
        finally:
            posix.close(fd)
    return total
