"""Everything that is waited for, in one edge-triggered epoll, and the two ways to run a coroutine over it.

`InPlace` is for one invocation at a time: waiting polls right there, the coroutine never suspends, and the code reads
and profiles like blocking code. `Parking` is for many: waiting parks the task, and the loop resumes it. Either way
the app's output, timers and signals are served by whoever polls; there is no pump thread and no lock.

The rules that the code below follows:

- A resume is a hint. Every wait is in a loop that looks again.
- Data and the end of a stream can come as one event, so a short read does not mean that all was read: `over` is
  remembered for good, and with it set nobody parks.
- Waiters belong to objects, never to descriptor numbers, which are reused; a batch is resolved to objects before any
  code runs.
- Deadlines are absolute `time.monotonic()` moments. One lower bound over all of them is kept, and those that wait are
  looked through when it passes: nothing is allocated for a request.
- What would hold the loop, such as hashing a password, goes to a thread. The thread touches nothing of the loop's but a
  list to append to, and wakes it through the socket that signals come by.
"""

from __future__ import annotations

from _thread import start_new_thread
from time import monotonic

from upproxy.proxy.lean import signal, socket
from upproxy.proxy.poller import EDGES, OVER, READ, WRITE, Poller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from typing import Any

NEVER = float("inf")
THREADS = 2  # that work at once: a function of Lambda seldom has more processors, and hashing takes memory


class DeadlineExceeded(Exception):  # the moment, not a fault
    """The moment until which something was waited for has passed."""


class Waitable:
    """Something that tasks can wait for."""

    __slots__ = ("waiters",)

    def __init__(self) -> None:
        self.waiters: list[Task] = []


class Channel(Waitable):
    """A descriptor in the epoll, non-blocking, and what is known of it.

    `may_read` and `may_write` stay set until a call says EAGAIN; `over` says that the other side has ended or failed.
    `on_ready` is called with every event, before the tasks that wait are resumed.
    """

    __slots__ = ("fd", "may_read", "may_write", "on_ready", "over")

    def __init__(self, fd: int, on_ready: Callable[[], None] | None = None) -> None:
        super().__init__()
        self.fd = fd
        self.may_read = False
        self.may_write = False
        self.over = False
        self.on_ready = on_ready


