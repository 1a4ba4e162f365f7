"""How a figure compares with the one of the period before, in words."""

from __future__ import annotations

from typing import Literal

from upproxy.observe.metrics.figures import Value

CLEAR = 0.1
"""The share by which a figure has to change for it to be good or bad: less is mostly chance."""
_TIMES = 3.0  # as much, from where on percents say little

Direction = Literal["less", "more"]


def told(now: Value, before: Value) -> str:
    """Return the change in words; nothing where there is nothing to compare."""
    if now is None or before is None:
        return ""
    if now == before:
        return "the same"
    if not before:
        return "none before"
    if now >= _TIMES * before:
        return f"{_rounded(now / before)} times"
    percent = round((now / before - 1) * 100)
    if not percent:
        return "the same"
    return f"{'+' if percent > 0 else '−'}{abs(percent)} %"


def better(now: Value, before: Value, wanted: Direction) -> bool | None:
    """Whether a figure has become clearly better, False for clearly worse, None where that cannot be said."""
    if now is None or before is None or abs(now - before) <= CLEAR * abs(before):
        return None
    return (now > before) == (wanted == "more")


def _rounded(times: float) -> str:
    return f"{times:,.0f}" if times >= 10 else f"{times:.1f}"
