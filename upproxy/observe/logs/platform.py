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
    """What all lines of a kind have in common: `markers` in their text, the last one their own, and `fields`."""

    markers: tuple[str, ...]
    fields: Mapping[str, Any]


class Reading(NamedTuple):
    """The fields of a line, and what it says in words for a person."""

    fields: dict[str, Any]
    words: str


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


def _kind(type_: str, level: str | Some, *markers: str, some: tuple[str, ...] = (), **known: Any) -> Kind:
    return Kind(markers, {"type": f"platform.{type_}", "level": level, **dict.fromkeys(some, SOME), **known})


_REPORT = "REPORT RequestId:"
_REPORTED = ("request_id", "cold", *(field for field, _ in _MEASURED.values()), *_NAMED.values())

KINDS: Final = (
    _kind("start", "info", "START RequestId:", some=("request_id",)),
    _kind("end", "info", "END RequestId:", some=("request_id",)),
    _kind("report", "info", _REPORT, some=tuple(field for field in _REPORTED if field != "cold")),
    _kind("report", "info", _REPORT, "Init Duration:", some=_REPORTED, cold=True),
    _kind("report", "info", _REPORT, "Restore Duration:", some=_REPORTED, cold=True),
    _kind("report", "error", _REPORT, "Status:", some=_REPORTED),
    _kind("initReport", SOME, "INIT_REPORT", some=_REPORTED),
    _kind("restoreReport", SOME, "RESTORE_REPORT", some=_REPORTED),
    _kind("initStart", "info", "INIT_START"),
    _kind("restoreStart", "info", "RESTORE_START"),
    _kind("extension", "info", "EXTENSION"),
    _kind("logsSubscription", "info", "LOGS"),
    _kind("telemetrySubscription", "info", "TELEMETRY"),
    _kind("timeout", "error", "Task timed out", some=("request_id", "timeout")),
    _kind("exit", "error", "Runtime exited", some=("request_id", "error_type")),
    _kind("exit", "error", "Process exited", some=("request_id", "error_type")),
)
"""Every line that `read` makes fields of is of at least one of these kinds."""

_OUT_OF_MEMORY = "Runtime.OutOfMemory"
_TIMED_OUT = re.compile(
    r"(?:RequestId: )?(?:\S+Z )?(\S+)(?: Error:)? Task timed out after ([0-9]+(?:[.][0-9]+)?) seconds"
)
_EXITED = re.compile(r"RequestId: (\S+) (?:Error: Runtime|Process) exited (?:with error: )?([^\n]+)(?:\n(\S+))?")


def read(text: str) -> Reading | None:
    """Return what a line says; None for one that Lambda did not write. Times are in ms, sizes in bytes."""
    reader = _READERS.get(text.split(" ", 1)[0].split("\t", 1)[0])
    if reader:
        return reader(text)
    if found := _TIMED_OUT.match(text):
        seconds = float(found[2])
        return _reading(
            "timeout", "error", f"timed out after {seconds:g} s", request_id=found[1], timeout=round(seconds * 1_000, 3)
        )
    if found := _EXITED.match(text):
        reason = "out of memory" if found[3] == _OUT_OF_MEMORY else "the runtime process ended"
        kind = {"error_type": found[3]} if found[3] else {}
        return _reading("exit", "error", f"{reason}: {found[2]}", request_id=found[1], **kind)
    return None


def _invocation(type_: str, words: str) -> Callable[[str], Reading | None]:
    def reader(text: str) -> Reading | None:
        _, name, request_id, *_ = [*text.split(" "), "", ""]
        return _reading(type_, "info", words, request_id=request_id) if name == "RequestId:" else None

    return reader


def _report(type_: str) -> Callable[[str], Reading | None]:
    def reader(text: str) -> Reading | None:
        found: dict[str, Any] = {}
        for part in re.split(r"[\t\n]", text.partition(" ")[2]):
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
        return _reading(type_, "error" if _failed(found) else "info", _summed_up(found), **found)

    return reader


def _plain(type_: str, words: str) -> Callable[[str], Reading | None]:
    def reader(text: str) -> Reading | None:
        rest = " ".join(text.split()[1:])
        return _reading(type_, "info", f"{words} ({rest})" if rest else words)

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
    "LOGS": _plain("logsSubscription", "logs are subscribed to"),
    "TELEMETRY": _plain("telemetrySubscription", "telemetry is subscribed to"),
}


def _reading(type_: str, level: str, words: str, **others: Any) -> Reading:
    return Reading({"type": f"platform.{type_}", "level": level, **others}, words)


def _failed(found: Mapping[str, Any]) -> bool:
    return "outcome" in found and found["outcome"] != "success"


def _summed_up(found: Mapping[str, Any]) -> str:
    """Say what a report says, what matters most first."""
    parts = []
    if found.get("error_type") == _OUT_OF_MEMORY:
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
