"""What both apps answer, and so what every reply is checked against."""

from __future__ import annotations

import json

FIELDS = {"x-bench": "answered by the app"}
COOKIE = "visited=yes; Path=/; HttpOnly"
SMALL = b'{"hello":"world"}'
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
