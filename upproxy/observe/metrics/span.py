"""The time that is looked at: a period, and one of the same length before it."""

from __future__ import annotations

import math
from dataclasses import dataclass

LONGEST = 180 * 86_400
"""Seconds of the longest period: CloudWatch keeps metrics for 455 days, and there are two periods."""
_UNITS = (60, 300, 3600)
_MOST = 9_000  # units in both periods: a query of logs has at most 10,000 rows, and periods may become a little longer
_POINTS = 24  # of a course


@dataclass(frozen=True)
class Span:
    """Moments in seconds since 1970: two periods of equal length, from `before` to `start`, and from there to `end`.

    All are multiples of `unit`, which is coarse enough for CloudWatch to have it at that age: it keeps minutes for 15
    days, five minutes for 63, hours for 455. A course has a point for every `step`, of which a period is a multiple.
    """

    before: int
    start: int
    end: int
    unit: int
    step: int

    @property
    def seconds(self) -> int:
        """How long a period is."""
        return self.end - self.start

    @property
    def steps(self) -> range:
        """The moments at which the points of the period's course begin."""
        return range(self.start, self.end, self.step)


def span(seconds: int, now: float) -> Span:
    """Return the last so many seconds, made longer where that makes it a whole number of units or steps.

    `now` is in seconds since 1970. Raises ValueError beyond LONGEST.
    """
    if seconds > LONGEST:
        raise ValueError(f"expected {LONGEST // 86_400}d at most, since CloudWatch keeps metrics for 455 days")
    unit = next(unit for unit in _UNITS if 2 * seconds <= _MOST * unit)
    units = math.ceil(seconds / unit)
    fewest = math.ceil(units / _POINTS)
    a_step = next((one for one in range(fewest, 2 * fewest) if units % one == 0), fewest)
    length = math.ceil(units / a_step) * a_step * unit
    end = math.ceil(now / unit) * unit
    return Span(end - 2 * length, end - length, end, unit, a_step * unit)
