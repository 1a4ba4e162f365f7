"""The time that is looked at."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as some

from upproxy.aws.insights import MOST_ROWS
from upproxy.observe.metrics.span import LONGEST, span

DAY = 86_400
NOW = 1_700_000_000.5


@given(seconds=some.integers(1, LONGEST), now=some.floats(1.6e9, 2e9))
def test_what_aws_needs_holds_for_any_time(seconds, now):
    found = span(seconds, now)
    assert found.start - found.before == found.seconds == found.end - found.start
    assert all(moment % found.unit == 0 for moment in (found.before, found.start, found.end, found.step))
    assert 0 <= found.end - now < found.unit
    assert seconds <= found.seconds < max(seconds * 1.1, seconds + found.unit)
    assert found.seconds % found.step == 0
    assert len(found.steps) <= 24
    assert 2 * found.seconds / found.unit <= MOST_ROWS
    # GetMetricData: after 15 days there are no minutes any more, after 63 no five minutes, after 455 nothing.
    age = now - found.before
    assert age < {60: 15, 300: 63, 3600: 455}[found.unit] * DAY


@pytest.mark.parametrize(
    ("seconds", "length", "unit", "step"),
    [
        (1, 60, 60, 60), (90, 120, 60, 60), (3600, 3600, 60, 180), (5400, 5400, 60, 300), (61 * 60, 63 * 60, 60, 180),
        (DAY, DAY, 60, 3600), (2 * DAY, 2 * DAY, 60, 7200), (7 * DAY, 7 * DAY, 300, 7 * 3600),
        (30 * DAY, 30 * DAY, 3600, 30 * 3600),
    ],
)  # fmt: skip
def test_lengths_and_steps(seconds, length, unit, step):
    found = span(seconds, NOW)
    assert (found.seconds, found.unit, found.step) == (length, unit, step)
    assert found.end == math.ceil(NOW / unit) * unit


def test_what_cloudwatch_does_not_keep():
    with pytest.raises(ValueError, match="expected 180d at most, since CloudWatch keeps metrics for 455 days"):
        span(LONGEST + 1, NOW)
