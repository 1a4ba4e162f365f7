from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from upproxy.observe.logs.merging import merged


class One(NamedTuple):
    timestamp: int
    name: str


def portions(name, moments, size):
    ordered = [One(moment, f"{name}{number}") for number, moment in enumerate(sorted(moments))]
    for at in range(0, len(ordered), size):
        yield ordered[at : at + size]
        yield []


@given(st.lists(st.lists(st.integers(0, 20), max_size=20), max_size=4), st.integers(1, 5))
def test_all_is_there_once_and_in_order(feeds, size):
    given_ = [list(portions(f"{number}-", moments, size)) for number, moments in enumerate(feeds)]
    found = [one for portion in merged(map(iter, given_)) for one in portion]
    assert [one.timestamp for one in found] == sorted(one.timestamp for one in found)
    assert sorted(found) == sorted(one for feed in given_ for portion in feed for one in portion)


def test_what_is_certain_is_not_held_back():
    asked = []

    def slow():
        yield [One(1, "a"), One(3, "b")]
        asked.append("more")
        yield [One(9, "c")]

    feed = merged([slow(), iter([[One(2, "x"), One(7, "y")]])])
    assert [one.name for one in next(feed)] == ["a", "x", "b"]
    assert asked == []
    assert [[one.name for one in portion] for portion in feed] == [["y"], ["c"]]
