"""Following a log group that plays CloudWatch: events that come late, clocks that differ, looks that break off."""

import contextlib
import gc
import itertools
import sys
import time

import boto3
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.aws.moto_server import REGION, aws
from upproxy.aws.errors import CredentialsError, NotFound, Throttled, Unreachable
from upproxy.aws.log_events import Event, LogEvents, Page
from upproxy.aws.session import Session
from upproxy.observe.logs import tail

__all__ = ["aws"]

START = 1_800_000_000_000  # ms
BACK = 60.0  # seconds
PAGE = 3  # events


class CloudWatch:
    """A log group by its own clock: an event is there from the moment at which it was taken in.

    `troubles` are exceptions by the number of the page on which they are met, None for all is well.
    """

    def __init__(self, written, troubles=(), skew=0):
        self.now = START
        self.skew = skew  # of the clock of those who look
        self.written = written  # (taken in, event)
        self.troubles = iter(troubles)
        self.looks = 0

    def pages(self, group, start, pattern):
        assert (group, pattern) == ("group", "")
        assert start >= 0
        self.looks += 1
        there = [event for taken_in, event in self.written if taken_in <= self.now and event.timestamp >= start]
        there.sort(key=lambda event: (event.timestamp, event.id))
        for at in range(0, max(1, len(there)), PAGE):
            if trouble := next(self.troubles, None):
                raise trouble
            yield Page(there[at : at + PAGE], self.now // 1000 * 1000)
            self.now += 50

    def pause(self, seconds):
        self.now += int(seconds * 1000)


@pytest.fixture
def clock(monkeypatch):
    """Set whose clock the machine that looks has."""

    def by(group):
        monkeypatch.setattr(tail, "_now", lambda: group.now + group.skew)

    return by


def followed(group, until, report=lambda _: None):
    """Return the ids of what is shown until a moment, in order."""
    shown = []

    def pause(seconds):
        group.pause(seconds)
        if group.now > until:
            raise StopFollowing

    try:
        for lines in tail.follow([tail.Group(group, "group")], BACK, report, pause):
            shown += [line.text for line in lines]
    except StopFollowing:
        return shown


class StopFollowing(Exception):
    pass


def event(number, moment):
    return Event(f"{number:06}", moment, f"{number:06}", "stream")


@settings(max_examples=60, deadline=None)
@example([(0, 0)], 60_001, [Throttled("slow down")] * 5)
@example([(-50_000, 0), (0, 0), (5_000, 0)], 600_000, [])
@example([(-50_000, 0), (0, 0), (5_000, 0)], -600_000, [])
@given(
    st.lists(st.tuples(st.integers(-50_000, 400_000), st.integers(0, 100_000)), max_size=40),
    st.integers(-200_000, 200_000),
    st.lists(st.sampled_from([None, None, Throttled("slow down"), NotFound("none")]), max_size=40),
)
def test_each_event_is_shown_once(moments, skew, troubles):
    written = [(START + moment + late, event(number, START + moment)) for number, (moment, late) in enumerate(moments)]
    group = CloudWatch(written, troubles, skew)
    before, tail._now = tail._now, lambda: group.now + group.skew
    try:
        shown = followed(group, START + 900_000)
    finally:
        tail._now = before
    assert len(shown) == len(set(shown))
    assert {one.id for _, one in written} <= set(shown)


def test_what_is_older_than_asked_for_is_not_shown(clock):
    group = CloudWatch([(START, event(1, START - 61_000)), (START, event(2, START - 59_000))])
    clock(group)
    assert followed(group, START + 20_000) == ["000002"]


def test_a_flood_is_shown_once_with_bounded_memory(clock, monkeypatch):
    monkeypatch.setattr(tail, "REMEMBERED", 20)
    written = [(START + number * 10, event(number, START + number * 10)) for number in range(3_000)]
    group = CloudWatch(written)
    clock(group)
    remembered = []
    look = tail.Tail.look

    def measured(self):
        for portion in look(self):
            remembered.append(len(self._seen))
            yield portion

    monkeypatch.setattr(tail.Tail, "look", measured)
    assert followed(group, START + 60_000) == [one.id for _, one in written]
    assert max(remembered) <= 20 + PAGE


def test_a_flood_that_breaks_off_goes_on_where_it_was(clock, monkeypatch):
    monkeypatch.setattr(tail, "REMEMBERED", 20)
    written = [(START, event(number, START - 3_000 + number)) for number in range(3_000)]
    group = CloudWatch(written, itertools.cycle([None] * 100 + [Throttled("slow down")]))
    clock(group)
    assert followed(group, START + 600_000) == [one.id for _, one in written]


def test_a_group_that_is_not_there_is_waited_for_and_told_of_once(clock):
    said = []
    group = CloudWatch([(START, event(1, START))], [NotFound("none")] * 5)
    clock(group)
    assert followed(group, START + 30_000, said.append) == ["000001"]
    assert said == ["waiting for group, which is not there yet"]


def test_throttling_is_backed_off_and_told_of_once(clock):
    said = []
    group = CloudWatch([(START, event(1, START))], [Throttled("Rate exceeded")] * 6)
    clock(group)
    assert followed(group, START + 300_000, said.append) == ["000001"]
    assert said == ["Rate exceeded; trying again until it works"]
    group = CloudWatch([], itertools.repeat(Throttled("Rate exceeded")))
    clock(group)
    followed(group, START + 600_000)
    assert group.looks < 20


def test_a_network_that_goes_away_is_waited_for_and_one_that_was_never_there_is_not(clock):
    group = CloudWatch([(START + 5_000, event(1, START + 5_000))], [None, Unreachable("no way"), Unreachable("no way")])
    clock(group)
    assert followed(group, START + 60_000) == ["000001"]
    with pytest.raises(Unreachable):
        followed(CloudWatch([], [Unreachable("no way")]), START + 60_000)


def test_credentials_that_expire_end_it(clock):
    group = CloudWatch([(START, event(1, START))], [None, CredentialsError("expired")])
    clock(group)
    portions = tail.follow([tail.Group(group, "group")], BACK, lambda _: None, group.pause)
    assert len(next(portions)) == 1
    assert next(portions) == []
    with pytest.raises(CredentialsError):
        next(portions)


def test_reading_once(clock):
    written = [(START, event(number, START - number)) for number in range(10)]
    group = CloudWatch(written)
    clock(group)
    portions = tail.read([tail.Group(group, "group")], BACK, pytest.fail)
    assert [one.text for lines in portions for one in lines] == sorted((one.id for _, one in written), reverse=True)
    assert group.looks == 1


@pytest.mark.parametrize("skew", [-600_000, 0, 600_000])
def test_reading_by_the_clock_of_aws(clock, skew):
    """However many minutes the clock of this machine is behind or ahead, all of the time that is asked for is read."""
    group = CloudWatch([(START, event(number, START - 1_000 * number)) for number in range(59)], skew=skew)
    clock(group)
    found = [one.text for lines in tail.read([tail.Group(group, "group")], BACK, pytest.fail) for one in lines]
    assert found == [f"{number:06}" for number in reversed(range(59))]


def test_streams_that_rotate(aws):
    """An instance ends and another begins, with a stream of its own; what the first wrote last comes late."""
    client = boto3.client("logs")
    client.create_log_group(logGroupName="rotating")
    now = int(time.time() * 1000)

    def write(stream, *lines):
        if not client.describe_log_streams(logGroupName="rotating", logStreamNamePrefix=stream)["logStreams"]:
            client.create_log_stream(logGroupName="rotating", logStreamName=stream)
        events = [{"timestamp": now + at, "message": message} for at, message in lines]
        client.put_log_events(logGroupName="rotating", logStreamName=stream, logEvents=events)

    looks = [
        lambda: write("old", (10, "old 1")),
        lambda: (write("new", (30, "new 1")), write("old", (20, "old 2"))),
        lambda: write("new", (40, "new 2")),
        lambda: write("old", (-90_000, "old, much too late"), (15, "old, late")),
        lambda: client.delete_log_stream(logGroupName="rotating", logStreamName="old"),
        lambda: (write("newest", (40, "newest 1")), write("new", (50, "new 3"))),
    ]

    def pause(_seconds):
        if not looks:
            raise StopFollowing
        looks.pop(0)()

    shown = []
    write("old", (0, "old 0"))
    portions = tail.follow([tail.Group(LogEvents(Session(), REGION), "rotating")], 120, pytest.fail, pause)
    with contextlib.suppress(StopFollowing):
        for lines in portions:
            shown += [(line.stream, line.text) for line in lines]
    assert shown == [
        ("old", "old 0"), ("old", "old 1"), ("old", "old 2"), ("new", "new 1"), ("new", "new 2"),
        ("old", "old, much too late"), ("old", "old, late"), ("newest", "newest 1"), ("new", "new 3"),
    ]  # fmt: skip


class Filtered:
    """Plays what each pattern matches, in pages of `PAGE` events."""

    def __init__(self, matched):
        self.matched = matched

    def pages(self, group, start, pattern):
        events = sorted(self.matched[pattern], key=lambda event: event.timestamp)
        for at in range(0, max(1, len(events)), PAGE):
            yield Page(events[at : at + PAGE], START)


@given(st.lists(st.tuples(st.integers(-9, 0), st.sampled_from(["a", "b", "ab"])), max_size=30))
def test_what_several_patterns_match_is_there_once_and_in_order(chosen):
    events = [(event(number, tail._now() + moment), patterns) for number, (moment, patterns) in enumerate(chosen)]
    source = Filtered({name: [one for one, patterns in events if name in patterns] for name in "ab"})
    group = tail.Group(source, "group", patterns=("a", "b"))
    found = [line for lines in tail.read([group], BACK, pytest.fail) for line in lines]
    assert sorted(line.text for line in found) == [one.id for one, _ in events]
    assert [line.timestamp for line in found] == sorted(line.timestamp for line in found)


def test_groups_in_the_order_of_time_each_with_its_stage():
    now = tail._now()
    groups = [
        tail.Group(Filtered({"": [event(number, now + number) for number in numbers]}), name, {"stage": name})
        for name, numbers in (("staging", range(0, 20, 3)), ("production", range(1, 20, 2)))
    ]
    found = [line for lines in tail.read(groups, BACK, pytest.fail) for line in lines]
    assert [line.timestamp - now for line in found] == sorted([*range(0, 20, 3), *range(1, 20, 2)])
    assert {line.fields["stage"] for line in found if line.text == "000015"} == {"staging", "production"}


def test_a_group_that_is_not_there_keeps_nothing_from_the_others(clock):
    there = CloudWatch([(START, event(1, START))])
    clock(there)
    absent = CloudWatch([], itertools.repeat(NotFound("none")))
    groups = [tail.Group(one, "group", {"stage": stage}) for one, stage in ((absent, "staging"), (there, "production"))]
    missing = []
    assert [line.text for lines in tail.read(groups, BACK, missing.append) for line in lines] == ["000001"]
    assert missing == groups[:1]
    said = []
    portions = tail.follow(groups, BACK, said.append, there.pause)
    assert [line.text for line in next(portions)] == ["000001"]
    assert next(portions) == []
    assert said == ["waiting for group, which is not there yet"]


class Flood:
    """Makes pages when they are asked for."""

    def __init__(self, pages):
        self.numbers = range(pages)

    def pages(self, group, start, pattern):
        now = tail._now() - 1000 * len(self.numbers)
        for page in self.numbers:
            yield Page([event(1000 * page + number, now + 1000 * page + number) for number in range(1000)], now)


def test_memory_does_not_grow_with_the_log(monkeypatch):
    monkeypatch.setattr(tail, "REMEMBERED", 2_000)

    def peak(pages):
        """Return how many blocks of memory are in use at most, of so many thousands of lines."""
        group = tail.Group(Flood(pages), "group", patterns=("a", "b"))
        gc.collect()  # what other tests have left would go meanwhile
        count, most, before = 0, 0, sys.getallocatedblocks()
        for lines in tail.read([group], 1000.0, pytest.fail):
            count += len(lines)
            most = max(most, sys.getallocatedblocks() - before)
        assert count == 1000 * pages
        return most

    few = peak(10)
    assert few > 1000  # a page is held, so that there is something to be measured
    assert peak(100) < 1.2 * few
