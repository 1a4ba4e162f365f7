"""`warm`: its windows, its rates, Up's names for it, and what fits together."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upproxy.config import ConfigError, load
from upproxy.config.document import parse
from upproxy.config.stages import resolve
from upproxy.config.warm import Warming, warming
from upproxy.config.window import DAY, DAYS, WINDOW, Window, WindowError

WORK = "Mon-Fri 08:00-20:00 Europe/London"
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


def wanted(text: str, stage: str = "production") -> Warming | None:
    return warming(resolve(parse(f"name: x\n{text}", "up.yml"), stage))


# --- windows ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "days", "start", "end", "zone"),
    [
        (WORK, {0, 1, 2, 3, 4}, 480, 1200, "Europe/London"),
        ("mon,WED,fri-sun 00:00-24:00", {0, 2, 4, 5, 6}, 0, 1440, "UTC"),
        ("Sat-Tue 22:00-06:00 Etc/GMT+5", {5, 6, 0, 1}, 1320, 360, "Etc/GMT+5"),
        ("07:05-07:06 America/Argentina/Ushuaia", set(range(7)), 425, 426, "America/Argentina/Ushuaia"),
        ("Sun-Sun 23:59-00:00", {6}, 1439, 0, "UTC"),
    ],
)
def test_windows(text, days, start, end, zone):
    window = Window.parse(text)
    assert (window.days, window.start, window.end, window.zone.key) == (days, start, end, zone)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "days, times and a time zone"),
        ("always", "days, times and a time zone"),
        ("Mon-Fri", "days, times and a time zone"),
        ("Mo-Fr 08:00-20:00", "days, times and a time zone"),
        ("Mon-Fri 8:00-20:00", "days, times and a time zone"),
        ("Mon-Fri 08:00-24:01", "days, times and a time zone"),
        ("Mon-Fri  08:00-20:00", "days, times and a time zone"),
        ("Mon-Fri 08:00-20:00\n", "days, times and a time zone"),
        ("Mon-Fri 08:00-20:00 ../../etc/passwd", "days, times and a time zone"),
        ("Mon-Fri 08:00-20:00 /etc/localtime", "instead of /etc/localtime"),
        ("24:00-08:00", "before 24:00"),
        ("08:00-08:00", "no window means always"),
        ("08:00-09:00 Europe/london", "a time zone such as Europe/London instead of Europe/london"),
        ("08:00-09:00 Berlin", "a time zone such as Europe/Berlin instead of Berlin"),
        ("08:00-09:00 Berln", "a time zone such as Europe/Berlin instead of Berln"),
        ("08:00-09:00 BST", "a time zone such as"),
        ("08:00-09:00 Europe", "a time zone such as"),
    ],
)
def test_bad_windows(text, said):
    with pytest.raises(WindowError, match=re.escape(said)):
        Window.parse(text)


def at(text: str, zone: str = "UTC") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=Window.parse(f"00:00-24:00 {zone}").zone)


def test_a_window_has_a_beginning_and_an_end():
    window = Window.parse(WORK)
    for moment, inside in {
        "2026-01-05 07:59": False, "2026-01-05 08:00": True, "2026-01-05 19:59": True, "2026-01-05 20:00": False,
        "2026-01-09 12:00": True, "2026-01-10 12:00": False,
        "2026-07-06 07:30": True,  # summer time: 08:30 in London
        "2026-07-06 19:30": False,
    }.items():  # fmt: skip
        assert window.contains(at(moment)) == inside, moment


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins():
    window = Window.parse("Fri,Sun 22:00-06:00")
    for moment, inside in {
        "2026-01-09 05:00": False, "2026-01-09 21:59": False, "2026-01-09 22:00": True, "2026-01-10 00:00": True,
        "2026-01-10 05:59": True, "2026-01-10 06:00": False, "2026-01-10 22:00": False, "2026-01-11 05:00": False,
        "2026-01-12 05:00": True, "2026-01-12 22:00": False,
    }.items():  # fmt: skip
        assert window.contains(at(moment)) == inside, moment


def test_when_clocks_change():
    """In Berlin 02:00 to 03:00 is skipped on 29 March 2026, and there twice on 25 October."""

    def open_minutes(text: str, day: str) -> int:
        window = Window.parse(f"{text} Europe/Berlin")
        start = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(hours=12)
        return sum(window.contains(start + timedelta(minutes=minute)) for minute in range(2 * DAY))

    assert open_minutes("Sun 02:00-03:00", "2026-03-29") == 0
    assert open_minutes("Sun 02:00-03:00", "2026-10-25") == 120
    assert open_minutes("Sun 01:30-03:30", "2026-03-29") == 60
    assert open_minutes("Sat 23:00-06:00", "2026-03-29") == 6 * 60
    assert open_minutes("Sat 23:00-06:00", "2026-10-25") == 8 * 60
    assert open_minutes("Sun 00:00-24:00", "2026-10-25") == 25 * 60


TIMES = st.integers(0, DAY - 1)
SOME_DAYS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=4)


def clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


@given(days=SOME_DAYS, start=TIMES, length=st.integers(1, DAY - 1), moment=st.integers(0, 7 * DAY - 1))
def test_what_is_written_is_what_is_meant(days, start, length, moment):
    """Against the minutes of a week, counted one by one."""
    end = (start + length) % DAY
    text = ",".join(f"{DAYS[first].title()}-{DAYS[last].title()}" for first, last in days)
    window = Window.parse(f"{text} {clock(start)}-{clock(end)}")
    named = {(first + offset) % 7 for first, last in days for offset in range((last - first) % 7 + 1)}
    assert window.days == named
    minutes = {(day * DAY + start + offset) % (7 * DAY) for day in named for offset in range(length)}
    assert window.contains(MONDAY + timedelta(minutes=moment)) == (moment in minutes)


PIECES = [
    "mon",
    "Fri",
    "-",
    ",",
    " ",
    "08:00",
    "20:00",
    "24:00",
    "9",
    "UTC",
    "Europe/London",
    "/",
    "..",
    "\0",
    "é",
    "\n",
]
ANY_TEXT = st.text(max_size=30) | st.lists(st.sampled_from(PIECES), max_size=9).map("".join)


@given(ANY_TEXT)
def test_any_text_is_a_window_or_a_sentence(text):
    try:
        window = Window.parse(text)
    except WindowError:
        return
    assert re.search(WINDOW, text)
    assert window.days
    assert window.start != window.end


@given(st.sampled_from(sorted(available_timezones())))
def test_every_zone_can_be_named(zone):
    assert Window.parse(f"00:00-24:00 {zone}").contains(MONDAY)


# --- what is wanted ---------------------------------------------------------------------------------------------------


def test_nothing_by_default():
    assert wanted("") is None
    assert wanted("warm: {rate: 1m}") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("warm: {count: 3}", Warming(3, 300, None)),
        (f"warm: {{count: 1, rate: 1h, window: '{WORK}'}}", Warming(1, 3600, Window.parse(WORK))),
        ("warm: {count: 2, rate: 120s}", Warming(2, 120, None)),
        ("lambda: {warm: true}", Warming(15, 900, None)),
        ("lambda: {warm: true, warm_count: 50, warm_rate: 30m}", Warming(50, 1800, None)),
        ("lambda: {warm: false, warm_count: 50}\nwarm: {count: 2}", Warming(2, 300, None)),
        ("lambda: {concurrency: 6}\nwarm: {count: 3}", Warming(3, 300, None)),
        ("warm: {count: 9}\nstages: {production: {warm: {count: 0}}}", None),
        ("warm: {count: 9}\nstages: {production: {warm: {rate: 2m}}}", Warming(9, 120, None)),
        (
            "warm: {window: '08:00-09:00'}\nstages: {production: {warm: {count: 1}}}",
            Warming(1, 300, Window.parse("08:00-09:00")),
        ),
    ],
)
def test_wanted(text, expected):
    assert wanted(text) == expected


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("lambda: {warm: true}\nwarm: {count: 1}", "lambda.warm"),
        ("lambda: {warm: true, concurrency: 20}", "lambda.warm"),
        ("lambda: {concurrency: 5}\nwarm: {count: 3}", "warm.count"),
    ],
)
def test_what_does_not_fit(text, path):
    with pytest.raises(ConfigError) as caught:
        wanted(text)
    assert caught.value.path == path


def test_a_window_without_a_count_is_told(tmp_path):
    (tmp_path / "up.yml").write_text("name: x\nwarm: {rate: 10m}\nstages: {production: {warm: {count: 0}}}\n")
    said = "nothing is kept warm: `warm` has no `count`"
    assert said in load(str(tmp_path), command="./x").warnings
    assert said not in load(str(tmp_path), stage="production", command="./x").warnings
