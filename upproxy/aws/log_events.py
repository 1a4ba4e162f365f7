"""CloudWatch Logs: what was written to a log group."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from urllib3.exceptions import HTTPError

from upproxy.aws.errors import Unreachable
from upproxy.aws.session import Session, translating

_SILENCE = 10.0  # seconds after which a session that has an update every second is dead


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
        self._session = session
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

    def live(self, group: str, pattern: str = "") -> Generator[bool]:
        """Go through the updates of a Live Tail session, one a second, the first of them when it has begun.

        Each says whether something has come in that `pattern` matches; what, is not said, since that may be a sample.
        AWS ends a session after three hours. Raises NotFound where there is no such group, and AwsError.
        https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartLiveTail.html
        """
        region = self._logs.region
        partition = self._session.partition_of(region)
        arn = f"arn:{partition}:logs:{region}:{self._session.account}:log-group:{group}"
        # botocore puts `stream-` before the host, which only AWS's own hosts have an address for.
        address = urlsplit(self._logs.client.meta.endpoint_url).hostname or ""
        prefix = address.startswith("logs")
        service = self._session.service("logs", region, read_timeout=_SILENCE, attempts=1, inject_host_prefix=prefix)
        asked = {"logGroupIdentifiers": [arn], **({"logEventFilterPattern": pattern} if pattern else {})}
        stream = service.call("StartLiveTail", **asked)["responseStream"]
        try:
            with translating("logs", "StartLiveTail"):
                for update in stream:
                    yield bool(update.get("sessionUpdate", {}).get("sessionResults"))
        except HTTPError as error:
            raise Unreachable(f"logs StartLiveTail: {error}", operation="StartLiveTail") from error
        finally:
            stream.close()


def _moment(answer: dict[str, Any]) -> int:
    """Return the time at which AWS answered: what is logged goes by its clock, and not by that of this machine."""
    try:
        date = answer["ResponseMetadata"]["HTTPHeaders"]["date"]
        return int(parsedate_to_datetime(date).timestamp()) * 1000
    except (KeyError, ValueError):
        return int(time.time()) * 1000
