"""When to look at log groups that are followed: CloudWatch's Live Tail tells as soon as something has come in.

Its events have no ids, are samples where there are many, and are dropped where they are not taken in time. So they only
say when to look: the lines themselves are always taken from where each event has an id, in the same way with Live Tail
and without. While nothing comes, one look a minute is enough, for what Live Tail may have missed.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Self

from upproxy.aws.errors import AwsError, NotFound, QuotaExceeded, Throttled, Unreachable
from upproxy.observe.logs.tail import PAUSE, Group

IDLE = 60.0  # seconds between looks while nothing comes in; less than an event may come late
SETTLED = 30.0  # seconds after which a search finds, too, what Live Tail has told of
LEAST = 0.5  # seconds between looks while much comes in
AGAIN = 30.0  # seconds until a session is tried again
_PASSING = (NotFound, QuotaExceeded, Throttled, Unreachable)


class LiveTail:
    """Sessions, one a group and pattern, each in a thread; a context manager. `pause` waits for them.

    `report` is called once with why there is none, where AWS refuses it.
    """

    def __init__(self, groups: Sequence[Group], report: Callable[[str], None]) -> None:
        self._wanted = [(group, pattern) for group in groups for pattern in group.patterns]
        self._report = report
        self._lock = threading.Lock()
        self._open = 0
        self._told = False
        self._news = threading.Event()
        self._last = time.monotonic()
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        for one in self._wanted:
            # A daemon, since a session only hears of the end with its next update.
            threading.Thread(target=self._listen, args=one, daemon=True, name="live-tail").start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def pause(self, seconds: float) -> None:
        """Wait for so many seconds, or until something comes in, which may take longer; not less where AWS is busy."""
        if seconds > PAUSE or self._open < len(self._wanted):
            time.sleep(seconds)
            return
        time.sleep(LEAST)
        quiet = time.monotonic() - self._last > SETTLED
        self._news.wait(IDLE if quiet else max(0.0, seconds - LEAST))
        self._news.clear()

    def _listen(self, group: Group, pattern: str) -> None:
        """Have sessions, one after the other, until the end, or until AWS refuses one."""
        while not self._ended.is_set():
            opened = False
            try:
                with contextlib.closing(group.source.live(group.name, pattern)) as updates:
                    for came in updates:
                        if self._ended.is_set():
                            return
                        if not opened:
                            opened = True
                            self._count(1)
                        if came:
                            self._tell()
            except AwsError as error:
                if not opened and not isinstance(error, _PASSING):
                    self._refused(error)
                    return
            finally:
                if opened:
                    self._count(-1)
            self._ended.wait(AGAIN)

    def _count(self, change: int) -> None:
        """Count open sessions. What came in before one was open, or after, is found by looking now and for a while."""
        with self._lock:
            self._open += change
        self._tell()

    def _tell(self) -> None:
        self._last = time.monotonic()
        self._news.set()

    def _refused(self, error: AwsError) -> None:
        with self._lock:
            told, self._told = self._told, True
        if not told:
            self._report(f"{error}; looking every {PAUSE:g} s instead")
