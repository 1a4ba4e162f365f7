"""Hours of the week, such as `Mon-Fri 08:00-20:00 Europe/London`."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo, available_timezones

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = 24 * 60  # minutes
_DAY = f"(?:{'|'.join(''.join(f'[{letter.upper()}{letter}]' for letter in day) for day in DAYS)})"
_RANGE = f"{_DAY}(?:-{_DAY})?"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00"
WINDOW = rf"^(?:({_RANGE}(?:,{_RANGE})*) )?({_TIME})-({_TIME})(?: ([A-Za-z0-9_+/-]+))?$"


class WindowError(ValueError):
    """A text is no window; it says what was expected."""


@dataclass(frozen=True)
class Window:
    """Days of the week (0 is Monday), and minutes of the day by the clocks of a time zone.

    Where it ends before it starts it goes on after midnight, and the days are those on which it begins. It goes by what
    clocks show: an hour that they skip in spring is not part of it, one that they repeat in autumn is, both times.
    """

    days: frozenset[int]
    start: int
    end: int
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str) -> Window:
        """Read `DAYS FROM-TO ZONE`; without days it is every day, without a zone UTC. Raises WindowError."""
        match = re.fullmatch(WINDOW, text)
        if match is None:
            raise WindowError("days, times and a time zone, such as Mon-Fri 08:00-20:00 Europe/London")
        days, start, end = _days(match[1] or "mon-sun"), _minutes(match[2]), _minutes(match[3])
        if start in (end, DAY):
            raise WindowError("a start that is another time than the end, and before 24:00; no window means always")
        return cls(days, start, end, _zone(match[4] or "UTC"))

    def contains(self, moment: datetime) -> bool:
        """Tell whether a moment, which knows its own time zone, lies in it."""
        local = moment.astimezone(self.zone)
        today, minute = local.weekday(), local.hour * 60 + local.minute
        if self.start < self.end:
            return today in self.days and self.start <= minute < self.end
        return (today in self.days and minute >= self.start) or ((today - 1) % 7 in self.days and minute < self.end)


def _days(text: str) -> frozenset[int]:
    found: set[int] = set()
    for part in text.lower().split(","):
        first, _, last = part.partition("-")
        begin = DAYS.index(first)
        length = (DAYS.index(last or first) - begin) % 7  # Fri-Mon goes over the end of the week
        found.update((begin + offset) % 7 for offset in range(length + 1))
    return frozenset(found)


def _minutes(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


def _zone(name: str) -> ZoneInfo:
    known = available_timezones()
    if name in known:
        return ZoneInfo(name)
    by_lower = {one.lower(): one for one in known}
    places = {one.rpartition("/")[2]: by_lower[one] for one in by_lower}
    lower = name.lower()
    near = by_lower.get(lower) or places.get(lower)
    if near is None:
        closest = difflib.get_close_matches(lower, by_lower, 1) or difflib.get_close_matches(lower, places, 1)
        near = (by_lower.get(closest[0]) or places[closest[0]]) if closest else None
    raise WindowError(f"a time zone such as {near or 'Europe/London'} instead of {name}")
