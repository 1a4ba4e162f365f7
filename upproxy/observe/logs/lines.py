"""What an event of a function's log group says, as the fields of a log line.

The proxy writes JSON with a level; Lambda itself writes text about invocations, in a format of its own:
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-view.html
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from upproxy.aws.log_events import Event

_PLATFORM = re.compile(
    r"(START|END|REPORT|INIT_START|INIT_REPORT|RESTORE_START|RESTORE_REPORT|XRAY|EXTENSION|TELEMETRY|LOGS)\b"
)
_FIELD = re.compile(r"(?:^\w+ |\t)(RequestId|Duration|Max Memory Used|Init Duration|Status|Error Type): ([^\t ]+)")
_FAILED = re.compile(r"Task timed out after |RequestId: \S+ (Error|Process exited)|Runtime exited")


def line(event: Event, *, everything: bool = False) -> dict[str, Any] | None:
    """Return the fields of an event: `timestamp`, `level`, `message` and others; None for what few want to see.

    That are Lambda's own lines, but for cold starts and failures, and the lines that CloudWatch makes metrics of.
    """
    text = event.message.rstrip("\r\n")
    stamp = {"timestamp": _iso(event.timestamp)}
    document = _document(text)
    if document is not None:
        metrics = "_aws" in document
        platform = str(document.get("type", "")).startswith("platform.")  # where Lambda is set to log JSON
        if (metrics or platform) and not everything:
            return None
        if isinstance(document.get("level"), str):
            return {**stamp, **document}
    elif found := _PLATFORM.match(text):
        if not everything:
            fields = _report(text) if found[1] in ("REPORT", "INIT_REPORT") else None
            return None if fields is None else {**stamp, **fields}
        text = text.strip().replace("\t", "  ")
    elif not text:
        return None
    return {**stamp, "level": "error" if _FAILED.search(text) else "info", "message": text}


def _document(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        document = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _report(text: str) -> dict[str, Any] | None:
    """Return what is worth seeing of the line that sums an invocation or initialisation up."""
    found = dict(_FIELD.findall(text))
    fields: dict[str, Any] = {}
    if status := found.get("Status"):
        fields = {"level": "error", "message": "the invocation failed", "status": status}
        if kind := found.get("Error Type"):
            fields["error_type"] = kind
    elif "Init Duration" in found:
        fields = {"level": "info", "message": "cold start"}
    else:
        return None
    for name, key in (("Init Duration", "init_ms"), ("Duration", "duration_ms"), ("Max Memory Used", "memory_mb")):
        if name in found:
            fields[key] = float(found[name]) if key.endswith("ms") else int(found[name])
    if "RequestId" in found:
        fields["request_id"] = found["RequestId"]
    return fields


def _iso(moment: int) -> str:
    """Return ms since 1970 as `2026-01-31T08:15:00.123Z`."""
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
