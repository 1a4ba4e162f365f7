"""A line of a log group: an event as CloudWatch has it, and what it says as fields."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from upproxy.observe.logs import platform


@dataclass(frozen=True, slots=True)
class Line:
    """One event. `timestamp` is in ms since 1970, `text` as it was written, `fields` what queries ask for.

    `own` are the fields without what is known of the whole log group.

    A JSON object has its own keys as fields; any other text is a `message`, to which a line of Lambda's own adds what
    `platform` reads in it. What such a line says to a person is in `words`; "" for all others.
    """

    timestamp: int
    stream: str
    text: str
    fields: Mapping[str, Any]
    own: Mapping[str, Any]
    words: str = ""


def read(text: str, *, timestamp: int, stream: str = "", origin: Mapping[str, str] | None = None) -> Line:
    """Make a line of the message of an event.

    `origin` has what is known of a whole log group, such as its `stage` and `region`: fields of every line in it that
    does not say otherwise itself.
    """
    bare = text.strip()
    fields, words = _json(bare), ""
    if fields is None:
        fields = {"message": bare}
        if reading := platform.read(bare):
            fields, words = {**reading.fields, **fields}, reading.words
    return Line(timestamp, stream, text, {**origin, **fields} if origin else fields, fields, words)


def _refused(constant: str) -> NoReturn:
    raise ValueError(constant)


_decode = json.JSONDecoder(parse_constant=_refused).decode  # NaN is no JSON, neither here nor for CloudWatch


def _json(bare: str) -> dict[str, Any] | None:
    if bare[:1] != "{" or bare[-1:] != "}":
        return None
    try:
        fields = _decode(bare)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None
