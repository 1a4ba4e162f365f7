"""Units of numbers, and which fields are times or sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

TIMES: Final[Mapping[str, int]] = {"ms": 1, "s": 1_000, "m": 60_000}
"""Milliseconds, in which lines have their times."""

SIZES: Final[Mapping[str, int]] = {"b": 1, "kb": 1_024, "mb": 1_024**2}
"""Bytes, in which lines have their sizes."""

UNITS: Final[Mapping[str, int]] = {**TIMES, **SIZES}

MEASURES: Final[Mapping[str, Mapping[str, int]]] = {
    **dict.fromkeys(("duration", "upstream", "init", "restore", "invocation", "billed", "timeout"), TIMES),
    **dict.fromkeys(("size", "request_size", "memory", "used"), SIZES),
}
"""What is measured in which units, of the fields that upproxy and Lambda write."""
