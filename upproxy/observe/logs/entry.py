"""Which lines are shown to whom, and as what."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from upproxy.observe.logs.line import Line
from upproxy.observe.logs.platform import KINDS

_OF_LAMBDA = "platform."  # what the types of Lambda's own lines begin with
_BRIEFLY = ("timestamp", "level", "message", "request_id", "stage", "region")
_OF_LAMBDA_ALONE = frozenset(name for kind in KINDS for name in kind.fields) - {"level", "request_id", "cold"}


def asked_for(names: Collection[str]) -> bool:
    """Whether a query that asks for these fields is about Lambda's own lines, too."""
    return not _OF_LAMBDA_ALONE.isdisjoint(names)


def entry(line: Line, *, everything: bool = False, also: Collection[str] = ()) -> dict[str, Any] | None:
    """Return what a line shows: `timestamp`, `level`, `message` and other fields; None for what few want to see.

    That are Lambda's own lines, but for cold starts and failures, and the lines that CloudWatch makes metrics of.
    `also` names what is shown of the fields that all lines of a log group have in common.
    """
    own = line.own
    told = own.get("cold") is True or own.get("level") == "error" or not _is_of_lambda(own)
    if not line.text.strip() or (("_aws" in own or not told) and not everything):
        return None
    shared = {"timestamp": _iso(line.timestamp), **{name: line.fields[name] for name in also}}
    if line.words:
        return {**shared, **own, "message": line.words}
    if isinstance(own.get("level"), str):
        return {**shared, **own}
    return {**shared, "level": "info", "message": line.text.strip("\r\n").rstrip()}


def brief(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a person is to see of it: of Lambda's own lines the words, which have the figures."""
    return {name: value for name, value in fields.items() if name in _BRIEFLY or not _is_of_lambda(fields)}


def _is_of_lambda(fields: Mapping[str, Any]) -> bool:
    return str(fields.get("type", "")).startswith(_OF_LAMBDA)


def _iso(moment: int) -> str:
    """Return ms since 1970 as `2026-01-31T08:15:00.123Z`."""
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
