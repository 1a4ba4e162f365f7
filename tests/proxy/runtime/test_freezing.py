"""A freeze is noticed and told; work after the reply gets its time before one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.ways import Lambda
from tests.proxy.runtime.events import http
from upproxy.local.processes import is_stopped, sessions
from upproxy.proxy.log import Log
from upproxy.proxy.runtime import freezing
from upproxy.proxy.runtime.freezing import BEAT, LATE, Freezing
from upproxy.proxy.waiting import InPlace

Starter = Callable[..., Lambda]


class Lines(Log):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, Any]] = []

    def write_lines(self, lines: list[dict[str, Any]]) -> None:
        self.lines += lines


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch):
    """Return a Freezing, its lines, and a function that sets the wall clock forward or back."""
    loop = InPlace(lambda error: pytest.fail(repr(error)))
    log = Lines()
    now = 1_000_000.0

    def move(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(freezing, "time", lambda: now)
    yield Freezing(loop, log), log, move
    loop.close()


def test_time_that_is_missing_is_a_freeze(watched):
    one, log, move = watched
    move(60.0)
    one.look()
    (line,) = log.lines
    assert (line["level"], line["message"], line["frozen_ms"]) == ("info", "thawed", 60_000)
    assert one.tell() == 60_000
    assert one.tell() == 0


def test_late_beats_and_clocks_that_are_set_back_are_none(watched):
    one, log, move = watched
    for seconds in (BEAT, LATE - 0.01, 0.0, -3_600.0, BEAT):
        move(seconds)
        one.look()
    assert log.lines == []
    assert one.tell() == 0


def test_freezes_add_up_until_the_app_hears_of_them(watched):
    one, log, move = watched
    for seconds in (10.0, BEAT, 20.0):  # a message of our own may thaw it in between
        move(seconds)
        one.look()
    assert [line["frozen_ms"] for line in log.lines] == [10_000, 20_000]
    assert one.tell() == 30_000


def test_it_beats_by_itself(watched, monkeypatch):
    one, log, move = watched
    move(5.0)
    monkeypatch.setattr(freezing, "BEAT", 0.0)
    one._loop.run(one._loop.sleep_until(time.monotonic() + 2 * BEAT))
    assert log.lines[0]["message"] == "thawed"


def seen_by_the_app(one: Lambda) -> dict[str, str]:
    reply = one.invoke(http("/echo", headers={"x-up-thawed-ms": "1"}))
    return dict(map(tuple, json.loads(json.loads(reply.payload)["body"])["headers"]))


def test_the_app_is_told_once_how_long_it_was_frozen(start: Starter) -> None:
    one = start()
    assert "x-up-thawed-ms" not in seen_by_the_app(one)
    one.freeze()
    began = time.monotonic()
    while not all(map(is_stopped, sessions()[one.instance.pid])) or time.monotonic() < began + LATE + BEAT:
        time.sleep(0.05)  # the time itself is what is tested
    one.thaw()
    told = int(seen_by_the_app(one)["x-up-thawed-ms"])
    assert told >= LATE * 1000
    (line,) = one.lines.wait_for(message="thawed")
    assert line["frozen_ms"] == told
    assert "x-up-thawed-ms" not in seen_by_the_app(one)


def order(one: Lambda, milliseconds: int) -> list[str]:
    """Let the app work after a reply, ask it again, and return what came first: its work or the second answer."""
    one.invoke(http(f"/work?ms={milliseconds}"))
    one.invoke(http("/pid"), request_id="second")
    one.lines.wait_for(message="worked")
    one.lines.wait_for(request_id="second", message="request")
    found = [
        "work" if line["message"] == "worked" else "answer"
        for line in one.lines.all
        if line["message"] == "worked" or (line["message"] == "request" and line["request_id"] == "second")
    ]
    assert len(found) == 2
    return found


def test_work_after_the_reply_is_waited_for_where_it_is_asked_for(start: Starter) -> None:
    assert order(start(upstream={"linger": 20_000}), 500) == ["work", "answer"]


@pytest.mark.parametrize("linger", [0, 100])
def test_but_no_longer_than_asked_for(start: Starter, linger: int) -> None:
    assert order(start(upstream={"linger": linger}), 2_000) == ["answer", "work"]


def test_an_idle_app_is_not_waited_for(start: Starter) -> None:
    one = start(upstream={"linger": 900_000})
    one.invoke(http("/pid"))
    assert json.loads(one.invoke(http("/pid"), timeout=5).payload)["statusCode"] == 200


def test_nor_one_whose_function_has_no_time_left(start: Starter) -> None:
    one = start(upstream={"linger": 900_000})
    one.invoke(http("/work?ms=6000"), timeout=2)
    assert json.loads(one.invoke(http("/pid"), timeout=10).payload)["statusCode"] == 200
