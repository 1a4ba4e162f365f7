"""StartQuery, GetQueryResults and StopQuery of CloudWatch Logs.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartQuery.html
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from upproxy.local.environment import ACCOUNT
from upproxy.local.sandbox.configuration import Document
from upproxy.local.sandbox.delays import Delays
from upproxy.local.sandbox.errors import Answer, ApiError
from upproxy.local.sandbox.insights.evaluate import run
from upproxy.local.sandbox.insights.event import Row, row
from upproxy.local.sandbox.insights.parse import MOST, parse
from upproxy.local.sandbox.insights.tree import Query

Backend = Callable[[str, str], Any]
"""Returns moto's state of a service in a region."""

_KEPT = 100  # queries whose results can be asked for
_LANGUAGE = "CWLI"
_STATISTICS = ("recordsMatched", "recordsScanned", "bytesScanned")
_GROUPS = ("logGroupName", "logGroupNames", "logGroupIdentifiers")


class Insights:
    """Runs queries, in a thread each; results are there after a while, as on AWS."""

    def __init__(self, backend: Backend, delays: Delays) -> None:
        self._backend = backend
        self._delay = delays.query
        self._queries: dict[str, asyncio.Task[Document]] = {}
        self._operations: dict[str, Callable[[str, Document], Document]] = {
            "StartQuery": self._start,
            "GetQueryResults": self._results,
            "StopQuery": self._stop,
        }

    def knows(self, operation: str) -> bool:
        """Whether an operation is one of those that are answered here."""
        return operation in self._operations

    def call(self, region: str, operation: str, content_type: str, body: bytes) -> Answer:
        """Answer a call. Raises ApiError."""
        try:
            given = json.loads(body)
        except ValueError as error:
            raise ApiError("SerializationException", str(error)) from None
        document = self._operations[operation](region, given)
        return Answer(200, [("Content-Type", content_type)], json.dumps(document).encode())

    async def close(self) -> None:
        """Stop."""
        for task in self._queries.values():
            task.cancel()
        await asyncio.gather(*self._queries.values(), return_exceptions=True)

    def _start(self, region: str, given: Document) -> Document:
        if given.get("queryLanguage", _LANGUAGE) != _LANGUAGE:
            raise _invalid(f"the sandbox knows the query language {_LANGUAGE} alone")
        start, end = _whole(given, "startTime"), _whole(given, "endTime")
        limit = _whole({"limit": MOST, **given}, "limit")
        if start > end:
            raise _invalid("End time should not be less than start time")
        if not 0 < limit <= MOST:
            raise _invalid(f"limit is a whole number from 1 to {MOST:,}")
        query = parse(str(given.get("queryString", "")))
        groups = [self._group(region, name) for name in _names(given)]
        identifier = str(uuid.uuid4())
        running = self._run(query, groups, start * 1_000, (end + 1) * 1_000, limit)
        self._queries[identifier] = asyncio.get_running_loop().create_task(running)
        if len(self._queries) > _KEPT:
            self._queries.pop(next(iter(self._queries))).cancel()
        return {"queryId": identifier}

    def _results(self, _: str, given: Document) -> Document:
        found = self._query(given)
        if found.cancelled():
            return _described("Cancelled")
        return found.result() if found.done() else _described("Running")

    def _stop(self, _: str, given: Document) -> Document:
        return {"success": self._query(given).cancel()}

    def _query(self, given: Document) -> asyncio.Task[Document]:
        identifier = str(given.get("queryId"))
        found = self._queries.get(identifier)
        if found is None:
            raise ApiError("ResourceNotFoundException", f"Query {identifier} does not exist")
        return found

    def _group(self, region: str, name: str) -> Any:
        found = self._backend("logs", region).groups.get(name)
        if found is None:
            raise ApiError("ResourceNotFoundException", f"Log group '{name}' does not exist for account ID '{ACCOUNT}'")
        return found

    async def _run(self, query: Query, groups: list[Any], start: int, end: int, limit: int) -> Document:
        await asyncio.sleep(self._delay)
        return await asyncio.to_thread(_evaluated, query, groups, start, end, limit)


def _invalid(message: str) -> ApiError:
    return ApiError("InvalidParameterException", message)


def _whole(given: Document, name: str) -> int:
    value = given.get(name)
    if not isinstance(value, int):
        raise _invalid(f"{name} has to be a whole number")
    return value


def _names(given: Document) -> list[str]:
    """Return the names of the log groups that a query is about. Raises ApiError."""
    found = [given[key] for key in _GROUPS if given.get(key)]
    if len(found) != 1:
        raise _invalid(f"exactly one of {', '.join(_GROUPS)} has to be given")
    names = found[0] if isinstance(found[0], list) else [found[0]]
    return [str(name).rpartition("log-group:")[2].removesuffix(":*") for name in names]


def _evaluated(query: Query, groups: list[Any], start: int, end: int, limit: int) -> Document:
    rows = [one for group in groups for one in _rows(group, start, end)]
    found = run(query, rows, limit)
    return {
        **_described("Complete"),
        "results": [[{"field": name, "value": value} for name, value in one] for one in found.results],
        "statistics": {
            "recordsMatched": float(found.matched), "recordsScanned": float(len(rows)),
            "bytesScanned": float(sum(len(str(one["@message"]).encode()) for one in rows)),
        },
    }  # fmt: skip


def _rows(group: Any, start: int, end: int) -> Iterator[Row]:
    """Go through the events of a log group from `start` on and before `end`, in ms since 1970."""
    for stream in list(group.streams.values()):
        for event in list(stream.events):
            if start <= event.timestamp < end:
                yield row(
                    event.message, timestamp=event.timestamp, ingested=event.ingestion_time,
                    group=f"{ACCOUNT}:{group.name}", stream=stream.log_stream_name, pointer=str(event.event_id),
                )  # fmt: skip


def _described(status: str) -> Document:
    return {"queryLanguage": _LANGUAGE, "results": [], "statistics": dict.fromkeys(_STATISTICS, 0.0), "status": status}
