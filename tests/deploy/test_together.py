"""Several things at once, their failures, and an interruption."""

import _thread
import threading

import pytest

from upproxy.aws.errors import Conflict, Throttled
from upproxy.deploy.together import at_once, in_all


def test_results_are_in_the_order_of_what_was_asked_for():
    second = threading.Event()
    assert at_once(lambda: second.wait(30), second.set) == [True, None]
    assert in_all(["a", "b"], str.upper) == {"a": "A", "b": "B"}
    assert in_all(["a"], str.upper) == {"a": "A"}


def test_the_first_failure_is_raised_when_all_have_ended():
    ended = threading.Event()

    def fails():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        at_once(fails, ended.set)
    assert ended.is_set()


def test_what_failed_in_other_regions_is_told_too():
    errors = {"a": Conflict("one", hint="do it again"), "c": Throttled("two")}

    def task(region):
        if region in errors:
            raise errors[region]

    with pytest.raises(Conflict) as caught:
        in_all(["a", "b", "c"], task)
    assert (str(caught.value), caught.value.hint) == ("a: one; c: two", "do it again")
    with pytest.raises(Throttled, match=r"^two$"):  # the only one
        in_all(["c"], task)


def test_nobody_waits_for_what_was_interrupted():
    answered, ended = threading.Event(), []

    def hangs():
        answered.wait(30)
        ended.append(True)

    def interrupts():
        _thread.interrupt_main()
        hangs()

    with pytest.raises(KeyboardInterrupt):
        at_once(hangs, interrupts)
    assert ended == []
    answered.set()
