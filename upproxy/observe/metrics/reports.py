"""What Lambda's REPORT lines add up to: cold starts, what was billed, and the memory that was used.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_AnalyzeLogData-discoverable-fields.html names the fields
that CloudWatch Logs Insights finds in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

_MEGABYTE = 1_000_000  # what Insights takes the MB of a REPORT line for
_BINS = {60: "1m", 300: "5m", 3600: "1h"}
QUERY = (
    'filter @type = "REPORT"\n'
    "| stats count(*), count(@initDuration), sum(@initDuration), sum(@billedDuration), max(@maxMemoryUsed)"
    " by bin({bin})"
)
"""What is asked: all REPORT lines, in portions of time that can be put together to any period."""


class Reports(NamedTuple):
    """Invocations that have ended, how many of them started an instance, and what they took; memory in bytes."""

    invocations: int
    cold: int
    init_ms: float
    billed_ms: float
    memory: int


def query(unit: int) -> str:
    """Return the query for portions of so many seconds: 60, 300 or 3600."""
    return QUERY.format(bin=_BINS[unit])


def read(rows: Iterable[Mapping[str, str]]) -> dict[int, Reports]:
    """Return what rows of Insights say, by the moment in seconds since 1970 at which each portion begins."""
    return {_moment(row): _read(row) for row in rows}


def between(portions: Mapping[int, Reports], start: int, end: int) -> Reports | None:
    """Return what was reported from a moment on and before another; None where nothing was."""
    found = [one for at, one in portions.items() if start <= at < end]
    if not found:
        return None
    invocations, cold, init_ms, billed_ms, memory = zip(*found, strict=True)
    return Reports(sum(invocations), sum(cold), sum(init_ms), sum(billed_ms), max(memory))


def _moment(row: Mapping[str, str]) -> int:
    written = next(value for field, value in row.items() if field.startswith("bin("))
    return int(datetime.fromisoformat(written).replace(tzinfo=UTC).timestamp())


def _read(row: Mapping[str, str]) -> Reports:
    """Return a row; what has no value is not in it."""
    values = {field: float(value) for field, value in row.items() if not field.startswith("bin(")}
    return Reports(
        invocations=int(values["count(*)"]),
        cold=int(values["count(@initDuration)"]),
        init_ms=values.get("sum(@initDuration)", 0.0),
        billed_ms=values.get("sum(@billedDuration)", 0.0),
        memory=round(values.get("max(@maxMemoryUsed)", 0.0) / _MEGABYTE) * 1_048_576,
    )
