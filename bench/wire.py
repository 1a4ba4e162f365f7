"""Just enough HTTP/1.1 to measure with: it trusts its peer, and is as light as it can be."""

from __future__ import annotations

import select
import socket
from time import perf_counter_ns
from typing import NamedTuple

RECEIVE = 1 << 18


class Message(NamedTuple):
    """A whole request or response. `head` is the first line and the fields, without the empty line.

    `arrived` is the `perf_counter_ns` at which it was whole, `marked` that at which the mark was there that was waited
    for, 0 where there was none.
    """

    head: bytes
    body: bytes
    arrived: int = 0
    marked: int = 0


class Connection:
    """A connection in somebody's epoll, which carries one message at a time each way."""

    __slots__ = (
        "_arrived",
        "_chunk_at",
        "_data",
        "_end",
        "_epoll",
        "_marked",
        "_need",
        "_parts",
        "_size",
        "_unsent",
        "fd",
        "socket",
    )

    def __init__(self, stream: socket.socket, epoll: select.epoll) -> None:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream.setblocking(False)
        self.socket = stream
        self.fd = stream.fileno()
        self._epoll = epoll
        self._unsent = memoryview(b"")
        epoll.register(self.fd, select.EPOLLIN)
        self._begin()

    def _begin(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._need = 0  # bytes of the whole message, 0 while unknown
        self._end = 0  # of the head
        self._data = bytearray()  # of a chunked message
        self._chunk_at = 0  # where its next chunk begins, 0 where it has none
        self._arrived = self._marked = 0

    def send(self, data: bytes) -> None:
        """Send now what the socket takes; the rest follows in `flush`."""
        sent = self.socket.send(data)
        if sent < len(data):
            self._unsent = memoryview(data)[sent:]
            self._epoll.modify(self.fd, select.EPOLLIN | select.EPOLLOUT)

    def flush(self) -> None:
        """Go on sending, when the epoll says so."""
        self._unsent = self._unsent[self.socket.send(self._unsent) :]
        if not self._unsent:
            self._epoll.modify(self.fd, select.EPOLLIN)

    def receive(self, mark: bytes = b"") -> Message | None:
        """Read once, when the epoll says so; return the message if it is whole. Raises EOFError, ValueError.

        With a mark the message knows when it was there, in one piece.
        """
        data = self.socket.recv(RECEIVE)
        self._arrived = perf_counter_ns()
        if not data:
            raise EOFError
        if mark and not self._marked and mark in data:
            self._marked = self._arrived
        if self._chunk_at:
            self._data += data
            return self._unchunk()
        self._parts.append(data)
        self._size += len(data)
        if not self._need:
            whole = data if len(self._parts) == 1 else b"".join(self._parts)
            self._parts = [whole]
            end = whole.find(b"\r\n\r\n")
            if end < 0:
                return None
            self._end = end
            head = whole[: end + 2].lower()
            at = head.find(b"\r\ncontent-length:")
            if at >= 0:
                self._need = end + 4 + int(head[at + 17 : head.index(b"\r\n", at + 17)])
            elif b"\r\ntransfer-encoding: chunked\r\n" in head:
                self._data += whole
                self._chunk_at = end + 4
                return self._unchunk()
            else:
                self._need = end + 4
        if self._size < self._need:
            return None
        whole = b"".join(self._parts)
        return self._whole(whole, whole[self._end + 4 :], self._need)

    def _unchunk(self) -> Message | None:
        data = self._data
        at = self._chunk_at
        while (line := data.find(b"\r\n", at)) >= 0:
            size = int(data[at:line], 16)
            if not size:
                end = line + 2 if data.startswith(b"\r\n", line + 2) else data.find(b"\r\n\r\n", line + 2)
                if end < 0:
                    break
                if end != line + 2:
                    raise ValueError(f"a streamed message that failed: {bytes(data[line + 2 : end])!r}")
                return self._whole(bytes(data), _join(data, self._end + 4), end + 2)
            if len(data) < line + 2 + size + 2:
                break
            at = line + 2 + size + 2
        self._chunk_at = at
        return None

    def _whole(self, data: bytes, body: bytes, size: int) -> Message:
        if len(data) != size:
            raise ValueError(f"{len(data) - size} bytes follow a message that nobody has answered yet")
        message = Message(data[: self._end], body, self._arrived, self._marked)
        self._begin()
        return message

    def close(self) -> None:
        self._epoll.unregister(self.fd)
        self.socket.close()


def _join(data: bytearray, at: int) -> bytes:
    parts = []
    while size := int(data[at : (line := data.index(b"\r\n", at))], 16):
        parts.append(data[line + 2 : line + 2 + size])
        at = line + 2 + size + 2
    return b"".join(parts)
