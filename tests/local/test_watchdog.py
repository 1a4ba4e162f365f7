"""The watchdog, and what is left when the process that it watches is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from upproxy.local.watchdog import Watchdog, main

OWNER = """
import subprocess, sys, os, signal
from upproxy.local.watchdog import Watchdog
folder = sys.argv[1]
dog = Watchdog(folder)
started = []
for number in range(3):
    child = subprocess.Popen(
        ["sh", "-c", "sleep 600 & sleep 600"], start_new_session=True, env={**os.environ, "MARK": str(number)},
        stdout=subprocess.DEVNULL,
    )
    dog.watch(child.pid, b"MARK=%d" % number)
    os.killpg(child.pid, signal.SIGSTOP)
    started.append(child)
dog.forget(started[2].pid)
print(dog.pid, *(child.pid for child in started), flush=True)
sys.stdin.read()
"""


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_what_is_frozen_dies_with_its_owner(tmp_path, how):
    folder = tmp_path / "instances"
    folder.mkdir()
    (folder / "file").touch()
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    dog, first, second, forgotten = map(int, owner.stdout.readline().split())
    try:
        os.kill(dog, signal.SIGTERM)  # a terminal's or a service manager's; it stays
        owner.send_signal(how)
        owner.wait()
        while alive(dog):
            time.sleep(0.01)
        assert not alive(first)
        assert not alive(second)
        assert alive(forgotten)
        assert not folder.exists()
    finally:
        for pid in (first, second, forgotten):
            try:
                os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def test_at_an_orderly_end_it_goes_too(tmp_path):
    folder = tmp_path / "instances"
    folder.mkdir()
    dog = Watchdog(str(folder))
    dog.close()
    assert not alive(dog.pid)
    assert not folder.exists()


def test_one_that_was_killed_does_not_hurt(tmp_path):
    folder = tmp_path / "instances"
    folder.mkdir()
    dog = Watchdog(str(folder))
    os.kill(dog.pid, signal.SIGKILL)
    os.waitid(os.P_PID, dog.pid, os.WEXITED | os.WNOWAIT)
    dog.watch(1, b"")
    dog.forget(1)
    dog.close()
    assert not folder.exists()


def test_sessions_that_have_ended_are_forgotten(tmp_path):
    other = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        main([b"+%d MARK=1\n" % other.pid, b"-%d\n" % other.pid], str(tmp_path / "none"))
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
