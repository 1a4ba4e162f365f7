"""A small process that outlives us by a moment: when we are gone, whatever way, it kills what we have started.

It reads from a pipe whose other end only we hold. A killed process cannot clean up, and a frozen instance cannot
notice; the end of the file is what remains.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable

from upproxy.local.processes import kill_session

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # they end us, and it goes when we have gone

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Watchdog:
    """Our side: tells it of sessions as they come and go, and of the folder that is to be removed at the end."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # which it inherits, and so is deaf from its birth
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-S", "-m", "upproxy.local.watchdog", folder],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                env={"PYTHONPATH": _ROOT},
                cwd="/",
                start_new_session=True,  # a terminal's Ctrl-C reaches us alone
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def watch(self, session: int, mark: bytes) -> None:
        """Let it know of a session, and of the environment variable that its processes carry."""
        self._tell(b"+%d %b\n" % (session, mark))

    def forget(self, session: int) -> None:
        """Let it know that a session has ended: its number may be another's soon."""
        self._tell(b"-%d\n" % session)

    def close(self) -> None:
        """Let it do what is left, and end."""
        assert self._process.stdin is not None  # noqa: S101
        self._process.stdin.close()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)  # where somebody has killed it

    def _tell(self, line: bytes) -> None:
        assert self._process.stdin is not None  # noqa: S101
        try:
            os.write(self._process.stdin.fileno(), line)
        except BrokenPipeError:  # somebody has killed it; we still end what we have started ourselves
            return


def main(lines: Iterable[bytes], folder: str) -> None:
    """Be the watchdog."""
    watched: dict[int, bytes] = {}
    for line in lines:
        session, _, mark = line[1:].rstrip(b"\n").partition(b" ")
        if line.startswith(b"+"):
            watched[int(session)] = mark
        else:
            watched.pop(int(session), None)
    for leader, mark in watched.items():
        kill_session(leader, mark)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.argv[1])
