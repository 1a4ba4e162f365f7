"""Waiting is bounded, slows down, and is told about."""

from types import SimpleNamespace

import pytest

from upproxy.aws import waiting
from upproxy.aws.errors import AwsError, TimedOut
from upproxy.aws.waiting import wait


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only while somebody sleeps; `pauses` has the seconds of each."""
    clock = SimpleNamespace(now=1000.0, pauses=[])

    def sleep(seconds):
        clock.pauses.append(seconds)
        clock.now += seconds

    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=lambda: clock.now, sleep=sleep))
    return clock


def after(looks, found="there"):
    """Make a function that finds something after so many looks in vain."""
    left = iter([None] * looks + [found])
    return lambda: next(left)


def test_what_is_there_already_is_not_waited_for(clock):
    said = []
    assert wait(after(0), "it", timeout=1, report=said.append) == "there"
    assert (clock.pauses, said) == ([], [])


@pytest.mark.parametrize("found", [0, False, "", []])
def test_only_none_is_nothing(clock, found):
    assert wait(after(2, found), "it", timeout=10, report=list) == found
    assert len(clock.pauses) == 2


def test_looks_become_rarer(clock):
    wait(after(20), "it", timeout=100, report=list)
    assert clock.pauses[0] == waiting.FIRST
    assert clock.pauses == sorted(clock.pauses)
    assert max(clock.pauses) == waiting.LONGEST
    clock.pauses.clear()
    wait(after(20), "it", timeout=100, report=list, longest=0.5)
    assert max(clock.pauses) == 0.5


def test_people_are_told_once_and_not_of_a_moment(clock):
    said = []
    wait(after(4), "the function", timeout=100, report=said.append)
    assert said == []
    wait(after(20), "the function", timeout=100, report=said.append)
    assert said == ["waiting for the function"]


@pytest.mark.parametrize("timeout", [0, 0.1, 1, 7.5, 60])
def test_it_ends_in_time(clock, timeout):
    began = clock.now
    with pytest.raises(TimedOut, match=f"the function: not within {timeout:.0f} s") as caught:
        wait(lambda: None, "the function", timeout=timeout, report=list)
    assert clock.now - began <= timeout
    assert clock.now - began + waiting.LONGEST >= timeout
    assert "goes on where it stopped" in caught.value.hint


def test_a_hint_of_ones_own(clock):
    with pytest.raises(TimedOut) as caught:
        wait(lambda: None, "it", timeout=1, report=list, hint="Look there.")
    assert caught.value.hint == "Look there."


def test_what_looking_raises_is_raised(clock):
    def look():
        raise AwsError("no")

    with pytest.raises(AwsError, match="no"):
        wait(look, "it", timeout=10, report=list)
    assert clock.pauses == []
