"""Keep the app running: its states, when it is ready, what happens when it exits."""

from __future__ import annotations

import posix
from time import monotonic

from upproxy.proxy.errors import UpstreamUnavailable
from upproxy.proxy.lean import signal, socket
from upproxy.proxy.upstream.spawn import LOOPBACK, SpawnError
from upproxy.proxy.waiting import Waitable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from upproxy.proxy.http1 import Address
    from upproxy.proxy.log import Log
    from upproxy.proxy.upstream.output import Output
    from upproxy.proxy.upstream.spawn import Child
    from upproxy.proxy.waiting import Loop, Timer

STARTING = "starting"  # the first start, which has not succeeded yet
READY = "ready"
RESTARTING = "restarting"  # it was ready once and has exited since: waiting to be started, or for it to be ready
STOPPED = "stopped"  # on request
FAILED = "failed"  # the first start did not succeed; nothing brings it back

# (state, event) -> state. What is not here cannot happen.
TRANSITIONS = {
    (STARTING, "answered"): READY,
    (STARTING, "exited"): FAILED,
    (STARTING, "late"): FAILED,
    (STARTING, "stop"): STOPPED,
    (READY, "exited"): RESTARTING,
    (READY, "stop"): STOPPED,
    (RESTARTING, "answered"): READY,
    (RESTARTING, "exited"): RESTARTING,
    (RESTARTING, "late"): RESTARTING,
    (RESTARTING, "stop"): STOPPED,
    (STOPPED, "exited"): STOPPED,
    (STOPPED, "stop"): STOPPED,
    (FAILED, "exited"): FAILED,
    (FAILED, "stop"): FAILED,
}

BACKOFF_FIRST = 0.1  # seconds, doubled with each exit in a row without a served request
BACKOFF_MOST = 5.0
STOP_GRACE = 1.5  # seconds between SIGTERM and SIGKILL
POLL_PORT = 0.010  # seconds between looks at a port that a command opens by itself; 1 ms was slower
LOOK_FIRST, LOOK_SHARE, LOOK_MOST = 0.001, 0.03, 0.010  # seconds and share of the time waited: a fixed 1 ms burns CPU

_LOOK = posix.WEXITED | posix.WNOHANG | posix.WNOWAIT if hasattr(posix, "waitid") else 0
_TCP_INFO_SIZE = 28
_ACCEPT_QUEUE = slice(24, 28)  # tcpi_unacked, which for a listening socket counts what has not been accepted


