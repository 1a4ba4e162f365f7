"""CloudWatch Logs Insights: queries of a log group, which run on AWS until they are done or stopped.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartQuery.html and API_GetQueryResults.html
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from upproxy.aws.errors import AwsError, QuotaExceeded
from upproxy.aws.session import Service, Session
from upproxy.aws.waiting import wait

MOST_ROWS = 10_000
"""Rows of a result, of which there are never more."""
ROOM_TIMEOUT = 60.0  # seconds until others' queries leave room for one
RESULT_TIMEOUT = 180.0  # seconds that a query may take
_STOP_TIMEOUT = 5.0  # seconds that somebody who has pressed Ctrl-C waits for that at most
_UNDER_WAY = ("Scheduled", "Running", "Unknown")

Report = Callable[[str], None]


class Insights:
    """Queries in a region."""

    def __init__(self, session: Session, region: str) -> None:
        self._logs = session.service("logs", region)
        self._stopping = session.service("logs", region, read_timeout=_STOP_TIMEOUT, attempts=1)

    def start(self, group: str, text: str, start: int, end: int, report: Report) -> Query:
        """Start a query of a group from a moment to another, in seconds since 1970.

        An account may run 30 at once in a region: room for one is waited for. Raises NotFound where there is no such
        group, TimedOut, and AwsError.
        """

        def attempt() -> str | None:
            try:
                answer = self._logs.call(
                    "StartQuery", logGroupName=group, queryString=text, startTime=start, endTime=end, limit=MOST_ROWS
                )
            except QuotaExceeded:
                return None
            return str(answer["queryId"])

        started = wait(
            attempt, "room for a query of the log", timeout=ROOM_TIMEOUT, report=report,
            hint="An account may run 30 queries at once in a region, those of its dashboards among them; try it later.",
        )  # fmt: skip
        return Query(self._logs, self._stopping, started, group)


class Query:
    """A query that runs. As a context manager it is stopped when it is left before its end."""

    def __init__(self, logs: Service, stopping: Service, query_id: str, group: str) -> None:
        self._logs = logs
        self._stopping = stopping
        self._id = query_id
        self._group = group
        self._ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._ended:
            return
        try:
            self._stopping.call("StopQuery", queryId=self._id)
        except AwsError:
            pass  # it ends by itself, within an hour

    def rows(self, report: Report) -> list[dict[str, str]]:
        """Wait for the result and return its rows, as values by field; a field without a value is not in a row.

        Raises TimedOut, and AwsError where the query failed.
        """
        answer = wait(
            self._look, f"the query of {self._group}", timeout=RESULT_TIMEOUT, report=report, longest=1.0,
            hint="-S with a shorter time has less of the log to read.",
        )  # fmt: skip
        if answer["status"] != "Complete":
            raise AwsError(
                f"the query of {self._group} was not carried out: {answer['status']}", operation="GetQueryResults"
            )
        return [{one["field"]: one["value"] for one in row if "value" in one} for row in answer["results"]]

    def _look(self) -> dict[str, Any] | None:
        answer = self._logs.call("GetQueryResults", queryId=self._id)
        if answer["status"] in _UNDER_WAY:
            return None
        self._ended = True
        return answer
