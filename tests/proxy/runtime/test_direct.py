"""Warm-up messages: who waits for what."""

from __future__ import annotations

from time import monotonic
from typing import Any

import pytest

from upproxy.proxy.log import Log
from upproxy.proxy.manifest import Manifest
from upproxy.proxy.messages import Invocation
from upproxy.proxy.runtime.direct import DirectMessages
from upproxy.proxy.runtime.instance import Instance
from upproxy.proxy.upstream.absent import NoApp
from upproxy.proxy.upstream.client import MARGIN
from upproxy.proxy.waiting import InPlace


def answer(message: dict[str, Any], *, init_ms: float, seconds: float = 30.0) -> tuple[dict[str, Any], list[float]]:
    """Return the answer, and the moments until which the app was waited for, as seconds before the deadline."""
    loop = InPlace(lambda error: pytest.fail(str(error)))
    instance = Instance(monotonic(), "7")
    instance.init_ms = init_ms
    instance.turns = 1
    waited = []
    deadline = monotonic() + seconds

    async def initialise(until: float) -> None:
        waited.append(deadline - until)
        instance.init_ms = 9_876.5

    async def upstream(request: object) -> Any:
        raise AssertionError("a warm-up is none of the app's business")

    manifest = Manifest({"manifest_version": 1, "name": "shop", "stage": "staging", "upstream": None})
    direct = DirectMessages(loop, Log(), manifest, instance, NoApp(), upstream, initialise)
    invocation = Invocation("id", deadline=deadline, deadline_ms=0, arn="", trace_id="")
    answers = []

    async def ask() -> None:
        answers.append(await direct.answer(message, invocation))

    try:
        loop.run(ask())
    finally:
        loop.close()
    return answers[0], waited


def test_the_answer() -> None:
    found, waited = answer({"warm": {}}, init_ms=12.34)
    assert set(found) == {"instance", "cold", "init_ms", "age_s", "served", "version"}
    assert (found["cold"], found["init_ms"], found["served"], found["version"]) == (True, 12.3, 0, "7")
    assert waited == []


def test_an_app_that_is_still_starting_is_waited_for() -> None:
    found, waited = answer({"warm": {"hold_ms": 1}}, init_ms=0.0)
    assert found["init_ms"] == 9_876.5
    assert waited == [pytest.approx(MARGIN)]


@pytest.mark.parametrize("hold_ms", [float("nan"), -1, "75", None, True, 1e-9])
def test_holds_that_make_no_sense_are_none(hold_ms: object) -> None:
    assert answer({"warm": {"hold_ms": hold_ms}}, init_ms=1.0)[0]["cold"]


@pytest.mark.parametrize("hold_ms", [float("inf"), 1e300])
def test_a_hold_ends_before_the_deadline(hold_ms: float) -> None:
    began = monotonic()
    answer({"warm": {"hold_ms": hold_ms}}, init_ms=1.0, seconds=MARGIN + 0.05)
    assert monotonic() - began >= 0.05
