"""What the app's process finds when it starts."""

from __future__ import annotations

import _socket
import errno
import http.client
import json
import os
import resource
import signal
import sys
import types

import pytest

from tests.proxy.scripting import LIMIT
from tests.proxy.upstream.conftest import RAW_APP, python
from upproxy.proxy.manifest import UnsetVariable, UpstreamOptions, expand
from upproxy.proxy.upstream import spawn as module
from upproxy.proxy.upstream.spawn import SCHED_BATCH, UNIX_HAS_NAMES, SpawnError, spawn


def handed_on(fd: int) -> bool:
    """Whether a descriptor goes to our children by itself; one that has been closed meanwhile does not."""
    try:
        return os.get_inheritable(fd)
    except OSError:
        return False


def environment_of(app) -> dict[str, str]:
    return json.loads(app.run(app.text("/environment")))


def test_the_environment(upstream, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1")
    monkeypatch.setenv("UPPROXY_MANIFEST", "/somewhere")
    monkeypatch.setenv("KEPT", "as it is")
    module.posix.environ.update({os.fsencode(k): os.fsencode(v) for k, v in os.environ.items()})
    module.posix.environ.pop(b"PYTHONUNBUFFERED", None)
    module.posix.environ[b"ODD"] = b"\xff\xfe"
    try:
        app = upstream(environment={"DATABASE": "db://${KEPT}/${ODD}!", "PLAIN": "$KEPT ${", "EMPTY": ""})
        environment = environment_of(app)
    finally:
        for name in (b"ODD", b"KEPT", b"AWS_LAMBDA_RUNTIME_API", b"UPPROXY_MANIFEST"):
            module.posix.environ.pop(name, None)
    assert environment["PORT"] == str(app.ports[0])
    assert environment["UP_STAGE"] == "staging"
    assert environment["UP_RESTARTS"] == "0"
    assert environment["PYTHONUNBUFFERED"] == "1"
    assert environment["KEPT"] == "as it is"
    assert os.fsencode(environment["ODD"]) == b"\xff\xfe"
    assert os.fsencode(environment["DATABASE"]) == b"db://as it is/\xff\xfe!"
    assert environment["PLAIN"] == "$KEPT ${"
    assert environment["EMPTY"] == ""
    assert "AWS_LAMBDA_RUNTIME_API" not in environment
    assert "UPPROXY_MANIFEST" not in environment


def test_what_the_user_sets_wins(upstream):
    assert environment_of(upstream(environment={"PYTHONUNBUFFERED": "0"}))["PYTHONUNBUFFERED"] == "0"


def test_a_value_is_expanded_once():
    found = {b"A": b"${B}", b"B": b"b", b"E": b""}
    assert expand("", found) == ""
    assert expand("${A}${B}-${E}-", found) == "${B}b--"
    assert expand("a $ b $$ {B} $B ${", found) == "a $ b $$ {B} $B ${"
    with pytest.raises(UnsetVariable, match="no NONE"):
        expand("x${NONE}", found)


def test_a_variable_that_is_not_there_is_named_and_nothing_is_left_open():
    before = os.listdir("/proc/self/fd")
    with pytest.raises(SpawnError, match=r"\$\{UPPROXY_TEST_NONE\}"):
        spawn(UpstreamOptions(command=["true"], environment={"A": "${UPPROXY_TEST_NONE}"}), stage="x")
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize(
    "command", [["upproxy-no-such-command"], ["/no/such/file"], ["./none"], ["/"], ["/etc/hostname"]]
)
def test_a_command_that_cannot_be_run_is_named_and_nothing_is_left_open(command):
    before = os.listdir("/proc/self/fd")
    with pytest.raises(SpawnError, match=command[0]) as raised:
        spawn(UpstreamOptions(command=command), stage="x")
    assert "proxy.command" in str(raised.value)
    assert os.listdir("/proc/self/fd") == before


def test_a_shell_that_finds_no_command_says_so(upstream):
    app = upstream("upproxy-no-such-command --port $PORT")
    app.run(app.reach("failed", "ready"))
    assert app.supervisor.reason == "the app exited with code 127"
    assert any("not found" in line for line in app.output.tail)


@pytest.mark.parametrize("free", range(6))
def test_too_many_open_files_are_an_error_like_any_other(free):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = os.listdir("/proc/self/fd")
    fillers = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, before)) + 1 + free, hard))
    try:
        try:
            while True:
                fillers.append(os.dup(0))
        except OSError:
            pass
        for _ in range(min(free, len(fillers))):
            os.close(fillers.pop())
        if free < 5:  # a socket and two pipes
            with pytest.raises(SpawnError, match="open files"):
                spawn(UpstreamOptions(command=["true"]), stage="x")
        else:
            child = spawn(UpstreamOptions(command=["true"]), stage="x")
            os.waitpid(child.pid, 0)
            for listener in child.listeners:
                listener.close()
            os.close(child.stdout)
            os.close(child.stderr)
    finally:
        for filler in fillers:
            os.close(filler)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert os.listdir("/proc/self/fd") == before


def test_accepted_connections_do_not_wait_to_send(upstream):
    app = upstream()
    assert app.run(app.text("/nodelay")) == "1"


