"""Reading a log group from some time back, and following it: each event once, and none left out.

Events come late, and by clocks that differ. So each look begins some time before the one before it did, by AWS's own
clock, and what was seen is left out by its id. Only so many ids are remembered; what came before the first of those
is not read again, so that memory is bounded and nothing is shown twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from upproxy.aws.errors import NotFound, Throttled, Unreachable
from upproxy.aws.log_events import Event, Page

OVERLAP = 120_000  # ms that an event may come late
REMEMBERED = 50_000  # ids
PAUSE = 2.0  # seconds between looks
LONGEST = 60.0  # seconds between looks while AWS has too many of them, or is out of reach


class Source(Protocol):
    """Where events come from, as `LogEvents` does it."""

    def pages(self, group: str, start: int) -> Iterable[Page]:
        """Go through the events from a moment on, in ms since 1970."""


def read(source: Source, group: str, back: float) -> Iterator[list[Event]]:
    """Go through what was written in the last `back` seconds, in portions. Raises NotFound, and AwsError."""
    for page in source.pages(group, max(0, _now() - int(back * 1000))):
        if page.events:
            yield page.events


def follow(
    source: Source,
    group: str,
    back: float,
    report: Callable[[str], None],
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[list[Event]]:
    """Go through what was written in the last `back` seconds, in portions, then through all that comes, for ever.

    A group that is not there yet is waited for, as is AWS where it is busy or out of reach; `report` is told so.
    Raises AwsError.
    """
    tail = Tail(source, group, back)
    wait, told = PAUSE, ""
    while True:
        try:
            yield from tail.look()
            wait, trouble = PAUSE, ""
        except NotFound:
            wait, trouble = PAUSE, f"waiting for {group}, which is not there yet"
        except (Throttled, Unreachable) as error:
            if isinstance(error, Unreachable) and not tail.looked:
                raise
            wait, trouble = min(2 * wait, LONGEST), f"{error}; trying again until it works"
        if trouble and trouble != told:
            report(trouble)
        told = trouble
        pause(wait)


class Tail:
    """The end of a log group, look by look. `looked` says that one has come to its end."""

    def __init__(self, source: Source, group: str, back: float) -> None:
        self._source = source
        self._group = group
        self._back = int(back * 1000)
        self._oldest = self._start = max(0, _now() - self._back)
        self._forgotten = 0  # the moment before which ids are no longer known
        self._seen: dict[str, int] = {}
        self.looked = False

    def look(self) -> Iterator[list[Event]]:
        """Go through what is new, in portions. One that breaks off is made up for by the next. Raises AwsError."""
        began: int | None = None
        for page in self._source.pages(self._group, max(self._start, self._forgotten)):
            if began is None:
                began = page.at
            fresh = [one for one in page.events if one.id not in self._seen and one.timestamp >= self._forgotten]
            self._seen.update((one.id, one.timestamp) for one in fresh)
            if len(self._seen) > REMEMBERED:
                self._forget()
            if fresh:
                yield fresh
        if began is not None:
            if not self.looked:  # our own clock may be ahead of AWS's
                self._oldest = min(self._oldest, began - self._back)
            self.looked = True
            self._start = max(self._oldest, began - OVERLAP)
            self._seen = {id_: moment for id_, moment in self._seen.items() if moment >= self._start}

    def _forget(self) -> None:
        """Forget the older half of what was seen."""
        moments = sorted(self._seen.values())
        last = moments[len(moments) // 2]
        self._seen = {id_: moment for id_, moment in self._seen.items() if moment > last}
        self._forgotten = last + 1


def _now() -> int:
    return int(time.time() * 1000)
