"""Several feeds as one, in the order of time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar


class Timed(Protocol):
    """Something that happened at a `timestamp`, in ms since 1970."""

    @property
    def timestamp(self) -> int:
        """When."""


T = TypeVar("T", bound=Timed)


def merged(feeds: Iterable[Iterator[Sequence[T]]]) -> Iterator[list[T]]:
    """Go through what all feeds have, in portions, the earliest first.

    A feed gives portions that are in order, and follow one another in order. One portion of each is held at a time.
    """
    held: list[tuple[Iterator[Sequence[T]], Sequence[T]]] = [(feed, ()) for feed in feeds]
    while held := [(feed, left) for feed, portion in held if (left := portion or _next(feed))]:
        until = min(portion[-1].timestamp for _, portion in held)
        counts = [_count(portion, until) for _, portion in held]
        ready = [one for (_, portion), count in zip(held, counts, strict=True) for one in portion[:count]]
        held = [(feed, portion[count:]) for (feed, portion), count in zip(held, counts, strict=True)]
        yield sorted(ready, key=_timestamp)


def _next(feed: Iterator[Sequence[T]]) -> Sequence[T]:
    """Return the next portion with anything in it; nothing at the end."""
    return next(filter(None, feed), ())


def _count(portion: Sequence[T], until: int) -> int:
    """Return how many of a portion are not later than a moment."""
    return next((number for number, one in enumerate(portion) if one.timestamp > until), len(portion))


def _timestamp(one: Timed) -> int:
    return one.timestamp
