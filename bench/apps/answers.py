"""What both apps answer, and so what every reply is checked against."""

from __future__ import annotations

import json

FIELDS = {"x-bench": "answered by the app"}
COOKIE = "visited=yes; HttpOnly; Path=/"
SMALL = b'{"hello":"world"}'
BEGINNING = b"this is where a stream begins"
BLOCK = BEGINNING + bytes(62_500 - len(BEGINNING))  # of a stream
BLOCKS = 1_600  # 100 MB
PAUSE = 0.02  # seconds that a handler waits for something, or a stream for its second block
CATALOGUE = [
    {"id": number, "name": f"item {number}", "price": number * 1.25, "tags": ["new", "größer", "naïve"], "stock": None}
    for number in range(110)
]


def catalogue() -> bytes:
    """About 10 KB of JSON, written anew for each request as an app would."""
    return json.dumps(CATALOGUE, ensure_ascii=False, separators=(",", ":")).encode()


def form(fields: dict[str, str]) -> bytes:
    """The fields of a form as JSON, sorted."""
    return json.dumps(fields, ensure_ascii=False, sort_keys=True).encode()
