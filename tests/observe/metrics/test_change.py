"""How a figure compares with the one before."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from upproxy.observe.metrics.change import better, told
from upproxy.observe.metrics.sparkline import sparkline

figure = some.floats(0, 1e12)


@pytest.mark.parametrize(
    ("now", "before", "words"),
    [
        (112, 100, "+12 %"), (88, 100, "−12 %"), (0, 100, "−100 %"), (290, 100, "+190 %"), (300, 100, "3.0 times"),
        (1234, 100, "12 times"), (100, 100, "the same"), (100.2, 100, "the same"), (0, 0, "the same"),
        (1, 0, "none before"), (None, 100, ""), (100, None, ""),
    ],
)  # fmt: skip
def test_in_words(now, before, words):
    assert told(now, before) == words


@pytest.mark.parametrize(
    ("now", "before", "verdict"),
    [
        (80, 100, True), (120, 100, False), (109, 100, None), (100, 100, None), (1, 0, False), (0, 0, None),
        (1, None, None),
    ],
)  # fmt: skip
def test_whether_less_is_better(now, before, verdict):
    assert better(now, before, "less") is verdict
    assert better(now, before, "more") is (None if verdict is None else not verdict)


@given(figure, figure)
def test_any_two_figures_can_be_compared(now, before):
    words = told(now, before)
    assert words
    assert ("+" in words) <= (now > before)
    assert ("−" in words) <= (now < before)


def test_a_course():
    assert sparkline([0, 1, 4, 7, 8]) == "▁▂▅██"
    assert sparkline([None, 0, None, 3]) == " ▁ █"
    assert sparkline([0, 0]) == "▁▁"
    assert sparkline([None, None]) == "  "


@given(some.lists(some.none() | figure))
def test_a_course_has_a_bar_for_each_value(course):
    line = sparkline(course)
    assert len(line) == len(course)
    assert [bar == " " for bar in line] == [value is None for value in course]
    bars = [(value, bar) for value, bar in zip(course, line, strict=True) if value is not None]
    assert [bar for _, bar in sorted(bars)] == sorted(bar for _, bar in bars)
