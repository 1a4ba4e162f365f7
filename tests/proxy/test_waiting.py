"""The one epoll and the two ways to run a coroutine over it."""

from __future__ import annotations

import os
import signal
import socket
import tracemalloc
from time import monotonic

import pytest

from tests.proxy.scripting import outcome
from upproxy.proxy.waiting import NEVER, DeadlineExceeded, Loop, Parking, Waitable


@pytest.fixture
def pair():
    one, two = socket.socketpair()
    one.setblocking(False)
    yield one, two
    one.close()
    two.close()


async def read(loop, channel, sock, size=65_536, deadline=NEVER):
    """Read what comes next, by the rules: look first, park only when nothing can be there."""
    while True:
        if channel.may_read:
            try:
                data = sock.recv(size)
            except BlockingIOError:
                channel.may_read = False
            else:
                if len(data) < size and not channel.over:
                    channel.may_read = False
                return data
        await loop.wait(channel, deadline)


def test_data_and_the_end_in_one_event_are_both_seen(loop, pair):
    one, two = pair
    channel = loop.watch(one.fileno())
    two.send(b"last words")
    two.shutdown(socket.SHUT_WR)
    assert outcome(loop, read(loop, channel, one)) == b"last words"
    assert channel.over
    assert outcome(loop, read(loop, channel, one)) == b""
    assert outcome(loop, read(loop, channel, one)) == b"", "an end stays an end"


def test_an_end_between_the_event_and_the_read_is_seen(loop, pair):
    one, two = pair
    channel = loop.watch(one.fileno())
    two.send(b"x")

    async def main():
        await loop.wait(channel)
        two.close()
        assert one.recv(100) == b"x"
        channel.may_read = False  # a short read, and `over` is not known yet
        return await read(loop, channel, one)

    assert outcome(loop, main()) == b""


def test_a_reset_is_remembered(loop):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        two, _ = listener.accept()
    one.setblocking(False)
    channel = loop.watch(one.fileno())
    two.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    two.close()

    async def main():
        while not channel.over:
            await loop.wait(channel)
        with pytest.raises(ConnectionResetError):
            one.recv(1)
        loop.unwatch(channel)
        one.close()

    outcome(loop, main())


def test_a_number_that_is_used_again_within_a_batch_is_another_channel(loop, unhandled):
    """Two are ready at once; the first to run closes the other and opens one that gets its number."""
    ends = [socket.socketpair() for _ in range(2)]
    calls = []
    channels = {}
    opened = []
    armed = []  # everything is ready for writing once, at first

    def close_the_other(name):
        def on_ready():
            calls.append(name)
            other = 1 - name
            if not armed or opened:
                return
            number = channels[other].fd
            loop.unwatch(channels[other])
            ends[other][0].close()
            fresh = socket.socketpair()
            opened.extend(fresh)
            assert number in {end.fileno() for end in fresh}
            reader = next(end for end in fresh if end.fileno() == number)
            reader.setblocking(False)
            channels["new"] = loop.watch(number, lambda: calls.append("new"))

        return on_ready

    for name, (mine, _) in enumerate(ends):
        mine.setblocking(False)
        channels[name] = loop.watch(mine.fileno(), close_the_other(name))
    outcome(loop, _paused(loop))
    calls.clear()
    armed.append(True)
    for _, theirs in ends:
        theirs.send(b"x")  # both are ready before anybody looks
    loop.turn(0)
    assert len(calls) == 1, "the one that was closed is not called, nor the new one for an event that was not its own"
    assert not channels["new"].may_read
    assert not unhandled
    for end in [*opened, *(end for both in ends for end in both)]:
        end.close()


async def _paused(loop: Loop) -> None:
    await loop.pause()


def test_a_failing_callback_does_not_end_the_others(loop, unhandled, pair):
    one, two = pair
    done = []

    def fail():
        raise ValueError("callback")

    channel = loop.watch(one.fileno(), fail)
    two.send(b"x")
    loop.call_at(0, fail)
    loop.call_at(0, lambda: done.append("timer"))

    async def main():
        while not channel.may_read:
            await loop.wait(channel)
        done.append("waiter")

    outcome(loop, main())
    assert sorted(done) == ["timer", "waiter"]
    assert {str(error) for error in unhandled} == {"callback"}


