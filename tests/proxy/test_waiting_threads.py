"""Work in threads, handed back to either loop."""

from __future__ import annotations

import os
import signal
import socket
import threading
from time import monotonic

import pytest

from tests.proxy.scripting import LIMIT, outcome
from upproxy.proxy.waiting import THREADS, DeadlineExceeded, InPlace, Waitable


class Gate:
    """Holds threads until it is opened, and tells how many are inside."""

    def __init__(self):
        self.entered = threading.Semaphore(0)
        self.left = threading.Semaphore(0)
        self.inside = 0
        self.most = 0
        self._open = threading.Event()
        self._lock = threading.Lock()

    def open(self):
        self._open.set()

    def pass_through(self, value=None):
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.entered.release()
        assert self._open.wait(LIMIT)
        with self._lock:
            self.inside -= 1
        self.left.release()
        return value


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.open()


def test_the_result_comes_back_from_another_thread(loop):
    def add(one, two):
        return one + two, threading.get_ident()

    total, thread = outcome(loop, loop.in_thread(add, 1, 2))
    assert total == 3
    assert thread != threading.get_ident()


def test_one_after_another(loop):
    async def main():
        return [await loop.in_thread(str, number) for number in range(100)]

    assert outcome(loop, main()) == [str(number) for number in range(100)]


@pytest.mark.parametrize("failure", [ValueError("no"), SystemExit(3)])
def test_a_failure_comes_back(loop, failure):
    def fail():
        raise failure

    async def main():
        with pytest.raises(type(failure)) as caught:
            await loop.in_thread(fail)
        return caught.value

    assert outcome(loop, main()) is failure


def test_a_deadline_ends_the_wait_and_the_loop_serves_on(loop, gate):
    async def main():
        with pytest.raises(DeadlineExceeded):
            await loop.in_thread(gate.pass_through, deadline=monotonic() + 0.01)
        gate.open()
        return await loop.in_thread(str, 7)

    assert outcome(loop, main()) == "7"
    assert gate.left.acquire(timeout=LIMIT)


def test_abandoned_threads_still_count_until_they_end(loop, gate):
    """Else a client that gives up could start any number of them."""

    async def main():
        for _ in range(THREADS):
            with pytest.raises(DeadlineExceeded):
                await loop.in_thread(gate.pass_through, deadline=monotonic() + 0.01)
        with pytest.raises(DeadlineExceeded):
            await loop.in_thread(gate.pass_through, deadline=monotonic() + 0.01)
        gate.open()
        return await loop.in_thread(str, 7, deadline=monotonic() + LIMIT)

    assert outcome(loop, main()) == "7"
    for _ in range(THREADS):
        assert gate.left.acquire(timeout=LIMIT)
    assert not gate.left.acquire(blocking=False), "the one beyond never began"


def test_an_interruption_ends_the_wait(loop, gate):
    class Stop(Exception):
        pass

    async def main():
        task = loop.current
        loop.call_at(monotonic() + 0.01, lambda: loop.interrupt(task, Stop()))
        with pytest.raises(Stop):
            await loop.in_thread(gate.pass_through, deadline=monotonic() + LIMIT)

    outcome(loop, main())


def test_the_loop_serves_others_meanwhile(parking, gate):
    order = []

    async def slow():
        order.append(await parking.in_thread(gate.pass_through, "slow"))

    async def quick():
        await parking.sleep_until(monotonic() + 0.01)
        order.append("quick")
        gate.open()

    parking.start(slow())
    parking.run(quick())
    assert order == ["quick", "slow"]


def test_channels_and_timers_are_served_in_place_meanwhile(in_place, gate):
    one, two = socket.socketpair()
    one.setblocking(False)
    in_place.watch(one.fileno(), gate.open)
    in_place.call_at(monotonic() + 0.01, lambda: two.send(b"x") and None)
    assert outcome(in_place, in_place.in_thread(gate.pass_through, "through")) == "through"
    one.close()
    two.close()


def test_many_at_once_are_bounded_and_all_come_back(parking, gate):
    results = []

    async def one(number):
        results.append(await parking.in_thread(gate.pass_through, number))

    async def main():
        while not gate.inside:
            await parking.pause()
        await parking.sleep_until(monotonic() + 0.02)
        gate.open()

    for number in range(50):
        parking.start(one(number))
    parking.run(main())
    assert sorted(results) == list(range(50))
    assert 1 <= gate.most <= THREADS


def test_signals_and_threads_share_the_wakeup(loop, gate):
    seen = []

    def noted():
        seen.append(True)
        gate.open()

    loop.on_signal(signal.SIGUSR1, noted)

    def work():
        os.kill(os.getpid(), signal.SIGUSR1)
        return gate.pass_through("done")

    assert outcome(loop, loop.in_thread(work)) == "done"
    assert seen == [True]


def test_signals_after_threads(loop):
    """The wake-up is there already when the first signal is asked for."""
    assert outcome(loop, loop.in_thread(str, 1)) == "1"
    seen = []
    loop.on_signal(signal.SIGUSR1, lambda: seen.append(True))
    nothing = Waitable()

    async def main():
        os.kill(os.getpid(), signal.SIGUSR1)
        while not seen:
            try:
                await loop.wait(nothing, monotonic() + 0.05)
            except DeadlineExceeded:
                pass

    outcome(loop, main())


def test_a_thread_that_outlives_the_loop_harms_nobody(gate):
    loop = InPlace(lambda error: None)

    async def main():
        with pytest.raises(DeadlineExceeded):
            await loop.in_thread(gate.pass_through, deadline=monotonic() + 0.01)

    outcome(loop, main())
    loop.close()
    gate.open()
    assert gate.left.acquire(timeout=LIMIT)
