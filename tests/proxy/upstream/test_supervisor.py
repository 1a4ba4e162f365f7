"""Every state of the app reached by what really happens to processes."""

from __future__ import annotations

import os
import signal
import socket
import sys
from time import monotonic

import pytest

from tests.proxy.scripting import LIMIT
from tests.proxy.upstream.conftest import RAW_APP, python
from upproxy.proxy.errors import UpstreamUnavailable
from upproxy.proxy.upstream import supervisor as module
from upproxy.proxy.upstream.spawn import SpawnError
from upproxy.proxy.upstream.supervisor import FAILED, READY, RESTARTING, STARTING, STOPPED, TRANSITIONS
from upproxy.proxy.waiting import DeadlineExceeded

LISTENS = "import socket, sys, time; s = socket.socket(fileno=int(sys.argv[1])); "
ACCEPTS = LISTENS + "kept = [s.accept()]; "
FIRST = "import os; first = os.environ['UP_RESTARTS'] == '0'; "


def gone(pid: int) -> bool:
    """Whether a process has ended; one that init has not reaped yet counts as ended."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_the_table_leads_from_every_state_and_to_every_state():
    states = {STARTING, READY, RESTARTING, STOPPED, FAILED}
    assert {state for state, _ in TRANSITIONS} == states
    assert set(TRANSITIONS.values()) == states - {STARTING}
    assert {event for _, event in TRANSITIONS} == {"answered", "exited", "late", "stop"}


def test_starting_then_ready(upstream):
    app = upstream()
    assert app.supervisor.state == STARTING
    app.run(app.reach(READY))
    assert app.spawned[0].listeners == [], "our copy of the listener is closed"
    assert app.run(app.text("/pid")) == str(app.supervisor.pid)


def test_a_socket_that_only_listens_is_not_an_app_that_answers(upstream):
    app = upstream(python(LISTENS + "time.sleep(600)"), listen_timeout=0.1)
    app.run(app.reach(READY, FAILED))
    assert app.supervisor.state == FAILED
    assert "did not listen within 0.1 s" in app.supervisor.reason
    app.run(app.ended())
    assert app.supervisor.state == FAILED
    with pytest.raises(UpstreamUnavailable, match="did not listen"):
        app.run(app.ask("/"))


@pytest.mark.parametrize(
    ("end", "how"),
    [("sys.exit(3)", "exited with code 3"), ("import os; os.kill(os.getpid(), 9)", "was ended by signal 9")],
)
def test_one_that_exits_at_once_has_failed(upstream, end, how):
    app = upstream(python(f"import sys; sys.stderr.write('no module\\nnamed shop'); sys.stderr.flush(); {end}"))
    app.run(app.reach(READY, FAILED))
    assert app.supervisor.state == FAILED
    assert app.supervisor.reason == f"the app {how}"
    assert app.output.tail == ["no module", "named shop"] or app.output.tail == ["no module"]
    assert not app.supervisor.alive
    assert any(line["message"] == f"the app {how}" for line in app.lines())
    with pytest.raises(UpstreamUnavailable, match=how):
        app.run(app.ask("/"))


def test_one_that_has_ended_before_we_look_has_failed(upstream, loop):
    """The app is spawned first; its end can come before anybody listens for the signal."""
    app = upstream(["true"])
    first = app.spawned[0]
    app.run(app.reach(FAILED))
    child = app.start(0)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and its signal has come and gone
    late = module.Supervisor(loop, app.output._log, app.output, app.start, child, listen_timeout=LIMIT)

    async def failed():
        while late.state != FAILED:
            await loop.wait(late.changed, monotonic() + LIMIT)

    app.run(failed())
    assert late.reason == "the app exited with code 0"
    assert first.pid != child.pid
    late.close()


@pytest.mark.parametrize("fds", ["{fd}", "{fds}"])
def test_a_crash_is_followed_by_a_restart_at_once_on_a_new_listener(upstream, fds):
    app = upstream([sys.executable, "-I", "-S", RAW_APP, fds])

    async def main():
        await app.ask("/pid")
        os.kill(app.supervisor.pid, signal.SIGSEGV)
        await app.reach(RESTARTING)
        assert app.supervisor.reason == "the app was ended by signal 11"
        await app.reach(READY)
        return await app.text("/environment")

    assert '"UP_RESTARTS": "1"' in app.run(main())
    assert app.supervisor.restarts == 1
    assert len(set(app.ports)) == 2
    first, second = (child.address for child in app.spawned)
    assert first != second
    for address in (("127.0.0.1", app.ports[0]), first):
        with socket.socket(socket.AF_UNIX if isinstance(address, bytes) else socket.AF_INET) as probe:
            assert probe.connect_ex(address) != 0, "nobody holds the old one"


def test_the_wait_grows_only_with_exits_that_follow_no_request(upstream, monkeypatch):
    """The moments that restarts are set for, instead of the time that they take."""
    app = upstream()
    delays = []
    call_at = app.loop.call_at

    def note(when, callback):
        if callback == app.supervisor._restart:
            delays.append(max(0.0, when - monotonic()))
            when = monotonic()
        return call_at(when, callback)

    monkeypatch.setattr(app.loop, "call_at", note)

    async def exit_after(requests):
        await app.reach(READY)
        for _ in range(requests):
            await app.ask("/pid")
        before = app.supervisor.pid
        os.kill(before, signal.SIGKILL)
        while app.supervisor.pid == before:
            await app.loop.wait(app.supervisor.changed, monotonic() + LIMIT)

    async def main():
        for requests in (0, 0, 0, 1, 1, 0, 0):
            await exit_after(requests)
        for _ in range(6):
            await exit_after(0)

    app.run(main())
    assert delays[0] == 0, "the first restart is immediate"
    assert delays[3] == delays[4] == 0, "so is one after a served request"
    assert 0 < delays[1] < delays[2]
    assert 0 < delays[5] < delays[6]
    assert max(delays) <= module.BACKOFF_MOST
    assert delays[-1] > module.BACKOFF_MOST * 0.9


def test_a_restart_that_does_not_listen_in_time_is_tried_again(upstream):
    app = upstream(
        python(FIRST + LISTENS + "hangs = os.environ['UP_RESTARTS'] == '1'; time.sleep(600) if hangs else 0; "
               "kept = [s.accept()]; time.sleep(0.05 if first else 600)"),
        listen_timeout=0.5,
    )  # fmt: skip

    async def main():
        await app.reach(READY)
        await app.reach(RESTARTING)
        while app.supervisor.restarts < 2 or app.supervisor.state != READY:
            assert app.supervisor.state in (RESTARTING, READY)
            await app.loop.wait(app.supervisor.changed, monotonic() + LIMIT)

    app.run(main())
    assert any("did not listen" in line["message"] for line in app.lines())


def test_a_restart_that_cannot_be_spawned_is_tried_again(upstream, monkeypatch):
    monkeypatch.setattr(module, "BACKOFF_MOST", 0.01)
    app = upstream()
    start = app.start
    left = [SpawnError("cannot start it"), SpawnError("nor again")]

    def fail_twice(restarts):
        if left:
            raise left.pop(0)
        return start(restarts)

    app.supervisor._start = fail_twice

    async def main():
        await app.ask("/pid")
        os.kill(app.supervisor.pid, signal.SIGKILL)
        await app.reach(RESTARTING)
        await app.reach(READY)

    app.run(main())
    messages = [line["message"] for line in app.lines()]
    assert "cannot start it" in messages
    assert "nor again" in messages


@pytest.mark.parametrize("ignores", [False, True])
def test_stop(upstream, monkeypatch, ignores):
    monkeypatch.setattr(module, "STOP_GRACE", 0.1)
    handler = "signal.SIG_IGN" if ignores else "lambda *_: (os.write(1, b'bye\\n'), os._exit(0))"
    app = upstream(python(f"import os, signal; signal.signal(signal.SIGTERM, {handler}); {ACCEPTS} time.sleep(600)"))

    async def main():
        await app.reach(READY)
        app.supervisor.stop()
        assert app.supervisor.state == STOPPED
        app.supervisor.stop()
        await app.ended()

    app.run(main())
    assert app.supervisor.state == STOPPED
    assert app.supervisor.restarts == 0
    assert ("bye" in [line["message"] for line in app.lines()]) is not ignores
    with pytest.raises(UpstreamUnavailable):
        app.run(app.supervisor.ready(monotonic() + LIMIT))


def test_stop_while_starting_and_while_restarting(upstream):
    app = upstream(python("import time; time.sleep(600)"))
    app.supervisor.stop()
    assert app.supervisor.state == STOPPED
    app.run(app.ended())

    other = upstream()

    async def main():
        await other.reach(READY)
        os.kill(other.supervisor.pid, signal.SIGKILL)
        await other.reach(RESTARTING)
        other.supervisor.stop()
        assert other.supervisor.state == STOPPED
        spawned = len(other.spawned)
        await other.ended()
        await other.loop.sleep_until(monotonic())
        assert len(other.spawned) == spawned, "nothing brings it back"

    other.run(main())


def test_stop_of_one_that_has_failed(upstream):
    app = upstream(["false"])
    app.run(app.reach(FAILED))
    app.supervisor.stop()
    assert app.supervisor.state == FAILED


def test_the_children_of_the_app_end_with_it(upstream):
    app = upstream()

    async def main():
        child = int(await app.text("/child"))
        os.kill(app.supervisor.pid, signal.SIGKILL)
        await app.reach(RESTARTING)
        return child

    child = app.run(main())
    poll = monotonic() + LIMIT
    while not gone(child):
        assert monotonic() < poll


def test_close_leaves_no_process_of_the_group(upstream):
    app = upstream()
    child = int(app.run(app.text("/child")))
    app.supervisor.close()
    poll = monotonic() + LIMIT
    while not gone(child):
        assert monotonic() < poll


@pytest.mark.parametrize("command", [f"exec {sys.executable} -I -S {RAW_APP}", f"{sys.executable} -I -S {RAW_APP}; :"])
def test_a_command_that_listens_on_the_port_by_itself(upstream, command):
    app = upstream(command)

    async def main():
        first = await app.text("/pid")
        os.kill(int(first), signal.SIGKILL)
        await app.reach(RESTARTING)
        second = await app.text("/pid")
        assert first != second

    app.run(main())
    assert len(set(app.ports)) == 2


def test_a_command_that_never_listens(upstream):
    app = upstream("sleep 600", listen_timeout=0.1)
    app.run(app.reach(READY, FAILED))
    assert app.supervisor.state == FAILED
    assert "did not listen" in app.supervisor.reason


def test_a_request_waits_no_longer_than_its_deadline_for_an_app_that_is_starting(upstream):
    app = upstream(python("import time; time.sleep(600)"))
    with pytest.raises(DeadlineExceeded):
        app.run(app.supervisor.ready(monotonic() + 0.05))
