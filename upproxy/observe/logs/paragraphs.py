"""Lines that belong together, such as those of a traceback: each was written as an event of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

MOMENT = 100  # ms between lines that belong together
LONGEST = 500  # lines of a paragraph
WAITING = 5_000  # paragraphs

_HEAD = "Traceback (most recent call last):"
_BETWEEN = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)
_OF_ITS_OWN = ("timestamp", "message")


Shown = tuple[int, str, Mapping[str, Any]]
"""An entry with its time, in ms since 1970, and the stream that it is from."""


@dataclass(eq=False)
class Paragraph:
    """An entry, and the messages of those that continue it. `last` is the time of the last one, in ms since 1970."""

    stream: str
    last: int
    entry: Mapping[str, Any]
    more: list[str] = field(default_factory=list)
    _within: bool = field(init=False)  # between the head of a traceback and the error that ends it
    _ended: bool = field(default=False, init=False)  # after that error

    def __post_init__(self) -> None:
        self._within = _message(self.entry) == _HEAD

    def take(self, moment: int, entry: Mapping[str, Any]) -> bool:
        """Take what continues it; say whether it did."""
        message = _message(entry)
        if (
            not message
            or moment - self.last > MOMENT
            or len(self.more) >= LONGEST
            or _common(entry) != _common(self.entry)
            or not self._continued(message)
        ):
            return False
        self.last = moment
        self.more.append(message)
        return True

    def _continued(self, message: str) -> bool:
        if message[:1].isspace():
            return True
        if self._within:  # anything else is the error
            self._within, self._ended = False, True
            return message != _HEAD
        if self._ended:
            self._ended = message not in _BETWEEN
            return not self._ended
        self._within = message == _HEAD  # what comes before a traceback says what it is about
        return self._within


def paragraphs(portions: Iterable[list[Shown]]) -> Iterator[list[Paragraph]]:
    """Put entries together, in the order of their first lines.

    What a stream has written is held for a moment, by the time of the lines, since it may go on. An empty portion says
    that there is no more for now.
    """
    waiting: deque[Paragraph] = deque()
    open_: dict[str, Paragraph] = {}
    for portion in portions:
        for moment, stream, entry in portion:
            found = open_.get(stream)
            if found is None or not found.take(moment, entry):
                open_[stream] = Paragraph(stream, moment, entry)
                waiting.append(open_[stream])
        ready: list[Paragraph] = []
        now = portion[-1][0] if portion else None
        while waiting and (
            now is None
            or len(waiting) > WAITING
            or now - waiting[0].last > MOMENT
            or open_.get(waiting[0].stream) is not waiting[0]
        ):
            one = waiting.popleft()
            if open_.get(one.stream) is one:
                del open_[one.stream]
            ready.append(one)
        if ready:
            yield ready
    if waiting:
        yield list(waiting)


def _message(entry: Mapping[str, Any]) -> str:
    message = entry.get("message")
    return message if isinstance(message, str) else ""


def _common(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name not in _OF_ITS_OWN}