@pytest.mark.skipif(not UNIX_HAS_NAMES, reason="of Linux")
def test_requests_go_by_a_unix_socket_and_the_port_answers_too(upstream):
    app = upstream([sys.executable, "-I", "-S", RAW_APP, "{fds}"])
    assert app.run(app.text("/family")) == "AF_UNIX"
    connection = http.client.HTTPConnection("127.0.0.1", app.ports[0], timeout=LIMIT)
    connection.request("GET", "/family")
    assert connection.getresponse().read() == b"AF_INET"
    connection.close()
    assert environment_of(app)["PORT"] == str(app.ports[0])


def test_without_names_for_unix_sockets_there_is_the_port_alone(upstream, monkeypatch):
    monkeypatch.setattr(module, "UNIX_HAS_NAMES", False)
    app = upstream([sys.executable, "-I", "-S", RAW_APP, "{fds}"])
    assert app.run(app.text("/family")) == "AF_INET"


def test_where_no_unix_socket_is_allowed_there_is_the_port_alone(upstream, monkeypatch):
    class Refused(_socket.socket):
        def bind(self, address):
            if address == "":
                raise OSError(errno.EINVAL, "Invalid argument")  # as gVisor says
            super().bind(address)

    monkeypatch.setattr(module, "socket", types.SimpleNamespace(**{**vars(_socket), "socket": Refused}))
    monkeypatch.setattr(module, "UNIX_HAS_NAMES", True)
    app = upstream([sys.executable, "-I", "-S", RAW_APP, "{fds}"])
    assert app.run(app.text("/family")) == "AF_INET"


@pytest.mark.skipif(SCHED_BATCH is None, reason="of Linux")
def test_the_app_does_not_interrupt_the_proxy(upstream):
    app = upstream()
    assert os.sched_getscheduler(app.supervisor.pid) == SCHED_BATCH
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


@pytest.mark.parametrize(("fds", "count"), [("{fd}", 1), ("{fds}", 1 + UNIX_HAS_NAMES)])
def test_the_listeners_are_handed_on_once(fds, count):
    child = spawn(UpstreamOptions(command=[sys.executable, RAW_APP, fds]), stage="x")
    try:
        assert len(child.listeners) == count
        assert not any(os.get_inheritable(listener.fileno()) for listener in child.listeners)
        assert not os.get_blocking(child.stdout)
        assert not os.get_inheritable(child.stdout)
        assert os.getpgid(child.pid) == child.pid
    finally:
        os.kill(child.pid, signal.SIGKILL)
        os.waitpid(child.pid, 0)
        for listener in child.listeners:
            listener.close()
        os.close(child.stdout)
        os.close(child.stderr)


def test_each_spawn_has_a_port_of_its_own():
    children = [spawn(UpstreamOptions(command=["true"]), stage="x") for _ in range(3)]
    try:
        assert len({child.port for child in children}) == 3
    finally:
        for child in children:
            os.waitpid(child.pid, 0)
            for listener in child.listeners:
                listener.close()
            os.close(child.stdout)
            os.close(child.stderr)


def test_signals_are_as_every_program_expects_them(upstream):
    """Python ignores SIGPIPE, and what is blocked here is not blocked there."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    try:
        app = upstream("cat /proc/self/status; echo end; sleep 600", listen_timeout=30)

        async def drained():
            while not any(line["message"] == "end" for line in app.lines()):
                await app.loop.pause(app.spawned[0].started + 30)

        app.run(drained())
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    status = dict(line["message"].split(":\t", 1) for line in app.lines() if ":\t" in line["message"])
    ignored, blocked = int(status["SigIgn"], 16), int(status["SigBlk"], 16)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        assert not ignored >> (number - 1) & 1
    assert not blocked


def test_the_app_holds_nothing_but_its_own_descriptors(upstream):
    # What whoever runs the tests has left open for all its children.
    handed_to_us = {n for n in os.listdir("/proc/self/fd") if int(n) > 2 and handed_on(int(n))}
    program = """
import json, os, socket, sys, time
numbers = os.listdir("/proc/self/fd")
held = {n: os.readlink("/proc/self/fd/" + n) for n in numbers if os.path.exists("/proc/self/fd/" + n)}
print(sys.argv[1], json.dumps(held))
listener = socket.socket(fileno=int(sys.argv[1]))
kept = listener.accept()
time.sleep(600)
"""
    app = upstream(python(program))
    app.run(app.reach("ready", "failed"))
    app.output.drain()
    fd, _, held = app.lines()[0]["message"].partition(" ")
    links = {number: link.partition(":")[0] for number, link in json.loads(held).items() if number not in handed_to_us}
    assert {number: links.get(number) for number in {*links, "0", "1", "2"}} == {
        "0": "/dev/null",
        "1": "pipe",
        "2": "pipe",
        fd: "socket",
    }


def test_packages_come_before_everything_else():
    child = spawn(
        UpstreamOptions(
            command="echo $PATH $PYTHONPATH",
            environment={"PYTHONPATH": "/own", "PATH": "/usr/bin:/bin", "LAMBDA_RUNTIME_DIR": "/runtime"},
        ),
        stage="x",
        packages="/packages",
    )
    os.waitpid(child.pid, 0)
    try:
        path, python_path = os.read(child.stdout, 1_000).decode().split()
    finally:
        os.close(child.stdout)
        os.close(child.stderr)
    assert path.startswith("/packages/bin:")
    layers = ["/opt/python", f"/opt/python/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"]
    assert python_path.split(":") == ["/packages", *layers, "/runtime", "/own"]
