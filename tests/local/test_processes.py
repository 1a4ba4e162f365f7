"""Sessions of real processes."""

import os
import signal
import subprocess
import sys

import pytest

from upproxy.local import runtime_process
from upproxy.local.processes import is_stopped, kill_session, memory, sessions
from upproxy.local.runtime_process import RuntimeProcess, StartFailed

HOLD = r"""
import os, sys
held = bytearray({mb} << 20)
held[::4096] = b"x" * len(held[::4096])
{more}
os.write(1, b"%d\n" % os.getpid())
sys.stdin.read()
"""


@pytest.fixture
def hold():
    """Start processes that hold so many megabytes, each in a session of its own, and wait until so many are there."""
    started = []

    def hold(mb=0, more="", count=1, **environment):
        started.append(
            subprocess.Popen(
                [sys.executable, "-S", "-c", HOLD.format(mb=mb, more=more)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        )
        started[-1].members = [int(started[-1].stdout.readline()) for _ in range(count)]
        return started[-1]

    yield hold
    for process in started:
        kill_session(process.pid)
        process.communicate()


def test_a_session_is_killed_whole_and_alone(hold):
    one, other = hold(more="os.fork() or os.setpgid(0, 0)", count=2), hold()
    assert len(sessions()[one.pid]) == 2
    kill_session(one.pid)
    assert one.wait() == -signal.SIGKILL
    one.stdout.read()  # its end: the child is gone, too
    assert other.poll() is None


def test_what_is_in_no_session_that_this_machine_knows_is_never_killed(hold, monkeypatch):
    """In a container, processes that were put into it from outside have session 0."""
    one = hold()
    monkeypatch.setattr(os, "getsid", lambda pid: 0)
    assert sessions() == {}
    kill_session(0)
    monkeypatch.undo()
    assert not is_stopped(one.pid)


def test_what_has_left_the_session_is_known_by_its_mark(hold):
    leader = hold(more="os.fork() or os.setsid()", count=2, MARK="one")
    (daemon,) = set(leader.members) - {leader.pid}
    kill_session(leader.pid, b"MARK=two")
    assert leader.wait() == -signal.SIGKILL
    assert not is_stopped(daemon)  # neither stopped nor gone
    kill_session(leader.pid, b"MARK=one")
    leader.stdout.read()


def test_stopped(hold):
    process = hold()
    assert not is_stopped(process.pid)
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    assert is_stopped(process.pid)
    process.send_signal(signal.SIGCONT)
    process.kill()
    process.wait()
    assert is_stopped(process.pid)


def test_memory_is_that_of_all_and_shared_pages_count_once(hold):
    empty, full = hold(), hold(100)
    mb = 1 << 20
    assert memory([empty.pid], 1 << 40) < 30 * mb
    both = memory([empty.pid, full.pid], 1 << 40)
    assert 100 * mb < both < 140 * mb
    members = hold(100, more="os.fork()", count=2).members
    assert memory(members, 1 << 40) > 200 * mb  # roughly: each has them resident
    assert 100 * mb < memory(members, 150 * mb) < 140 * mb  # exactly, where it would matter
    assert memory([0], 0) == 0


async def test_a_process_that_ends_at_once_is_cleared_up_after_by_its_own_number(monkeypatch):
    """It may have ended before its start is known of; any other number would be the end of others."""
    cleared = []
    monkeypatch.setattr(runtime_process, "kill_session", lambda session, mark: cleared.append(session))
    numbers = []
    for _ in range(40):
        process = RuntimeProcess(
            ("/bin/true",), {}, directory="/", function_name="shop", arn="arn", on_line=lambda *_: None
        )
        await process.start()
        numbers.append(process.pid)
        with pytest.raises(StartFailed):
            await process.ready()
        await process.stop(0)
    assert cleared == numbers
