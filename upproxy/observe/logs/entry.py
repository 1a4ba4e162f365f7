"""Which events are shown to whom, and as what."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from upproxy.aws.log_events import Event
from upproxy.observe.logs import line

_OF_LAMBDA = "platform."  # what the types of Lambda's own lines begin with
_BRIEFLY = ("timestamp", "level", "message", "request_id")


def entry(event: Event, *, everything: bool = False) -> dict[str, Any] | None:
    """Return what an event shows: `timestamp`, `level`, `message` and other fields; None for what few want to see.

    That are Lambda's own lines, but for cold starts and failures, and the lines that CloudWatch makes metrics of.
    """
    found = line.read(event.message, timestamp=event.timestamp, stream=event.stream)
    fields = found.fields
    told = fields.get("cold") is True or fields.get("level") == "error" or not _is_of_lambda(fields)
    if not found.text.strip() or (("_aws" in fields or not told) and not everything):
        return None
    stamp = {"timestamp": _iso(event.timestamp)}
    if found.words:
        return {**stamp, **fields, "message": found.words}
    if isinstance(fields.get("level"), str):
        return {**stamp, **fields}
    return {**stamp, "level": "info", "message": found.text.strip()}


def brief(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a person is to see of it: of Lambda's own lines the words, which have the figures."""
    return {name: value for name, value in fields.items() if name in _BRIEFLY or not _is_of_lambda(fields)}


def _is_of_lambda(fields: Mapping[str, Any]) -> bool:
    return str(fields.get("type", "")).startswith(_OF_LAMBDA)


def _iso(moment: int) -> str:
    """Return ms since 1970 as `2026-01-31T08:15:00.123Z`."""
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
