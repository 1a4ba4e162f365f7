"""A course as a line of bars."""

from __future__ import annotations

from collections.abc import Sequence

from upproxy.observe.metrics.figures import Value

_BARS = "▁▂▃▄▅▆▇█"
_NOTHING = " "


def sparkline(course: Sequence[Value]) -> str:
    """Return a bar for each value from 0 to the highest, and a blank for what was not measured."""
    highest = max((value for value in course if value is not None), default=0.0)
    return "".join(_NOTHING if value is None else _bar(value, highest) for value in course)


def _bar(value: float, highest: float) -> str:
    if value <= 0:
        return _BARS[0]
    return _BARS[min(len(_BARS) - 1, int(value / highest * len(_BARS)))]
