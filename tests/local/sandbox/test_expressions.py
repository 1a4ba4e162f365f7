from datetime import UTC, datetime, timedelta

import pytest

from upproxy.local.sandbox.expressions import ExpressionError, Rate, parse

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)  # a Wednesday


def times(text, count, *, zone="UTC", after=NOON):
    expression, found = parse(text, zone), []
    for _ in range(count):
        after = expression.after(after, NOON)
        if after is None:
            break
        found.append(after)
    return found


def at(month, day, hour=0, minute=0, year=2026):
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def test_a_rate_is_due_at_once_and_after_each_period():
    assert parse("rate(5 minutes)", "UTC").after(NOON - timedelta(hours=1), NOON) == NOON
    assert times("rate(5 minutes)", 2) == [at(3, 4, 12, 5), at(3, 4, 12, 10)]
    assert parse("rate(1 day)", "UTC") == Rate(timedelta(days=1))
    assert times("rate(1 hour)", 1, after=NOON + timedelta(minutes=59, seconds=59)) == [at(3, 4, 13)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cron(0/20 * * * ? *)", [at(3, 4, 12, 20), at(3, 4, 12, 40), at(3, 4, 13)]),
        ("cron(15 8-9 ? * MON-FRI *)", [at(3, 5, 8, 15), at(3, 5, 9, 15), at(3, 6, 8, 15)]),
        ("cron(0 0 ? * FRI-MON *)", [at(3, 6), at(3, 7), at(3, 8), at(3, 9)]),
        ("cron(0 0 ? * 1,7 *)", [at(3, 7), at(3, 8)]),
        ("cron(0 0 L * ? *)", [at(3, 31), at(4, 30)]),
        ("cron(30 6 29 2 ? *)", [at(2, 29, 6, 30, 2028)]),
        ("cron(0 10 1 JAN,JUL ? 2026-2027)", [at(7, 1, 10), at(1, 1, 10, year=2027), at(7, 1, 10, year=2027)]),
        ("at(2026-05-01T10:00:00)", [at(5, 1, 10)]),
        ("at(2026-01-01T10:00:00)", []),
    ],
)
def test_due_times(text, expected):
    assert times(text, len(expected) or 1) == expected


def test_clocks_of_a_zone_decide():
    assert times("cron(30 8 ? * * *)", 1, zone="Europe/Berlin") == [at(3, 5, 7, 30)]
    assert times("at(2026-07-01T10:00:00)", 1, zone="Europe/Berlin") == [at(7, 1, 8)]


def test_a_time_that_clocks_skip_is_left_out_and_one_that_they_show_twice_comes_once():
    spring = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert times("cron(30 2 * * ? *)", 2, zone="Europe/Berlin", after=spring) == [at(3, 30, 0, 30), at(3, 31, 0, 30)]
    autumn = datetime(2026, 10, 24, 12, tzinfo=UTC)
    assert times("cron(30 2 * * ? *)", 2, zone="Europe/Berlin", after=autumn) == [at(10, 25, 0, 30), at(10, 26, 1, 30)]


@pytest.mark.parametrize(
    "text",
    [
        "rate(0 minutes)", "rate(5 seconds)", "every day", "cron(* * * * *)", "cron(0 0 * * * *)", "cron(60 0 * * ? *)",
        "cron(0 24 * * ? *)", "cron(0 0 ? * XYZ *)", "cron(0/0 0 * * ? *)", "cron(0 0 32 * ? *)", "at(tomorrow)",
        "cron(0 0 1W * ? *)",
    ],
)  # fmt: skip
def test_what_is_no_expression_is_refused(text):
    with pytest.raises(ExpressionError):
        parse(text, "UTC")


def test_a_zone_that_there_is_not_is_refused():
    with pytest.raises(ExpressionError):
        parse("rate(1 hour)", "Europe/Nowhere")
