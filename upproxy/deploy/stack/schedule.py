"""How often and when, as EventBridge Scheduler says it: a rate, or cron expressions in a time zone.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import NamedTuple

from upproxy.config.warm import Warming
from upproxy.config.window import DAY, DAYS, Window

_HOUR = 60  # minutes


class Expression(NamedTuple):
    """A schedule, and the time zone that it goes by."""

    text: str
    zone: str = "UTC"


def expressions(warming: Warming) -> list[Expression]:
    """Return the schedules that together make the ticks.

    In a window there is a tick when it begins. A rate that does not fit into an hour begins anew with each: the last
    step of an hour may be shorter, never longer. A cron expression has the same minutes in all of its hours, so that
    hours with others, such as those in which the window begins and ends, have one of their own.
    """
    minutes = warming.rate // 60
    if warming.window is None:
        return [Expression(_rate(minutes))]
    by_minutes: dict[tuple[bool, tuple[int, ...]], list[int]] = defaultdict(list)
    for (next_day, hour), ticks in _ticks(warming.window, minutes).items():
        by_minutes[next_day, tuple(ticks)].append(hour)
    return [
        Expression(_cron(list(ticks), hours, warming.window, next_day=next_day), warming.window.zone.key)
        for (next_day, ticks), hours in by_minutes.items()
    ]


def _rate(minutes: int) -> str:
    for unit, size in (("day", DAY), ("hour", _HOUR)):
        if minutes % size == 0:
            return f"rate({_counted(minutes // size, unit)})"
    return f"rate({_counted(minutes, 'minute')})"


def _counted(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def _ticks(window: Window, rate: int) -> dict[tuple[bool, int], list[int]]:
    """Return the minutes of each hour that has ticks; the first part of a key says that it is after midnight."""
    end = window.end if window.start < window.end else window.end + DAY
    found: dict[tuple[bool, int], list[int]] = defaultdict(list)
    for minute in range(window.start, end):
        since = minute - window.start
        if (since % _HOUR if rate < _HOUR else since) % rate == 0:
            found[minute >= DAY, minute % DAY // _HOUR].append(minute % _HOUR)
    return found


def _cron(minutes: list[int], hours: list[int], window: Window, *, next_day: bool) -> str:
    days = sorted((day + next_day) % 7 for day in window.days)
    if len(days) == 7:
        return f"cron({_minutes(minutes)} {_spans(hours)} * * ? *)"
    return f"cron({_minutes(minutes)} {_spans(hours)} ? * {_days(days)} *)"


def _minutes(minutes: list[int]) -> str:
    """Write minutes as `0/5` where they go on to the end of the hour in equal steps."""
    steps = {later - earlier for earlier, later in itertools.pairwise(minutes)}
    if len(steps) == 1:
        [step] = steps
        if minutes[-1] + step >= _HOUR:
            return f"{minutes[0]}/{step}"
    return ",".join(map(str, minutes))


def _spans(hours: list[int]) -> str:
    """Write hours as ranges: `8-19`, `0-3,22`."""
    spans: list[list[int]] = []
    for hour in sorted(hours):
        if spans and hour == spans[-1][-1] + 1:
            spans[-1].append(hour)
        else:
            spans.append([hour])
    return ",".join(f"{span[0]}-{span[-1]}" if len(span) > 1 else str(span[0]) for span in spans)


def _days(days: list[int]) -> str:
    names = [DAYS[day].upper() for day in days]
    in_a_row = days[-1] - days[0] == len(days) - 1
    return f"{names[0]}-{names[-1]}" if in_a_row and len(days) > 2 else ",".join(names)
