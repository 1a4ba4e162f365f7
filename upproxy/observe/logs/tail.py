"""Reading log groups from some time back, and following them: each event once, and none left out.

Events come late, and by clocks that differ. So each look begins some time before the one before it did, by AWS's own
clock, and what was seen is left out by its id. Only so many ids are remembered; what came before the first of those
is not read again, so that memory is bounded and nothing is shown twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from upproxy.aws.errors import NotFound, Throttled, Unreachable
from upproxy.aws.log_events import Event, Page
from upproxy.observe.logs import line
from upproxy.observe.logs.line import Line
from upproxy.observe.logs.merging import merged
from upproxy.observe.logs.query.pattern import EVERYTHING

OVERLAP = 120_000  # ms that an event may come late
REMEMBERED = 50_000  # ids
WHOLE = 1_000  # ms to which AWS's clock is known
PAUSE = 2.0  # seconds between looks
LONGEST = 60.0  # seconds between looks while AWS has too many of them, or is out of reach


class Source(Protocol):
    """Where events come from, as `LogEvents` does it."""

    def pages(self, group: str, start: int, pattern: str) -> Iterable[Page]:
        """Go through the events from a moment on, in ms since 1970, that a filter pattern matches."""

    def live(self, group: str, pattern: str) -> Generator[bool]:
        """Go through the updates of a Live Tail: whether something that a filter pattern matches has come in."""


@dataclass(frozen=True)
class Group:
    """A log group: where it is, its name, what is known of all its lines, and the patterns of which any is to match."""

    source: Source
    name: str
    origin: Mapping[str, str] = field(default_factory=dict)
    patterns: tuple[str, ...] = (EVERYTHING,)


def read(groups: Sequence[Group], back: float, missing: Callable[[Group], None]) -> Iterator[list[Line]]:
    """Go through what was written in the last `back` seconds, in the order of time, in portions.

    `missing` is called for each group that is not there. Raises AwsError.
    """
    return merged([_present(group, back, missing) for group in groups])


def follow(
    groups: Sequence[Group],
    back: float,
    report: Callable[[str], None],
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[list[Line]]:
    """Go through what was written in the last `back` seconds, in portions, then through all that comes, for ever.

    Each look ends with an empty portion; then `pause` is called with the seconds to the next. A group that is not there
    yet is waited for, as is AWS where it is busy or out of reach; `report` is told so. Raises AwsError.
    """
    watches = [_Watch(group, back, report) for group in groups]
    while True:
        yield from merged([watch.look() for watch in watches])
        yield []
        pause(max(watch.wait for watch in watches))


def _present(group: Group, back: float, missing: Callable[[Group], None]) -> Iterator[list[Line]]:
    try:
        yield from _lines(group, Tail(group, back))
    except NotFound:
        missing(group)


def _lines(group: Group, tail: Tail) -> Iterator[list[Line]]:
    for events in tail.look():
        yield [
            line.read(one.message, timestamp=one.timestamp, stream=one.stream, origin=group.origin) for one in events
        ]


class _Watch:
    """A group that is followed. `wait` is how many seconds the next look should wait."""

    def __init__(self, group: Group, back: float, report: Callable[[str], None]) -> None:
        self._group = group
        self._tail = Tail(group, back)
        self._report = report
        self._told = ""
        self.wait = PAUSE

    def look(self) -> Iterator[list[Line]]:
        """Go through what is new; what is in the way is told, once. Raises AwsError."""
        try:
            yield from _lines(self._group, self._tail)
            self.wait, trouble = PAUSE, ""
        except NotFound:
            self.wait, trouble = PAUSE, f"waiting for {self._group.name}, which is not there yet"
        except (Throttled, Unreachable) as error:
            if isinstance(error, Unreachable) and not self._tail.looked:
                raise
            self.wait, trouble = min(2 * self.wait, LONGEST), f"{error}; trying again until it works"
        if trouble and trouble != self._told:
            self._report(trouble)
        self._told = trouble


class Tail:
    """The end of a log group, look by look. `looked` says that one has come to its end."""

    def __init__(self, group: Group, back: float) -> None:
        self._group = group
        self._back = int(back * 1000)
        self._since = _now()
        self._oldest = self._start = max(0, self._since - self._back)
        self._forgotten = 0  # the moment before which ids are no longer known
        self._seen: dict[str, int] = {}
        self.looked = False

    def look(self) -> Iterator[list[Event]]:
        """Go through what is new, in portions. One that breaks off is made up for by the next. Raises AwsError."""
        moments: list[int] = []
        start = max(self._start, self._forgotten)
        for events in merged([self._events(pattern, start, moments) for pattern in self._group.patterns]):
            fresh = {
                one.id: one for one in events if one.id not in self._seen and one.timestamp >= self._forgotten
            }  # several patterns can match the same
            self._seen.update((id_, one.timestamp) for id_, one in fresh.items())
            if len(self._seen) > REMEMBERED:
                self._forget()
            if fresh:
                yield list(fresh.values())
        if moments:
            began = min(moments)
            if not self.looked:  # our own clock may be ahead of AWS's
                self._oldest = min(self._oldest, began - (_now() - self._since) - self._back)
            self.looked = True
            self._start = max(self._oldest, began - OVERLAP)
            self._seen = {id_: moment for id_, moment in self._seen.items() if moment >= self._start}

    def _events(self, pattern: str, start: int, moments: list[int]) -> Iterator[list[Event]]:
        """Go through what matches a pattern; the moment at which AWS began to look is added to the others."""
        asked = _now()
        pages = iter(self._group.source.pages(self._group.name, start, pattern))
        first = next(pages, None)
        if first is not None and not self.looked and (ahead := asked - first.at) > WHOLE:
            # Our own clock is ahead of AWS's, so that this would be too short a time.
            pages = iter(self._group.source.pages(self._group.name, max(0, start - ahead), pattern))
            first = next(pages, None)
        if first is not None:
            moments.append(first.at)
            yield first.events
        for page in pages:
            yield page.events

    def _forget(self) -> None:
        """Forget the older half of what was seen."""
        moments = sorted(self._seen.values())
        last = moments[len(moments) // 2]
        self._seen = {id_: moment for id_, moment in self._seen.items() if moment > last}
        self._forgotten = last + 1


def _now() -> int:
    return int(time.time() * 1000)
