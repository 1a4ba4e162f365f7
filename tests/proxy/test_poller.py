"""kqueue behind epoll's calls, over a stand-in that keeps kqueue's records with Linux's epoll."""

from __future__ import annotations

import importlib
import os
import select
import socket
import types

import pytest

from upproxy.proxy import poller


class Event:
    def __init__(self, ident, filter, flags):  # noqa: A002
        self.ident, self.filter, self.flags = ident, filter, flags


class Queue:
    """What `select.kqueue` makes, as far as it is used."""

    def __init__(self):
        self._epoll = select.epoll()
        self._filters = {}

    def control(self, changes, count, timeout=None):
        for change in changes or ():
            known = self._filters.setdefault(change.ident, set())
            if change.flags & 1:
                if change.filter == -2 and not _can_write(change.ident):
                    raise OSError(22, "no such direction")
                known.add(change.filter)
            elif change.filter in known:
                known.discard(change.filter)
            else:
                raise OSError(2, "not registered")
            if not known:
                self._epoll.unregister(change.ident)
                continue
            mask = (select.EPOLLIN | select.EPOLLRDHUP) * (-1 in known) | select.EPOLLOUT * (-2 in known)
            try:
                self._epoll.modify(change.ident, mask | select.EPOLLET)
            except FileNotFoundError:
                self._epoll.register(change.ident, mask | select.EPOLLET)
        events = []
        if count:
            for fd, mask in self._epoll.poll(timeout):
                ended = 0x8000 if mask & (select.EPOLLRDHUP | select.EPOLLHUP) else 0
                if mask & (select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP):
                    events.append(Event(fd, -1, ended))
                if mask & select.EPOLLOUT:
                    events.append(Event(fd, -2, 0))
        return events

    def close(self):
        self._epoll.close()


def _can_write(fd):
    return os.get_blocking(fd) is not None and (os.fstat(fd).st_mode & 0o170000) == 0o140000


@pytest.fixture
def kqueue(monkeypatch):
    """The module as it is where there is no epoll."""
    stand_in = types.SimpleNamespace(
        kqueue=Queue, kevent=Event, KQ_FILTER_READ=-1, KQ_FILTER_WRITE=-2, KQ_EV_ADD=1, KQ_EV_DELETE=2,
        KQ_EV_CLEAR=0x20, KQ_EV_EOF=0x8000, KQ_EV_ERROR=0x4000, POLLIN=select.POLLIN,
    )  # fmt: skip
    monkeypatch.setitem(__import__("sys").modules, "select", stand_in)
    module = importlib.util.module_from_spec(importlib.util.find_spec("upproxy.proxy.poller"))
    module.__spec__.loader.exec_module(module)
    assert module.Poller is not poller.Poller
    return module


def test_edges_of_a_socket(kqueue):
    one, other = socket.socketpair()
    with one, other:
        watched = kqueue.Poller()
        watched.register(one.fileno(), kqueue.EDGES)
        assert watched.poll(0) == [(one.fileno(), kqueue.WRITE)]
        assert watched.poll(0) == []
        other.send(b"x")
        ((fd, mask),) = watched.poll(1)
        assert (fd, mask & kqueue.READ, mask & kqueue.OVER) == (one.fileno(), kqueue.READ, 0)
        other.shutdown(socket.SHUT_WR)
        assert watched.poll(1)[0][1] & kqueue.OVER
        watched.unregister(one.fileno())
        other.close()
        assert watched.poll(0) == []
        watched.close()


def test_a_pipe_has_one_direction(kqueue):
    reader, writer = os.pipe()
    watched = kqueue.Poller()
    watched.register(reader, kqueue.EDGES)
    os.write(writer, b"x")
    assert watched.poll(1) == [(reader, kqueue.READ)]
    os.close(writer)
    assert watched.poll(1)[0][1] & kqueue.OVER
    watched.unregister(reader)
    os.close(reader)
    watched.close()


def test_an_app_where_the_queue_is_not_told(tmp_path):
    """As on macOS: the inherited socket does not listen until the app is ready."""
    import sys

    from tests.conformance.ways import Lambda, manifest
    from tests.proxy.runtime.conftest import APP
    from tests.proxy.runtime.events import http

    script = tmp_path / "main.py"
    script.write_text(
        "import sys, _socket\ndel _socket.TCP_INFO\n"
        "import posix\ndel posix.waitid\n"
        "from upproxy.proxy.__main__ import main\nsys.exit(main())\n"
    )
    one = Lambda(manifest(APP), tmp_path, command=(sys.executable, str(script)))
    try:
        for target in ("/echo", "/kill", "/echo"):
            reply = one.invoke(http(target))
            assert (b'"statusCode":502' in reply.payload) == (target == "/kill")
    finally:
        one.close()
