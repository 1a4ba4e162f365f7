"""`upproxy auth hash`, as a process and in a terminal."""

import json
import os
import pty
import re
import subprocess
import sys

import pytest

from upproxy.proxy.middleware.auth import scrypt

COMMAND = [sys.executable, "-m", "upproxy", "auth", "hash"]


def hashing(given: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*COMMAND, *arguments], input=given, capture_output=True, timeout=60)


@pytest.mark.parametrize("given", [b"open sesame\n", b"open sesame", b"open sesame\r\nsecond line\n"])
def test_the_first_line_of_stdin_is_hashed(given):
    done = hashing(given)
    assert done.returncode == 0
    assert done.stderr == b"For `users` in up.yml, in quotes; or for the variable that it refers to:\n"
    hashed = scrypt.parse(done.stdout.decode().strip())
    assert hashed.cost == scrypt.COST
    assert hashed.derive(b"open sesame") == hashed.digest


def test_salts_differ():
    assert hashing(b"x\n").stdout != hashing(b"x\n").stdout


def test_json():
    done = hashing("pässword\n".encode(), "--json")
    hashed = scrypt.parse(json.loads(done.stdout)["hash"])
    assert hashed.derive("pässword".encode()) == hashed.digest
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("given", "said"),
    [(b"", b"the password is empty"), (b"\n", b"the password is empty"), (b"\xff\n", b"the password is no UTF-8"),
     (b"a\tb\n", b"the password has a control character")],
)  # fmt: skip
def test_what_no_browser_can_send(given, said):
    done = hashing(given)
    assert (done.returncode, done.stdout) == (2, b"")
    assert said in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_password_is_no_argument():
    done = subprocess.run([*COMMAND, "open-sesame"], capture_output=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert done.stdout == b""


def in_terminal(*lines: bytes, arguments: tuple[str, ...] = ()) -> tuple[int, bytes, bytes]:
    """Type lines, each after the prompt that it answers; return the status, stdout and what the terminal showed."""
    controller, terminal = pty.openpty()
    shown = b""
    with subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm"},
    ) as process:
        os.close(terminal)
        for line in lines:
            before = shown.count(b": ")
            while shown.count(b": ") == before:
                shown += os.read(controller, 4096)
            os.write(controller, line + b"\n")
        out = process.stdout.read()
        process.wait(60)
        try:
            while data := os.read(controller, 4096):
                shown += data
        except OSError:  # the terminal has nobody left
            pass
    os.close(controller)
    return process.returncode, out, shown


def test_a_terminal_asks_twice_and_shows_nothing():
    status, out, shown = in_terminal(b"open sesame", b"open sesame")
    assert status == 0
    hashed = scrypt.parse(out.decode().strip())
    assert hashed.derive(b"open sesame") == hashed.digest
    assert re.search(rb"Password: .*Once more: ", shown, re.DOTALL)
    assert b"sesame" not in shown


def test_a_terminal_that_may_not_be_asked():
    status, out, shown = in_terminal(arguments=("--no-input",))
    assert (status, out) == (2, b"")
    assert b"there is nobody to ask" in shown
