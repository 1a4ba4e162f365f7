"""Schedules: every tick of the cron expressions is in the window, and none is missing."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upproxy.config.warm import Warming
from upproxy.config.window import DAY, DAYS, Window
from upproxy.deploy.stack.schedule import Expression, expressions

WEEK = [datetime(2026, 1, 5, tzinfo=UTC) + timedelta(minutes=minute) for minute in range(7 * DAY)]
NUMBERS = {name.upper(): number for number, name in enumerate(DAYS)}


def matches(field: str, least: int, most: int) -> set[int]:
    """What a field of a cron expression is true for."""
    found: set[int] = set()
    for part in field.split(","):
        start, _, step = part.partition("/")
        first, _, last = (NUMBERS.get(one, one) for one in start.partition("-"))
        if start in ("*", "?"):
            found |= set(range(least, most + 1))
        else:
            end = int(last) if last != "" else most if step else int(first)
            found |= set(range(int(first), end + 1, int(step or 1)))
    return found


def ticks(text: str) -> list[datetime]:
    minute, hour, day_of_month, month, day, year = re.fullmatch(r"cron\((.*)\)", text)[1].split()
    assert (day_of_month == "?") != (day == "?"), "one of the two days has to be left open"
    assert (month, year) == ("*", "*")
    minutes, hours, days = matches(minute, 0, 59), matches(hour, 0, 23), matches(day, 0, 6)
    return [at for at in WEEK if at.minute in minutes and at.hour in hours and at.weekday() in days]


def scheduled(rate: int, window: str) -> list[Expression]:
    return expressions(Warming(1, rate * 60, Window.parse(window)))


@pytest.mark.parametrize(
    ("minutes", "text"),
    [(1, "1 minute"), (5, "5 minutes"), (60, "1 hour"), (90, "90 minutes"), (120, "2 hours"), (1440, "1 day")],
)
def test_always(minutes, text):
    assert expressions(Warming(1, minutes * 60, None)) == [Expression(f"rate({text})")]


@pytest.mark.parametrize(
    ("rate", "window", "expected"),
    [
        (5, "Mon-Fri 08:00-20:00 Europe/London", ["cron(0/5 8-19 ? * MON-FRI *)"]),
        (5, "00:00-24:00", ["cron(0/5 0-23 * * ? *)"]),
        (15, "Sat,Mon 08:30-09:15", ["cron(30/15 8 ? * MON,SAT *)", "cron(0 9 ? * MON,SAT *)"]),
        (30, "Fri 22:00-04:00", ["cron(0/30 22-23 ? * FRI *)", "cron(0/30 0-3 ? * SAT *)"]),
        (30, "Sun 23:30-00:30", ["cron(30 23 ? * SUN *)", "cron(0 0 ? * MON *)"]),
        (90, "08:00-14:00", ["cron(0 8,11 * * ? *)", "cron(30 9,12 * * ? *)"]),
    ],
)  # fmt: skip
def test_in_a_window(rate, window, expected):
    found = scheduled(rate, window)
    assert [one.text for one in found] == expected
    assert {one.zone for one in found} == {"Europe/London" if "London" in window else "UTC"}


CLOCK = st.integers(0, DAY - 1).map(lambda minute: f"{minute // 60:02}:{minute % 60:02}")
DAYS_OF = st.lists(st.sampled_from(DAYS), min_size=1, unique=True).map(",".join)


@settings(deadline=None, max_examples=50)
@given(days=DAYS_OF, start=CLOCK, end=CLOCK, rate=st.integers(1, 300))
def test_ticks_are_those_of_the_window(days, start, end, rate):
    if start == end:
        return
    window = Window.parse(f"{days} {start}-{end}")
    found = sorted(at for one in scheduled(rate, f"{days} {start}-{end}") for at in ticks(one.text))
    assert len(found) == len(set(found)), "a tick is there twice"
    assert all(window.contains(at) for at in found)
    assert len(scheduled(rate, f"{days} {start}-{end}")) <= 50
    inside = {at for at in WEEK if window.contains(at)}
    begins = {at for at in inside if at.hour * 60 + at.minute == window.start and at.weekday() in window.days}
    assert begins <= set(found)
    ticking = set(found)
    for at in found:  # within a rate there is the next one, where the window goes on so long
        later = [at + timedelta(minutes=step) for step in range(1, rate + 1)]
        if all(one in inside for one in later):
            assert ticking & set(later)
