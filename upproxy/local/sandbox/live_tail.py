"""CloudWatch Logs' StartLiveTail, which moto does not have: what comes into log groups, as it comes.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartLiveTail.html
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

from upproxy.local.sandbox import eventstream
from upproxy.local.sandbox.configuration import Document
from upproxy.local.sandbox.errors import ApiError
from upproxy.local.sandbox.logs import Backend

MOST = 500  # events of an update; of more, a sample
_GROUPS = 10  # of a session
_LONGEST = 3 * 3600  # seconds of a session


class LiveTail:
    """A session: the groups of a region that a call of StartLiveTail names. Raises ApiError for a bad call."""

    def __init__(self, backend: Backend, region: str, body: bytes, every: float) -> None:
        """Take moto's state of CloudWatch Logs, and the seconds between updates."""
        from moto.logs.utils import EventMessageFilter

        self._asked = _document(body)
        self._every = every
        names = [str(one).rpartition(":log-group:")[2] for one in self._asked["logGroupIdentifiers"]]
        known = backend(region).groups
        if missing := next((name for name in names if name not in known), None):
            raise ApiError("ResourceNotFoundException", f"The specified log group does not exist: {missing}")
        self._groups = [(arn, known[name]) for arn, name in zip(self._asked["logGroupIdentifiers"], names, strict=True)]
        self._matches = EventMessageFilter(self._asked.get("logEventFilterPattern", "")).matches
        self._seen: dict[int, int] = {}  # how many events of a stream, by moto's number of it
        self._fresh()

    async def messages(self) -> AsyncIterator[bytes]:
        """Go through the messages of the stream: the start, an update every second, the end after three hours."""
        ends = time.monotonic() + _LONGEST
        session = {"requestId": str(uuid.uuid4()), "sessionId": str(uuid.uuid4()), **self._asked}
        yield _event("initial-response", {})  # which protocols with one address for all operations begin a stream with
        yield _event("sessionStart", session)
        while time.monotonic() < ends:
            await asyncio.sleep(self._every)
            events = self._fresh()
            sampled = len(events) > MOST
            yield _event("sessionUpdate", {"sessionMetadata": {"sampled": sampled}, "sessionResults": events[:MOST]})
        timeout = {"message": "The Live Tail session has timed out."}
        yield eventstream.exception("SessionTimeoutException", json.dumps(timeout).encode())

    def _fresh(self) -> list[Document]:
        """Return what has come in since the last time."""
        found = []
        for arn, group in self._groups:
            for name, stream in list(group.streams.items()):
                events: list[Any] = stream.events
                seen = self._seen.get(id(stream), 0)
                self._seen[id(stream)] = seen + len(fresh := events[seen:])
                found += [
                    {
                        "logGroupIdentifier": arn,
                        "logStreamName": name,
                        "message": one.message,
                        "timestamp": one.timestamp,
                        "ingestionTime": one.ingestion_time,
                    }
                    for one in fresh
                    if self._matches(one.message)
                ]
        return found


def _document(body: bytes) -> Document:
    """Return what is asked for. Raises ApiError."""
    try:
        asked = json.loads(body)
        groups = asked["logGroupIdentifiers"]
    except (ValueError, KeyError, TypeError):
        asked, groups = {}, []
    if not isinstance(groups, list) or not 1 <= len(groups) <= _GROUPS:
        raise ApiError(
            "InvalidParameterException", f"logGroupIdentifiers names 1 to {_GROUPS} log groups by their ARNs"
        )
    if not all(":log-group:" in str(one) and not str(one).endswith("*") for one in groups):
        raise ApiError(
            "InvalidParameterException", "A log group is named by its ARN, which does not end with an asterisk"
        )
    found: Document = asked
    return found


def _event(kind: str, document: Document) -> bytes:
    return eventstream.event(kind, "application/json", json.dumps(document).encode())