class Supervisor:
    """Owns the app's process. `start` makes a new one, numbered by how often it has been restarted.

    `state` is one of the names above; `changed` is notified whenever it or the process changes.
    """

    def __init__(
        self,
        loop: Loop,
        log: Log,
        output: Output,
        start: Callable[[int], Child],
        child: Child,
        *,
        listen_timeout: float,
    ) -> None:
        self._loop = loop
        self._log = log
        self._output = output
        self._start = start
        self._listen_timeout = listen_timeout
        self.state = STARTING
        self.changed = Waitable()
        self.restarts = 0
        self.reason = ""  # why it is not there: a sentence
        self.alive = False
        self._fruitless = 0  # exits in a row without a served request
        self._served = False
        self._timer: Timer | None = None
        self._expected: dict[int, Callable[[int], None]] = {}
        self._probe: socket.socket | None = None
        loop.on_signal(signal.SIGCHLD, self._reap)
        self._adopt(child)
        self._reap()  # it may have ended before its signal could be heard

    # --- what others ask ----------------------------------------------------------------------------------------------

    @property
    def address(self) -> Address:
        """Where the app listens."""
        return self._child.address

    @property
    def pid(self) -> int:
        """The app's process, and its group."""
        return self._child.pid

    async def ready(self, deadline: float) -> None:
        """Wait until the app takes requests. Raises UpstreamUnavailable, DeadlineExceeded."""
        while self.state != READY:
            if self.state in (FAILED, STOPPED):
                raise UpstreamUnavailable(self.reason or "the app has been stopped")
            await self._loop.wait(self.changed, deadline)

    async def gone(self, deadline: float) -> None:
        """Wait until the exit of an app that takes no connections has been noticed. Raises DeadlineExceeded."""
        child = self._child
        while self.alive and self._child is child:
            await self._loop.wait(self.changed, deadline)

    def served(self) -> None:
        """Note that the app has answered a request: its next restart is immediate."""
        self._served = True

    def expect(self, pid: int, ended: Callable[[int], None]) -> None:
        """Tell of the end of another process of ours, once, by its wait status; its group is ended with it."""
        self._expected[pid] = ended

    def stop(self) -> None:
        """Ask the app to finish (SIGTERM), and end it when it does not within 1.5 s."""
        if self.state != STOPPED:
            self._move("stop")
            self._cancel_timer()
            self._stop_probing()
            if self.alive:
                signal_group(self._child.pid, signal.SIGTERM)
                self._timer = self._loop.call_at(monotonic() + STOP_GRACE, self._kill)

    def close(self) -> None:
        """Leave nothing behind: kill what still runs, and wait for it."""
        self._cancel_timer()
        self._stop_probing()
        if self.alive:
            self._kill()
            posix.waitpid(self._child.pid, 0)
            self.alive = False

    # --- states -------------------------------------------------------------------------------------------------------

    def _move(self, event: str) -> None:
        self.state = TRANSITIONS[self.state, event]
        self._loop.notify(self.changed)

    def _adopt(self, child: Child) -> None:
        self._child = child
        self.alive = True
        self._served = False
        self._output.attach(child.stdout, child.stderr)
        self._look()

    def _look(self) -> None:
        """See whether the app is ready, and look again soon if not."""
        waited = monotonic() - self._child.started
        try:
            accepts = self._accepts()
        except OSError:  # no descriptor to be had; there may be one the next time
            accepts = False
        if accepts:
            self._stop_probing()
            self._move("answered")
        elif waited > self._listen_timeout:
            self._stop_probing()
            self.reason = f"the app did not listen within {self._listen_timeout:g} s (proxy.listen_timeout)"
            self._log.write("error", self.reason)
            self._move("late")
            self._kill()
        else:
            pause = POLL_PORT if not self._child.listeners else max(LOOK_FIRST, min(LOOK_MOST, LOOK_SHARE * waited))
            self._timer = self._loop.call_at(monotonic() + pause, self._look)

    def _accepts(self) -> bool:
        if not self._child.listeners:
            return self._connects()
        if self._probe is None:
            self._probe = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0)
            self._probe.setblocking(False)
            self._probe.connect_ex((LOOPBACK.encode(), self._child.port))
            return False  # it need not be in the queue yet
        # The probe lies in the accept queue until the app takes it: no request is made, nothing is in the app's log.
        listener = self._child.listeners[0]
        return not any(listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_SIZE)[_ACCEPT_QUEUE])

    def _connects(self) -> bool:
        probe = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0)
        try:
            error = probe.connect_ex((LOOPBACK.encode(), self._child.port))
            # A socket that is given this very port as its own end connects to itself.
            return error == 0 and probe.getsockname() != probe.getpeername()
        finally:
            probe.close()

    def _stop_probing(self) -> None:
        if self._probe is not None:
            self._probe.close()
            self._probe = None
        # Held any longer, it would take connections for an app that has died, and let them hang.
        while self._child.listeners:
            self._child.listeners.pop().close()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- exits --------------------------------------------------------------------------------------------------------

    def _reap(self) -> None:
        if posix.getpid() != 1:
            for pid in (self._child.pid, *self._expected):
                self._reap_own(pid)
            return
        # In a container orphans are ours as well. Each is looked at before it is taken, lest the app be among them.
        try:
            while (ended := posix.waitid(posix.P_ALL, 0, _LOOK)) is not None:
                if not self._reap_own(ended.si_pid):
                    posix.waitpid(ended.si_pid, 0)
        except ChildProcessError:
            pass

    def _reap_own(self, pid: int) -> bool:
        """Look whether a process that somebody waits for has ended; return False for any other process."""
        if self.alive and pid == self._child.pid:
            ended: Callable[[int], None] | None = self._exited
        else:
            ended = self._expected.get(pid)
        if ended is None:
            return False
        # The group is killed while its leader's number is still taken, so that it cannot hit anybody else;
        # where that cannot be had (macOS before Python 3.13), right after.
        if hasattr(posix, "waitid"):
            if posix.waitid(posix.P_PID, pid, _LOOK) is None:
                return True
            signal_group(pid, signal.SIGKILL)
            status = posix.waitpid(pid, 0)[1]
        else:
            found, status = posix.waitpid(pid, posix.WNOHANG)
            if not found:
                return True
            signal_group(pid, signal.SIGKILL)
        self._expected.pop(pid, None)
        ended(status)
        return True

    def _exited(self, status: int) -> None:
        self.alive = False
        self._cancel_timer()
        self._stop_probing()
        self._output.drain()
        before = self.state
        if before not in (STOPPED, FAILED):
            self.reason = f"the app {_how(status)}"
        self._move("exited")
        if before in (STARTING, READY, RESTARTING):
            self._log.write("error", self.reason, restarts=self.restarts)
        if self.state == RESTARTING:
            self._fruitless = self._fruitless + 1 if self.restarts and not self._served else 0
            delay = min(BACKOFF_MOST, BACKOFF_FIRST * 2 ** (self._fruitless - 1)) if self._fruitless else 0
            self._timer = self._loop.call_at(monotonic() + delay, self._restart)

    def _restart(self) -> None:
        self.restarts += 1
        try:
            child = self._start(self.restarts)
        except SpawnError as error:
            self.reason = str(error)
            self._log.write("error", self.reason, restarts=self.restarts)
            self._fruitless += 1
            self._timer = self._loop.call_at(monotonic() + BACKOFF_MOST, self._restart)
        else:
            self._log.write("info", "the app is restarted", restarts=self.restarts)
            self._adopt(child)

    def _kill(self) -> None:
        signal_group(self._child.pid, signal.SIGKILL)


def signal_group(pid: int, number: int) -> None:
    """Send a signal to a process and its group, where there is one left."""
    try:
        posix.killpg(pid, number)
    except ProcessLookupError:
        pass


def _how(status: int) -> str:
    if posix.WIFSIGNALED(status):
        return f"was ended by signal {posix.WTERMSIG(status)}"
    return f"exited with code {posix.WEXITSTATUS(status)}"
