"""The empty hop: a runtime process that posts the same reply to whatever comes. No hop can be faster in Python.

    AWS_LAMBDA_RUNTIME_API=host:port python -I -S empty_hop.py REPLY_FILE buffered|streamed SLOTS DELAY_US

The delay is spent computing, so that it is exact; it is there for the harness to measure something that it knows.
"""

from __future__ import annotations

import _socket
import posix
import select
import sys
import time

API = "/2018-06-01/runtime/invocation/"


class Slot:
    """One poll after another over a kept connection; a streamed reply ends it."""

    def __init__(self, address: tuple[bytes, int], reply: bytes, streamed: bool, delay: int) -> None:
        host, port = address
        self._address = address
        self._host = b"host: %b:%d\r\n" % (host, port)
        self._next = b"GET " + API.encode() + b"next HTTP/1.1\r\n" + self._host + b"\r\n"
        if streamed:
            prelude, end, body = reply.partition(bytes(8))
            chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (prelude + end, body))
            self._rest = (
                b"content-type: application/vnd.awslambda.http-integration-response\r\n"
                b"lambda-runtime-function-response-mode: streaming\r\ntransfer-encoding: chunked\r\n\r\n"
                b"%b0\r\n\r\n" % chunks
            )
        else:
            self._rest = b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(reply), reply)
        self._streamed = streamed
        self._delay = delay
        self._parts: list[bytes] = []
        self._size = self._need = 0
        self._id = b""
        self.connect()

    def connect(self) -> None:
        self.socket = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM, 0)
        self.socket.connect(self._address)
        self.socket.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        self.socket.sendall(self._next)

    def step(self) -> bool:
        """Read once, and send what is due. Return whether the connection is a new one."""
        data = self.socket.recv(262_144)
        if not data:
            raise SystemExit
        self._parts.append(data)
        self._size += len(data)
        if not self._need:
            head, _, _ = data.partition(b"\r\n\r\n")  # a small one, which comes in one piece
            length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
            self._need = len(head) + 4 + int(length)
            self._id = head.partition(b"aws-request-id: ")[2].partition(b"\r\n")[0]
        if self._size < self._need:
            return False
        self._parts.clear()
        self._size = self._need = 0
        if not self._id:  # the post has been taken
            if self._streamed:
                self.socket.close()
                self.connect()
                return True
            self.socket.sendall(self._next)
            return False
        if self._delay:
            until = time.perf_counter_ns() + self._delay
            while time.perf_counter_ns() < until:
                pass
        self.socket.sendall(b"POST %b%b/response HTTP/1.1\r\n%b%b" % (API.encode(), self._id, self._host, self._rest))
        return False


def main() -> None:
    path, mode, slots, delay = sys.argv[1:]
    host, _, port = posix.environ[b"AWS_LAMBDA_RUNTIME_API"].rpartition(b":")
    with open(path, "rb") as file:
        reply = file.read()

    def slot() -> Slot:
        return Slot((host, int(port)), reply, mode == "streamed", int(delay) * 1000)

    if slots == "1":
        alone = slot()
        while True:
            alone.step()
    epoll = select.epoll()
    by_fd = {}
    for _ in range(int(slots)):
        one = slot()
        by_fd[one.socket.fileno()] = one
        epoll.register(one.socket.fileno(), select.EPOLLIN)
    while True:
        for fd, _ in epoll.poll():
            one = by_fd[fd]
            if one.step():  # the old one has left the epoll with its closing
                del by_fd[fd]
                by_fd[one.socket.fileno()] = one
                epoll.register(one.socket.fileno(), select.EPOLLIN)


if __name__ == "__main__":
    main()
