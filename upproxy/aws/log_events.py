"""CloudWatch Logs: what was written to a log group."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from upproxy.aws.session import Session


class Event(NamedTuple):
    """Something written: its id, when by the clock of its writer, in ms since 1970, what, and in which stream."""

    id: str
    timestamp: int
    message: str
    stream: str


class Page(NamedTuple):
    """Some of the events, the earliest first, and the time in ms since 1970 at which AWS looked, in whole seconds."""

    events: list[Event]
    at: int


class LogEvents:
    """The log groups of a region, as to what is in them."""

    def __init__(self, session: Session, region: str) -> None:
        self._logs = session.service("logs", region)

    def pages(self, group: str, start: int, pattern: str = "") -> Iterator[Page]:
        """Go through the events of a group from a moment on, in ms since 1970; pages may be empty.

        `pattern` is one of CloudWatch's filter patterns. Raises NotFound where there is no such group, and AwsError.
        """
        asked = {"logGroupName": group, "startTime": start, **({"filterPattern": pattern} if pattern else {})}
        for answer in self._logs.pages("FilterLogEvents", **asked):
            events = [
                Event(one["eventId"], one["timestamp"], one["message"], one["logStreamName"])
                for one in answer["events"]
            ]
            yield Page(sorted(events, key=lambda event: event.timestamp), _moment(answer))


def _moment(answer: dict[str, Any]) -> int:
    """Return the time at which AWS answered: what is logged goes by its clock, and not by that of this machine."""
    try:
        date = answer["ResponseMetadata"]["HTTPHeaders"]["date"]
        return int(parsedate_to_datetime(date).timestamp()) * 1000
    except (KeyError, ValueError):
        return int(time.time()) * 1000
