"""The warmer's decisions, with instances that are threads; what it says; and its targets."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upproxy.warmer.warmer import FIRST_HOLD, LONGEST_HOLD, TROUBLED, Target, Throttled, targets, warm

THREE = Target("shop-production", "live", 3)


def test_as_many_messages_as_instances_are_wanted(instances):
    shop = instances()
    first, second = warm(THREE, shop.invoke, free=100), warm(THREE, shop.invoke, free=100)
    assert shop.made == 3
    assert shop.messages == [FIRST_HOLD] * 6
    assert first.duration_ms >= FIRST_HOLD
    assert (first.asked, first.distinct, first.cold, first.failed) == (3, 3, 3, 0)
    assert (second.asked, second.distinct, second.cold, second.failed) == (3, 3, 0, 0)


def test_messages_that_land_on_the_same_instance_are_held_longer(instances):
    # They come 0.1 s apart: the first is done when the second comes, unless it is held for longer than that.
    shop = instances(latency=lambda number: 0.1 * (number % 2))
    tick = warm(Target("shop", "live", 2), shop.invoke, free=100)
    assert tick.distinct == 2
    assert shop.messages[:2] == [FIRST_HOLD] * 2
    assert tick.hold_ms == shop.messages[-1] > FIRST_HOLD
    assert all(after in (before, 2 * before) for before, after in zip(shop.messages, shop.messages[1:], strict=False))


def test_the_longest_hold_is_the_end_of_it(instances):
    shop = instances()
    stubborn = json.dumps({"instance": "i-1", "cold": False}).encode()
    holds = []

    def invoke(target, message):
        holds.append(json.loads(message)["upproxy"]["warm"]["hold_ms"])
        return stubborn

    tick = warm(THREE, invoke, free=100)
    assert sorted(set(holds)) == [75, 150, 300, 600, LONGEST_HOLD]
    assert (tick.distinct, tick.cold, tick.failed, tick.hold_ms) == (1, 0, 0, LONGEST_HOLD)
    assert shop.messages == []


def test_a_failure_is_tried_again(instances):
    shop = instances(troubles=[OSError("connection reset")])
    tick = warm(THREE, shop.invoke, free=100)
    assert (tick.distinct, tick.failed) == (3, 1)
    assert tick.reason == "OSError: connection reset"
    assert tick.line()["level"] == "info"


def test_a_function_that_fails_is_not_pestered(instances):
    shop = instances(troubles=[OSError("down")] * 100)
    tick = warm(THREE, shop.invoke, free=100)
    assert (tick.distinct, tick.failed) == (0, 3 * TROUBLED)
    assert len(shop.messages) == 3 * TROUBLED


def test_where_there_is_no_room_it_stops(instances):
    shop = instances(limit=2)
    tick = warm(THREE, shop.invoke, free=100)
    assert tick.throttled
    assert len(shop.messages) == 3
    assert tick.line()["throttled"]
    assert tick.line()["level"] == "warn"


def test_after_its_time_it_does_not_begin_again(instances):
    shop = instances(troubles=[OSError("late")])
    tick = warm(THREE, shop.invoke, free=100, until=time.monotonic())
    assert (tick.distinct, tick.failed, len(shop.messages)) == (2, 1, 3)


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 12), free=st.integers(-5, 30), limit=st.integers(1, 12))
def test_never_more_than_half_of_what_is_free(count, free, limit):
    from tests.warmer.conftest import Instances

    shop = Instances(limit=limit)
    tick = warm(Target("shop", "live", count), shop.invoke, free, until=0)
    assert shop.most <= max(0, free / 2)
    assert tick.asked == len(shop.messages) == max(0, min(count, free // 2))
    assert tick.distinct <= tick.asked
    assert tick.distinct + tick.failed <= max(tick.asked, 0)
    if tick.asked < count:
        assert tick.reason
        assert tick.line()["level"] == "warn"


@pytest.mark.parametrize("answer", [b"", b"[]", b'{"instance": 3}', b'{"statusCode": 200}', b"\xff"])
def test_an_answer_of_something_else_is_a_failure(answer):
    tick = warm(Target("other", "live", 1), lambda target, message: answer, free=2)
    assert (tick.distinct, tick.failed) == (0, TROUBLED)
    assert tick.reason


def test_the_line_is_one_of_metrics(instances):
    shop = instances(troubles=[Throttled("Rate Exceeded.")])
    line = json.loads(json.dumps(warm(THREE, shop.invoke, free=100).line()))
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["Function"]]
    assert line["Function"] == "shop-production"
    assert {metric["Name"]: line[metric["Name"]] for metric in directive["Metrics"]} == {
        "WarmDistinct": 2, "WarmCold": 2, "WarmFailed": 1
    }  # fmt: skip
    assert abs(line["_aws"]["Timestamp"] / 1000 - time.time()) < 60
    assert (line["message"], line["count"], line["hold_ms"]) == ("warmed", 3, FIRST_HOLD)
    assert line["reason"] == "Throttled: Rate Exceeded."


def test_targets():
    text = '[{"function": "shop-production", "qualifier": "live", "count": 3}]'
    assert targets(text) == [THREE]


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "3", "null", '[{"function": "a"}]', '[{"function": "a", "qualifier": "b", "count": 0}]',
             '[{"function": "a", "qualifier": "b", "count": "3"}]', '[{"function": "a", "count": 1, "a": 2}]']
)  # fmt: skip
def test_bad_targets(text):
    with pytest.raises(ValueError, match="UPPROXY_WARM_TARGETS has to be a JSON list of objects"):
        targets(text)
