"""When a schedule of EventBridge Scheduler is due: rates, cron expressions and single moments.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_RATE = re.compile(r"rate\(([1-9][0-9]*) (minute|hour|day)s?\)")
_CRON = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")
_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_YEARS = (1970, 2199)
_AHEAD = 366 * 8  # days that are looked at: a 29th of February is in them


class ExpressionError(ValueError):
    """A text is no expression of a schedule, or one that is not played here."""


@dataclass(frozen=True)
class Rate:
    """At once, and again after each period."""

    period: timedelta

    def after(self, moment: datetime, first: datetime) -> datetime | None:
        """Return when it is due next after a moment; `first` is when it was due first."""
        if moment < first:
            return first
        return first + self.period * ((moment - first) // self.period + 1)


@dataclass(frozen=True)
class Once:
    """At one moment."""

    moment: datetime

    def after(self, moment: datetime, first: datetime) -> datetime | None:  # noqa: ARG002
        """Return when it is due next after a moment."""
        return self.moment if self.moment > moment else None


@dataclass(frozen=True)
class Cron:
    """By the clocks of a zone: a time that they skip is left out, one that they show twice is due the first time.

    Days of the week begin with Sunday as 0; a month's last day is day 32.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    month_days: frozenset[int] | None
    months: frozenset[int]
    week_days: frozenset[int] | None
    years: frozenset[int]
    zone: ZoneInfo

    def after(self, moment: datetime, first: datetime) -> datetime | None:  # noqa: ARG002
        """Return when it is due next after a moment."""
        start = moment.astimezone(self.zone).date()
        for day in self._days(start):
            for hour in self.hours:
                for minute in self.minutes:
                    found = datetime.combine(day, time(hour, minute), self.zone).astimezone(UTC)
                    exists = found.astimezone(self.zone).time().replace(tzinfo=None) == time(hour, minute)
                    if exists and found > moment:
                        return found
        return None

    def _days(self, start: date) -> Iterator[date]:
        for offset in range(_AHEAD):
            day = start + timedelta(days=offset)
            if day.year not in self.years or day.month not in self.months:
                continue
            last = calendar.monthrange(day.year, day.month)[1]
            if self.month_days is not None and not {day.day, 32 if day.day == last else 0} & self.month_days:
                continue
            if self.week_days is None or day.isoweekday() % 7 in self.week_days:
                yield day


def parse(text: str, zone: str) -> Rate | Once | Cron:
    """Read an expression. Raises ExpressionError."""
    try:
        clocks = ZoneInfo(zone)
        if match := _RATE.fullmatch(text):
            return Rate(timedelta(**{f"{match[2]}s": int(match[1])}))
        if match := _AT.fullmatch(text):
            return Once(datetime.fromisoformat(match[1]).replace(tzinfo=clocks).astimezone(UTC))
        if match := _CRON.fullmatch(text):
            return _cron(match.groups(), clocks)
    except (ValueError, OSError, KeyError, OverflowError):
        pass
    raise ExpressionError(f"Invalid Schedule Expression {text}.")


def _cron(fields: tuple[str, ...], zone: ZoneInfo) -> Cron:
    minutes, hours, month_days, months, week_days, years = fields
    if "?" not in (month_days, week_days):
        raise ExpressionError("one of the days of the month and of the week has to be ?")
    return Cron(
        tuple(sorted(_numbers(minutes, 0, 59))),
        tuple(sorted(_numbers(hours, 0, 23))),
        None if month_days == "?" else _numbers(month_days.replace("L", "32"), 1, 32 if month_days == "L" else 31),
        _numbers(months, 1, 12, _MONTHS),
        None if week_days == "?" else frozenset(day - 1 for day in _numbers(week_days, 1, 7, _DAYS)),
        _numbers(years, *_YEARS),
        zone,
    )


def _numbers(field: str, least: int, most: int, names: tuple[str, ...] = ()) -> frozenset[int]:
    """Return the numbers of `*`, `1,3`, `8-19`, `0/5` and the like."""

    def number(text: str) -> int:
        value = names.index(text.upper()) + least if text.upper() in names else int(text)
        if not least <= value <= most:
            raise ExpressionError(f"{text} is not from {least} to {most}")
        return value

    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        begin = least if first == "*" else number(first)
        end = number(last) if dash else most if first == "*" or step else begin
        if step and int(step) < 1:
            raise ExpressionError(f"{part} has no step")
        wrapped = end + (most - least + 1 if end < begin else 0)  # FRI-MON goes over the end of the week
        found.update(least + (one - least) % (most - least + 1) for one in range(begin, wrapped + 1, int(step or 1)))
    return frozenset(found)