class Timer:
    """A callback at a moment; `cancel` it or let it run once."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback = callback

    def cancel(self) -> None:
        """Never run the callback."""
        self.callback = _nothing


def _nothing() -> None:
    pass


class Task:
    """A coroutine, what it waits for and until when, and what it is to fail with where it waits."""

    __slots__ = ("coroutine", "deadline", "failure", "waits_for")

    def __init__(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.coroutine = coroutine
        self.deadline = NEVER
        self.failure: Exception | None = None
        self.waits_for: Waitable | None = None


class _Work(Waitable):
    """What a thread does, and what came of it once `done` is set, which the loop does."""

    __slots__ = ("arguments", "done", "failure", "function", "result")

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        super().__init__()
        self.function = function
        self.arguments = arguments
        self.done = False
        self.failure: BaseException | None = None
        self.result: Any = None


class Loop:
    """What both ways share: the epoll, timers, signals, threads.

    `on_error` is told of an exception that a callback or a task did not handle; the others go on.
    """

    def __init__(self, on_error: Callable[[Exception], None]) -> None:
        self._epoll = Poller()
        self._poll = self._epoll.poll
        self._channels: dict[int, Channel] = {}
        self._timers: list[Timer] = []
        self._soonest = NEVER  # no timer and no deadline is earlier than this
        self._on_error = on_error
        self._wakeup: tuple[Any, Any] | None = None
        self._signals: dict[int, Callable[[], None]] = {}
        self._others_handlers: dict[int, Any] = {}  # what was there before us: we may be a guest in the process
        self._others_wakeup = -1
        self._working = 0  # threads
        self._worked: list[_Work] = []  # done by a thread, and not told yet
        self._thread_free = Waitable()
        self._current: Task | None = None

    def watch(self, fd: int, on_ready: Callable[[], None] | None = None, edges: int = EDGES) -> Channel:
        """Put a non-blocking descriptor into the epoll."""
        channel = Channel(fd, on_ready)
        self._channels[fd] = channel
        self._epoll.register(fd, edges)
        return channel

    def rewatch(self, channel: Channel, edges: int) -> None:
        """Change what a descriptor is watched for; what is there already is told again."""
        self._epoll.modify(channel.fd, edges)

    def unwatch(self, channel: Channel) -> None:
        """Take a descriptor out of the epoll; has to be done before it is closed."""
        if channel.fd >= 0:
            del self._channels[channel.fd]
            self._epoll.unregister(channel.fd)
            channel.fd = -1

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Run a callback at a moment or soon after."""
        timer = Timer(when, callback)
        self._timers.append(timer)
        self._soonest = min(self._soonest, when)
        return timer

    def on_signal(self, number: int, callback: Callable[[], None]) -> None:
        """Run a callback in the loop when a signal arrives. Main thread only."""
        if not self._signals:
            self._others_wakeup = signal.set_wakeup_fd(self._waker().fileno(), warn_on_full_buffer=False)
        self._signals[number] = callback
        self._others_handlers.setdefault(number, signal.signal(number, _note_signal))

    def _waker(self) -> Any:
        """Return the socket that wakes the loop: a byte is a signal's number, 0 is a thread's end."""
        if self._wakeup is None:
            reader, writer = socket.socketpair()
            reader.setblocking(False)
            writer.setblocking(False)
            self._wakeup = reader, writer
            self.watch(reader.fileno(), self._woken)
        return self._wakeup[1]

    def _woken(self) -> None:
        if self._wakeup is None:
            return
        try:
            numbers = self._wakeup[0].recv(4096)
        except BlockingIOError:
            return
        for number in set(numbers):
            if callback := self._signals.get(number):
                self._guarded(callback)
        while self._worked:
            work = self._worked.pop()
            work.done = True
            self._working -= 1
            self.notify(work)
            self.notify(self._thread_free)

    async def in_thread(self, function: Callable[..., Any], *arguments: Any, deadline: float = NEVER) -> Any:
        """Return what a function returns, which runs beside the loop; raise what it raises.

        Raises as `wait` does too. A function cannot be stopped: when the deadline passes, it goes on and nobody is
        told. It must not import what imports `threading`, which takes the first thread that imports it for the main
        one.
        """
        while self._working >= THREADS:
            await self.wait(self._thread_free, deadline)
        work = _Work(function, arguments)
        start_new_thread(_run_work, (work, self._worked, self._waker()))
        self._working += 1
        while not work.done:
            await self.wait(work, deadline)
        if work.failure is not None:
            raise work.failure
        return work.result

    def close(self) -> None:
        """Give back the epoll, and the signals to whom they belonged."""
        if self._signals:
            try:
                signal.set_wakeup_fd(self._others_wakeup)
            except (OSError, ValueError):  # it has been closed since
                signal.set_wakeup_fd(-1)
            for number, handler in self._others_handlers.items():
                signal.signal(number, handler)
        for end in self._wakeup or ():
            end.close()
        self._epoll.close()

    # --- waiting ------------------------------------------------------------------------------------------------------

    async def wait(self, waitable: Waitable, deadline: float = NEVER) -> None:
        """Return when something may have happened to the waitable.

        Raises DeadlineExceeded, or what the task was interrupted with.
        """
        raise NotImplementedError

    async def pause(self, deadline: float = NEVER) -> None:
        """Let everything else that is ready have its turn.

        Raises as `wait` does: one for whom there is always something to do may never wait.
        """
        raise NotImplementedError

    async def sleep_until(self, moment: float) -> None:
        """Wait for nothing but a moment."""
        nothing = Waitable()
        try:
            while True:
                await self.wait(nothing, moment)
        except DeadlineExceeded:
            pass

    def notify(self, waitable: Waitable) -> None:
        """Resume whoever waits for it."""
        raise NotImplementedError

    # --- tasks --------------------------------------------------------------------------------------------------------

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine to its end, and those that it has started."""
        raise NotImplementedError

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Add a task beside the others."""
        raise NotImplementedError

    @property
    def current(self) -> Task:
        """The task that is running."""
        if self._current is None:
            raise RuntimeError("no task is running")
        return self._current

    def interrupt(self, task: Task, failure: Exception) -> None:
        """Make a task fail where it waits, now or the next time."""
        task.failure = failure

    # --- the epoll ----------------------------------------------------------------------------------------------------

    def turn(self, until: float) -> None:
        """Wait for events, until a moment at most, and serve them; then the timers and deadlines that have passed."""
        if self._soonest < until:
            until = self._soonest
        batch = self._poll() if until == NEVER else self._poll(max(0.0, until - monotonic()))
        channels = self._channels
        for channel, mask in [(channels[fd], mask) for fd, mask in batch if fd in channels]:
            if mask & OVER:
                channel.over = channel.may_read = channel.may_write = True
            else:
                if mask & READ:
                    channel.may_read = True
                if mask & WRITE:
                    channel.may_write = True
            if channel.on_ready is not None and channel.fd >= 0:  # not closed earlier in this batch
                self._guarded(channel.on_ready)
            if channel.waiters:
                self.notify(channel)
        if self._soonest != NEVER and self._soonest <= monotonic():
            self._expire(monotonic())

    def _expire(self, now: float) -> None:
        due = [timer for timer in self._timers if timer.when <= now]
        if due:
            self._timers = [timer for timer in self._timers if timer.when > now]
        self._soonest = min((timer.when for timer in self._timers), default=NEVER)
        for timer in due:
            self._guarded(timer.callback)

    def _guarded(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception as error:  # noqa: BLE001  # one failure must not end the others
            self._on_error(error)


class InPlace(Loop):
    """One coroutine, which polls where it waits and never suspends."""

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine to its end."""
        self._current = Task(coroutine)
        try:
            coroutine.send(None)
        except StopIteration:
            return
        finally:
            self._current = None
        raise RuntimeError("a coroutine suspended in place")

    async def wait(self, waitable: Waitable, deadline: float = NEVER) -> None:  # noqa: ARG002
        """Poll, once: whatever happens may have happened to it."""
        task = self._current
        if task is None or task.failure is None:
            self.turn(deadline)
        if (task is not None and task.failure is not None) or deadline <= monotonic():
            _raise_if_over(self.current, deadline)

    async def pause(self, deadline: float = NEVER) -> None:
        """Poll without waiting: output, timers and signals."""
        self.turn(0)
        _raise_if_over(self.current, deadline)

    def notify(self, waitable: Waitable) -> None:
        """Nothing to do: the one who waits is the one who polls, and looks again."""


class Parking(Loop):
    """Many tasks, each parked where it waits and resumed by the loop."""

    def __init__(self, on_error: Callable[[Exception], None]) -> None:
        super().__init__(on_error)
        self._tasks: set[Task] = set()
        self._ready: list[Task] = []

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine, and all that it starts, until the last has ended."""
        self.start(coroutine)
        while self._tasks:
            ready, self._ready = self._ready, []
            for task in ready:
                self._step(task)
            if self._tasks:
                self.turn(0 if self._ready else NEVER)

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Add a task; it first runs when the loop comes to it."""
        task = Task(coroutine)
        self._tasks.add(task)
        self._ready.append(task)

    def _step(self, task: Task) -> None:
        self._current = task
        try:
            task.coroutine.send(None)
        except StopIteration:
            self._tasks.discard(task)
        except Exception as error:  # noqa: BLE001
            self._tasks.discard(task)
            self._on_error(error)
        self._current = None

    async def wait(self, waitable: Waitable, deadline: float = NEVER) -> None:
        """Park until the waitable is notified or the deadline passes."""
        task = self.current
        if task.failure is None:
            task.deadline = deadline
            task.waits_for = waitable
            self._soonest = min(self._soonest, deadline)
            waitable.waiters.append(task)
            await _suspension
        _raise_if_over(task, deadline)

    async def pause(self, deadline: float = NEVER) -> None:
        """Go to the end of the line."""
        task = self.current
        self._ready.append(task)
        await _suspension
        _raise_if_over(task, deadline)

    def notify(self, waitable: Waitable) -> None:
        """Put those who wait on the list of those to run."""
        if waitable.waiters:
            for task in waitable.waiters:
                task.waits_for = None
            self._ready += waitable.waiters
            waitable.waiters = []

    def interrupt(self, task: Task, failure: Exception) -> None:
        """Make a task fail where it waits, now or the next time."""
        task.failure = failure
        self._resume(task)

    def _resume(self, task: Task) -> None:
        if task.waits_for is not None:
            task.waits_for.waiters.remove(task)
            task.waits_for = None
            self._ready.append(task)

    def _expire(self, now: float) -> None:
        super()._expire(now)
        for task in self._tasks:
            if task.waits_for is not None:
                if task.deadline <= now:
                    self._resume(task)
                else:
                    self._soonest = min(self._soonest, task.deadline)


def _raise_if_over(task: Task, deadline: float) -> None:
    failure = task.failure
    if failure is not None:
        task.failure = None
        raise failure
    if deadline != NEVER and deadline <= monotonic():
        raise DeadlineExceeded


class _Suspension:
    """Awaiting it hands control to the loop once (what types.coroutine would do, without the import)."""

    def __await__(self) -> Generator[None, None, None]:
        yield


_suspension = _Suspension()


def _note_signal(_number: int, _frame: object) -> None:
    """Do nothing: the wake-up descriptor has the number, and the loop runs the callback."""


def _run_work(work: _Work, worked: list[_Work], waker: Any) -> None:
    """Be the thread."""
    try:
        work.result = work.function(*work.arguments)
    except BaseException as error:  # noqa: BLE001  # it is the business of the one who waits
        work.failure = error
    worked.append(work)
    try:
        waker.send(b"\0")
    except OSError:  # full, so that the loop wakes anyway; or closed
        pass
