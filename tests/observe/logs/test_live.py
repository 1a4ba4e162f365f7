"""When to look, as sessions of Live Tail tell it that are played here; the lines are no business of theirs."""

import queue
import threading
import time

import pytest

from upproxy.aws.errors import AccessDenied, AwsError, NotFound, Throttled, Unreachable
from upproxy.observe.logs import live, tail


class Sessions:
    """Plays sessions: each is a list of updates and of what it ends with; the last one goes on as it is `told`."""

    def __init__(self, *played):
        self.played = list(played)
        self.asked = queue.Queue()
        self.told = queue.Queue()

    def live(self, group, pattern):
        self.asked.put((group, pattern))
        if not self.played:
            yield from iter(self.told.get, None)
            return
        for one in self.played.pop(0):
            if isinstance(one, Exception):
                raise one
            yield one


@pytest.fixture
def slept(monkeypatch):
    """The seconds that were slept, in no time, and no time between sessions."""
    seconds = []
    monkeypatch.setattr(live.time, "sleep", seconds.append)
    monkeypatch.setattr(live, "AGAIN", 0.001)
    return seconds


def opened(tailed, count=1):
    """Wait until sessions are open, and what that says is heard."""
    while tailed._open < count:
        time.sleep(0)
    tailed.pause(live.PAUSE)


def test_a_session_for_each_group_and_pattern():
    source = Sessions()
    groups = [tail.Group(source, "a", patterns=("x", "y")), tail.Group(source, "b")]
    with live.LiveTail(groups, pytest.fail):
        asked = {source.asked.get(timeout=30) for _ in range(3)}
    for _ in range(3):
        source.told.put(None)
    assert asked == {("a", "x"), ("a", "y"), ("b", "")}


def test_what_comes_in_ends_a_long_pause(slept, monkeypatch):
    monkeypatch.setattr(live, "SETTLED", -1)  # all is quiet at once
    monkeypatch.setattr(live, "IDLE", 3600)
    source = Sessions()
    with live.LiveTail([tail.Group(source, "a")], pytest.fail) as tailed:
        source.told.put(False)
        opened(tailed)
        looked = threading.Event()
        threading.Thread(target=lambda: (tailed.pause(live.PAUSE), looked.set()), daemon=True).start()
        for _ in range(3):
            source.told.put(False)
        assert not looked.is_set()
        source.told.put(True)
        assert looked.wait(30)
        source.told.put(None)  # the end of a session does so, too
        tailed.pause(live.PAUSE)
    source.told.put(None)


@pytest.mark.parametrize("error", [Throttled("busy"), NotFound("none"), Unreachable("no way")])
def test_a_session_that_cannot_be_had_now_is_tried_again(slept, error):
    source = Sessions([error], [error])
    with live.LiveTail([tail.Group(source, "a")], pytest.fail) as tailed:
        source.told.put(False)
        opened(tailed)
    source.told.put(None)


@pytest.mark.parametrize("end", [[], [AwsError("SessionTimeoutException")], [Unreachable("broken off")]])
def test_a_session_that_ends_is_followed_by_another(slept, end):
    source = Sessions([False, True, *end], [False, *end])
    with live.LiveTail([tail.Group(source, "a")], pytest.fail) as tailed:
        source.told.put(False)
        for _ in range(3):
            source.asked.get(timeout=30)
        opened(tailed)
    source.told.put(None)


def test_a_refusal_is_told_once_and_not_asked_for_again(slept):
    said = []
    refusal = AccessDenied("no", action="logs:StartLiveTail", resource="*")
    source = Sessions([refusal], [refusal])
    with live.LiveTail([tail.Group(source, "a", patterns=("x", "y"))], said.append) as tailed:
        for thread in [one for one in threading.enumerate() if one.name == "live-tail"]:
            thread.join(30)
        tailed.pause(live.PAUSE)
    assert said == ["no; looking every 2 s instead"]
    assert slept == [live.PAUSE]
    assert source.asked.qsize() == 2


def test_a_longer_pause_is_kept_whatever_comes_in(slept):
    source = Sessions()
    with live.LiveTail([tail.Group(source, "a")], pytest.fail) as tailed:
        source.told.put(True)
        opened(tailed)
        slept.clear()
        tailed.pause(4 * live.PAUSE)
    source.told.put(None)
    assert slept == [4 * live.PAUSE]


def test_an_idle_look_comes_before_an_event_could_be_too_late():
    assert live.IDLE * 1000 < tail.OVERLAP
