"""What Lambda itself writes into a function's log, in its own text format.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-view.html
"""

from __future__ import annotations

from datetime import UTC, datetime
from math import ceil


def start(request_id: str, version: str) -> str:
    """Return the line before an invocation."""
    return f"START RequestId: {request_id} Version: {version}"


def end(request_id: str) -> str:
    """Return the line after it."""
    return f"END RequestId: {request_id}"


def report(
    request_id: str,
    *,
    duration_ms: float,
    memory_mb: int,
    used_mb: int,
    init_ms: float | None = None,
    status: str = "",
    error_type: str = "",
) -> str:
    """Return the line that sums it up. `init_ms` is given for the first of an instance, and billed as well."""
    fields = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {duration_ms:.2f} ms",
        f"Billed Duration: {ceil(duration_ms + (init_ms or 0))} ms",
        f"Memory Size: {memory_mb} MB",
        f"Max Memory Used: {used_mb} MB",
    ]
    if init_ms is not None:
        fields.append(f"Init Duration: {init_ms:.2f} ms")
    return "\t".join([*fields, *_failed(status, error_type)]) + "\t"


def init_report(init_ms: float, *, phase: str, status: str, error_type: str = "") -> str:
    """Return the line of an initialisation that failed, in its own `phase` or within an `invoke`."""
    fields = [f"INIT_REPORT Init Duration: {init_ms:.2f} ms", f"Phase: {phase}"]
    return "\t".join([*fields, *_failed(status, error_type)]) + "\t"


def timed_out(request_id: str, seconds: float) -> str:
    """Return what an invocation that took too long ends with; it is in the log and in the reply."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f"{now} {request_id} Task timed out after {seconds:.2f} seconds"


def exited(message: str, kind: str) -> str:
    """Return what an invocation ends with whose runtime has ended, by the message of the reply: one event of two lines.

    https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html
    """
    return f"{message}\n{kind}"


def _failed(status: str, error_type: str) -> list[str]:
    return ([f"Status: {status}"] if status else []) + ([f"Error Type: {error_type}"] if error_type else [])
