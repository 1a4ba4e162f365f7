"""Times and sizes for people, in the units that queries have: `1.5s`, `12.3kb`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from upproxy.observe.logs.query.units import MEASURES


def measured(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields with their times, in ms, and their sizes, in bytes, as people read them."""
    return {name: _written(name, value) for name, value in fields.items()}


def _written(name: str, value: Any) -> Any:
    units = MEASURES.get(name)
    if units is None or isinstance(value, bool) or not isinstance(value, int | float):
        return value
    unit, one = max(
        (each for each in units.items() if value >= each[1]), key=_size, default=min(units.items(), key=_size)
    )
    number = value / one
    return f"{number:.0f}{unit}" if number >= 100 else f"{number:.3g}{unit}"


def _size(unit: tuple[str, int]) -> int:
    return unit[1]
