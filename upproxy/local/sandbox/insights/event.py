"""The fields that Logs Insights finds in an event.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_AnalyzeLogData-discoverable-fields.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any


class Moment(int):
    """Milliseconds since 1970, which results show as a date."""


Value = str | int | float
Row = Mapping[str, Value]

MEGABYTE = 1_000_000  # bytes, by which Logs Insights counts; Lambda's own have 1,048,576
FIELDS = 1_000  # that are found in an event
_KIND = re.compile(r"(START|END|REPORT) RequestId: (\S+)")
_TIMED_OUT = re.compile(r"\S+Z (\S+) Task timed out after ")
_MEASURES = re.compile(r"\t(Duration|Billed Duration|Init Duration|Memory Size|Max Memory Used): ([0-9.]+) (ms|MB)")
_NAMES = {
    "Duration": "@duration", "Billed Duration": "@billedDuration", "Init Duration": "@initDuration",
    "Memory Size": "@memorySize", "Max Memory Used": "@maxMemoryUsed",
}  # fmt: skip
_UNITS = {"ms": 1.0, "MB": float(MEGABYTE)}
_DECODER = json.JSONDecoder()


def row(message: str, *, timestamp: int, ingested: int, group: str, stream: str, pointer: str) -> Row:
    """Return the fields of an event; moments are in ms since 1970."""
    known: dict[str, Value] = {
        "@ptr": pointer, "@timestamp": Moment(timestamp), "@ingestionTime": Moment(ingested), "@message": message,
        "@logStream": stream, "@log": group,
    }  # fmt: skip
    return {**_found(message), **known}


def _found(message: str) -> dict[str, Value]:
    if kind := _KIND.match(message):
        measures: dict[str, Value] = {
            _NAMES[name]: float(number) * _UNITS[unit] for name, number, unit in _MEASURES.findall(message)
        }
        return {"@type": kind[1], "@requestId": kind[2], **measures}
    if timed_out := _TIMED_OUT.match(message):
        return {"@requestId": timed_out[1]}
    start = message.find("{")
    if start < 0:
        return {}
    try:
        document, _ = _DECODER.raw_decode(message, start)
    except (ValueError, RecursionError):
        return {}
    return _flat(document)


def _flat(document: Any) -> dict[str, Value]:
    """Return the values of an object by their paths: `user.emails.0`."""
    found: dict[str, Value] = {}
    waiting = [(f"@{name}" if name.startswith("@") else name, value) for name, value in document.items()]
    while waiting and len(found) < FIELDS:
        path, value = waiting.pop()
        match value:
            case dict():
                waiting.extend((f"{path}.{name}", one) for name, one in value.items())
            case list():
                waiting.extend((f"{path}.{place}", one) for place, one in enumerate(value))
            case bool():
                found[path] = int(value)
            case str() | int() | float():
                found[path] = value
    return found