def test_a_failing_task_does_not_end_the_others(parking, unhandled):
    done = []

    async def fail():
        await parking.pause()
        raise ValueError("task")

    async def stop_iteration():
        await parking.pause()
        raise StopIteration  # Python makes a RuntimeError of it

    async def main():
        parking.start(fail())
        parking.start(stop_iteration())
        for _ in range(5):
            await parking.pause()
        done.append(1)

    parking.run(main())
    assert done == [1]
    assert [type(error) for error in unhandled] == [ValueError, RuntimeError]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_process_goes_through(loop, unhandled, error):
    async def main():
        raise error

    with pytest.raises(error):
        loop.run(main())

    def callback():
        raise error

    loop.call_at(0, callback)
    with pytest.raises(error):
        loop.run(_paused(loop))
    assert not unhandled


def test_in_place_nothing_may_suspend(in_place):
    class Suspends:
        def __await__(self):
            yield

    async def main():
        await Suspends()

    with pytest.raises(RuntimeError, match="suspended"):
        in_place.run(main())


def test_there_is_no_current_task_outside_of_one(loop):
    with pytest.raises(RuntimeError, match="no task"):
        loop.current  # noqa: B018
    outcome(loop, _paused(loop))
    with pytest.raises(RuntimeError, match="no task"):
        loop.current  # noqa: B018


def test_a_deadline_passes_over_events_that_bring_nothing(loop, pair):
    """A trickle of hints does not move it."""
    one, two = pair
    channel = loop.watch(one.fileno())
    nothing = Waitable()
    deadline = monotonic() + 0.05

    async def main():
        hints = 0
        while True:
            two.send(b"x")
            one.recv(1)
            loop.notify(nothing)
            await loop.wait(channel, deadline)
            hints += 1

    with pytest.raises(DeadlineExceeded):
        outcome(loop, main())
    assert monotonic() >= deadline


def test_a_deadline_that_has_passed_is_told_at_once(loop):
    async def main():
        await loop.wait(Waitable(), monotonic() - 1)

    with pytest.raises(DeadlineExceeded):
        outcome(loop, main())


def test_pausing_does_not_outlive_a_deadline(loop):
    """One whose sockets are always ready never waits: its deadline passes all the same."""

    async def main():
        deadline = monotonic() + 0.02
        while True:
            await loop.pause(deadline)

    with pytest.raises(DeadlineExceeded):
        outcome(loop, main())


def test_an_interrupted_task_that_only_pauses_fails(loop):
    async def main():
        loop.interrupt(loop.current, LookupError("now"))
        await loop.pause()

    with pytest.raises(LookupError):
        outcome(loop, main())
    outcome(loop, _paused(loop))


def test_each_task_has_its_own_deadline(parking):
    passed = []

    async def wait(name, moment):
        await parking.sleep_until(moment)
        passed.append(name)

    async def main():
        now = monotonic()
        for name in (3, 1, 2):
            parking.start(wait(name, now + name / 100))

    parking.run(main())
    assert passed == [1, 2, 3]


def test_a_hundred_thousand_waits_with_deadlines_leave_nothing(loop):
    waitable = Waitable()

    async def waits(times):
        for _ in range(times):
            if isinstance(loop, Parking):
                loop.start(notifier())
            else:
                loop.call_at(0, lambda: loop.notify(waitable))
            await loop.wait(waitable, monotonic() + 60)

    async def notifier():
        loop.notify(waitable)

    outcome(loop, _returning(waits(100)))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        outcome(loop, _returning(waits(100_000 if isinstance(loop, Parking) else 20_000)))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 20_000
    assert not waitable.waiters
    assert not loop._timers


async def _returning(coroutine):
    await coroutine


def test_interrupting_a_task_where_it_waits(loop):
    async def main():
        task = loop.current
        loop.call_at(0, lambda: loop.interrupt(task, LookupError("stop")))
        with pytest.raises(LookupError):
            await loop.wait(Waitable())
        with pytest.raises(DeadlineExceeded):  # once only
            await loop.wait(Waitable(), monotonic())

    outcome(loop, main())


def test_interrupting_a_task_before_it_waits(loop):
    async def main():
        loop.interrupt(loop.current, LookupError("stop"))
        with pytest.raises(LookupError):
            await loop.wait(Waitable())

    outcome(loop, main())


def test_an_interrupted_task_is_resumed_once(parking):
    waitable = Waitable()
    resumed = []

    async def waits():
        try:
            await parking.wait(waitable)
        except LookupError:
            resumed.append("interrupted")
        await parking.wait(waitable)
        resumed.append("notified")

    async def main():
        parking.start(waits())
        await parking.pause()
        task = waitable.waiters[0]
        parking.interrupt(task, LookupError())
        parking.interrupt(task, LookupError())
        assert not waitable.waiters
        parking.notify(waitable)
        await parking.pause()
        assert resumed == ["interrupted"]
        parking.notify(waitable)

    parking.run(main())
    assert resumed == ["interrupted", "notified"]


