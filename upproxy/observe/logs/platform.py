"""Lines that Lambda itself writes into a log group as text, read into fields and into words for a person.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-view.html, and for INIT_REPORT and RESTORE_REPORT
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html; types are named after the Telemetry API's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple


class Some:
    """Stands for a value that differs from line to line, and may be absent."""


SOME: Final = Some()


class Kind(NamedTuple):
    """What all lines of a kind have in common: a `marker` in their text, and which `fields` they can have."""

    marker: str
    fields: Mapping[str, Any]


_MEGABYTE = 1_024**2
_MEASURED: Final[Mapping[str, tuple[str, int]]] = {
    "Duration": ("invocation", 1),
    "Billed Duration": ("billed", 1),
    "Memory Size": ("memory", _MEGABYTE),
    "Max Memory Used": ("used", _MEGABYTE),
    "Init Duration": ("init", 1),
    "Restore Duration": ("restore", 1),
}
"""Measures of a report: the field, and its unit in milliseconds or bytes."""

_NAMED: Final[Mapping[str, str]] = {"Status": "outcome", "Error Type": "error_type", "Phase": "phase"}


def _kind(marker: str, type_: str | Some, level: str, *names: str, **known: Any) -> Kind:
    some = dict.fromkeys(("message", *names), SOME)
    return Kind(marker, {"type": type_, "level": level, **some, **known})


_REPORTED = ("request_id", *(field for field, _ in _MEASURED.values()), *_NAMED.values())

KINDS: Final = (
    _kind("START RequestId:", "platform.start", "info", "request_id"),
    _kind("END RequestId:", "platform.end", "info", "request_id"),
    _kind("REPORT RequestId:", "platform.report", "info", *_REPORTED),
    _kind("Init Duration:", SOME, "info", *_REPORTED, cold=True),
    _kind("Restore Duration:", SOME, "info", *_REPORTED, cold=True),
    _kind("Status:", SOME, "error", *_REPORTED, "cold"),
    _kind("INIT_START", "platform.initStart", "info"),
    _kind("RESTORE_START", "platform.restoreStart", "info"),
    _kind("EXTENSION", "platform.extension", "info"),
    _kind("Task timed out", "platform.timeout", "error", "request_id", "timeout"),
    _kind("Runtime exited", "platform.exit", "error", "request_id", "error_type"),
)
"""Every line that `read` makes fields of is of at least one of these kinds."""

_TIMED_OUT = re.compile(
    r"(?:RequestId: )?(?:\S+Z )?(\S+)(?: Error:)? Task timed out after ([0-9]+(?:[.][0-9]+)?) seconds"
)
_EXITED = re.compile(r"RequestId: (\S+) Error: Runtime exited (?:with error: )?([^\n]+)(?:\n(\S+))?")


def read(text: str) -> dict[str, Any] | None:
    """Return the fields of a line; None for one that Lambda did not write. Times are in ms, sizes in bytes."""
    reader = _READERS.get(text.split(" ", 1)[0].split("\t", 1)[0])
    if reader:
        return reader(text)
    if found := _TIMED_OUT.match(text):
        seconds = float(found[2])
        return _fields(
            "timeout", "error", f"timed out after {seconds:g} s", request_id=found[1], timeout=round(seconds * 1_000, 3)
        )
    if found := _EXITED.match(text):
        message = f"the runtime process ended: {found[2]}"
        kind = {"error_type": found[3]} if found[3] else {}
        return _fields("exit", "error", message, request_id=found[1], **kind)
    return None


def _invocation(type_: str, message: str) -> Callable[[str], dict[str, Any] | None]:
    def reader(text: str) -> dict[str, Any] | None:
        words = text.split(" ")
        if len(words) < 3 or words[1] != "RequestId:":
            return None
        return _fields(type_, "info", message, request_id=words[2])

    return reader


def _report(type_: str) -> Callable[[str], dict[str, Any] | None]:
    def reader(text: str) -> dict[str, Any] | None:
        found: dict[str, Any] = {}
        for part in re.split(r"[\t\n]", text.split(" ", 1)[1]):
            name, _, value = part.partition(": ")
            if name == "RequestId":
                found["request_id"] = value
            elif name in _MEASURED:
                field, unit = _MEASURED[name]
                try:
                    found[field] = _number(value.split(" ", 1)[0]) * unit
                except ValueError:
                    return None
            elif name in _NAMED:
                found[_NAMED[name]] = value
        if not found or (type_ == "report" and "request_id" not in found):
            return None
        if "init" in found or "restore" in found:
            found["cold"] = True
        return _fields(type_, "error" if _failed(found) else "info", _summed_up(found), **found)

    return reader


def _plain(type_: str, message: str) -> Callable[[str], dict[str, Any] | None]:
    def reader(text: str) -> dict[str, Any] | None:
        rest = " ".join(text.split()[1:])
        return _fields(type_, "info", f"{message} ({rest})" if rest else message)

    return reader


_READERS: Final = {
    "START": _invocation("start", "invocation started"),
    "END": _invocation("end", "invocation ended"),
    "REPORT": _report("report"),
    "INIT_REPORT": _report("initReport"),
    "RESTORE_REPORT": _report("restoreReport"),
    "INIT_START": _plain("initStart", "initialisation started"),
    "RESTORE_START": _plain("restoreStart", "restoring started"),
    "EXTENSION": _plain("extension", "extension"),
}


def _fields(type_: str, level: str, message: str, **others: Any) -> dict[str, Any]:
    return {"type": f"platform.{type_}", "level": level, "message": message, **others}


def _failed(found: Mapping[str, Any]) -> bool:
    return "outcome" in found and found["outcome"] != "success"


def _summed_up(found: Mapping[str, Any]) -> str:
    """Say what a report says, what matters most first."""
    parts = []
    if found.get("error_type") == "Runtime.OutOfMemory":
        parts.append("out of memory")
    elif _failed(found):
        failed = "timed out" if found["outcome"] == "timeout" else "failed"
        kind = f" ({found['error_type']})" if "error_type" in found else ""
        parts.append(f"{failed}{kind}")
    if "init" in found:
        parts.append(f"cold start took {found['init']:g} ms")
    if "restore" in found:
        parts.append(f"restoring the snapshot took {found['restore']:g} ms")
    if "invocation" in found:
        parts.append(f"invocation took {found['invocation']:g} ms")
    if "used" in found and "memory" in found:
        parts.append(f"{found['used'] / _MEGABYTE:g} of {found['memory'] / _MEGABYTE:g} MB used")
    return ", ".join(parts)


def _number(text: str) -> int | float:
    """Read what Lambda writes: digits with or without a point. Raises ValueError."""
    return float(text) if "." in text else int(text)
