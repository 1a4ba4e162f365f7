"""The processes of an instance: who they are, how much memory they hold, and how they are all stopped or killed.

An instance is a session: the runtime process leads it, the app and whatever it starts have process groups of their own
in it. A daemon that has left the session is still known by a variable of the environment that it has inherited.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable
from contextlib import suppress

PASSES = 10  # looks for processes that were started while others were being killed

_PAGE = os.sysconf("SC_PAGE_SIZE")


def sessions() -> dict[int, list[int]]:
    """List all processes of the machine by their sessions, but for 0: what is seen so in a container is not in it."""
    found: dict[int, list[int]] = {}
    for pid in _pids():
        with suppress(OSError):
            if session := os.getsid(pid):
                found.setdefault(session, []).append(pid)
    return found


def kill_session(session: int, mark: bytes = b"") -> None:
    """Kill every process of a session, and all whose environment has the mark (`NAME=value`), but not ourselves."""
    killed: set[int] = {os.getpid()}
    for _ in range(PASSES):
        members = {*sessions().get(session, ()), *(_marked(mark) if mark else ())} - killed
        if not members:
            return
        for pid in members:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        killed |= members


def is_stopped(pid: int) -> bool:
    """Whether a process is frozen, or is no more. Always, where there is no /proc to tell."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in b"TtZX"
    except OSError:
        return True


def memory(pids: Iterable[int], limit: int) -> int:
    """Return the bytes of memory that processes hold together; 0 where there is no /proc.

    What they share is counted once: roughly as long as the sum is under the limit (which costs 15 us a process),
    exactly beyond it, so that nobody is killed for what others hold.
    """
    pids = tuple(pids)
    private = shared = 0
    for pid in pids:
        with suppress(OSError):
            with open(f"/proc/{pid}/statm", "rb") as file:
                _, resident, mapped, *_ = map(int, file.read().split())
            private += resident - mapped
            shared = max(shared, mapped)
    rough = (private + shared) * _PAGE
    return rough if rough <= limit else sum(map(_proportional, pids))


def _proportional(pid: int) -> int:
    with suppress(OSError), open(f"/proc/{pid}/smaps_rollup", "rb") as file:
        for line in file:
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _marked(mark: bytes) -> list[int]:
    marked = []
    for pid in _pids():
        with suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
            if mark in file.read().split(b"\0"):
                marked.append(pid)
    return marked


def _pids() -> list[int]:
    with suppress(OSError):
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    listed = subprocess.run(["ps", "-A", "-o", "pid="], capture_output=True, check=False)  # where there is no /proc
    return [int(word) for word in listed.stdout.split()]