def test_one_that_is_always_ready_lets_others_run(parking, pair):
    """Its own data never runs out; the other needs events from the epoll to go on."""
    one, two = pair
    channel = parking.watch(one.fileno())
    turns = 0
    got = []

    async def busy():
        nonlocal turns
        while len(got) < 10:
            turns += 1
            assert turns < 1_000, "the other never had its turn"
            await parking.pause()

    async def modest():
        for _ in range(10):
            two.send(b"x")
            got.append(await read(parking, channel, one))

    async def main():
        parking.start(busy())
        parking.start(modest())

    parking.run(main())
    assert got == [b"x"] * 10


def test_timers_run_once_and_not_when_cancelled(loop):
    ran = []
    now = monotonic()
    loop.call_at(now + 0.01, lambda: ran.append("later"))
    loop.call_at(now - 1, lambda: ran.append("past"))
    loop.call_at(now - 1, lambda: cancelled.cancel())
    cancelled = loop.call_at(now - 1, lambda: ran.append("cancelled"))

    async def main():
        await loop.sleep_until(now + 0.02)
        await loop.sleep_until(monotonic() + 0.01)

    outcome(loop, main())
    assert ran == ["past", "later"]


def test_a_timer_may_set_another(loop):
    ran = []

    def again():
        ran.append(1)
        if len(ran) < 3:
            loop.call_at(0, again)

    loop.call_at(0, again)
    outcome(loop, _until(loop, lambda: len(ran) == 3))


async def _until(loop, condition):
    while not condition():
        await loop.pause()


def test_a_signal_runs_its_callback_in_the_loop(loop):
    seen = []
    here = Waitable()

    def note():
        seen.append(1)
        loop.notify(here)

    before = signal.getsignal(signal.SIGUSR1)
    loop.on_signal(signal.SIGUSR1, note)

    async def main():
        loop.call_at(0, lambda: os.kill(os.getpid(), signal.SIGUSR1))
        while not seen:
            await loop.wait(here)
        for _ in range(1_000):
            os.kill(os.getpid(), signal.SIGUSR1)
        count = len(seen)
        while len(seen) == count:
            await loop.wait(here)

    try:
        outcome(loop, main())
        loop.close()
        assert signal.getsignal(signal.SIGUSR1) == before
        assert signal.set_wakeup_fd(-1) == -1
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_several_signals_in_one_go_each_run_their_own(loop):
    seen = []
    numbers = signal.SIGUSR1, signal.SIGUSR2
    for number in numbers:
        loop.on_signal(number, lambda number=number: seen.append(number))
    for number in numbers:
        os.kill(os.getpid(), number)
    outcome(loop, _until(loop, lambda: len(seen) == 2))
    assert set(seen) == set(numbers)


def test_a_callback_resumes_who_waits_for_something_else(loop, pair):
    one, two = pair
    thing = Waitable()
    seen = []

    def on_ready():
        seen.append(one.recv(10))
        loop.notify(thing)

    loop.watch(one.fileno(), on_ready)

    async def main():
        two.send(b"x")
        while not seen:
            await loop.wait(thing)

    outcome(loop, main())
    assert seen == [b"x"]


def test_all_who_wait_for_one_thing_are_resumed(parking):
    thing = Waitable()
    resumed = []

    async def waits(name):
        await parking.wait(thing)
        resumed.append(name)

    async def main():
        for name in range(3_000):
            parking.start(waits(name))
        await parking.pause()
        assert len(thing.waiters) == 3_000
        parking.notify(thing)

    parking.run(main())
    assert resumed == list(range(3_000))
    assert not parking._tasks


def test_thousands_of_tasks_with_deadlines_end(parking):
    ended = []

    async def waits(number):
        await parking.sleep_until(monotonic() + number % 7 / 1_000)
        ended.append(number)

    async def main():
        for number in range(2_000):
            parking.start(waits(number))

    parking.run(main())
    assert sorted(ended) == list(range(2_000))


def test_unwatch_and_close_may_be_repeated(loop, pair):
    one, _ = pair
    channel = loop.watch(one.fileno())
    loop.unwatch(channel)
    loop.unwatch(channel)
    assert channel.fd == -1
    assert not loop._channels
