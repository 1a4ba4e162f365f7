"""Servers that do exactly what a test tells them, and what runs a coroutine over a loop."""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from upproxy.proxy.waiting import Loop

LIMIT = 30  # seconds after which something that never comes is a failure


class Peer:
    """The server's side of one connection, blocking."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.number = number
        self.socket = sock
        self._rest = b""
        sock.settimeout(LIMIT)
        if sock.family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def read_head(self) -> bytes:
        """Return the next request's head, or b"" at the end."""
        while b"\r\n\r\n" not in self._rest:
            data = self.socket.recv(65_536)
            if not data:
                return b""
            self._rest += data
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        return head

    def read(self, size: int) -> bytes:
        parts = [self._rest[:size]]
        size -= len(parts[0])
        self._rest = self._rest[len(parts[0]) :]
        while size:
            data = self.socket.recv(min(size, 65_536))
            if not data:
                break
            parts.append(data)
            size -= len(data)
        return b"".join(parts)

    def send(self, *pieces: bytes) -> None:
        """Send each piece in a packet of its own."""
        for piece in pieces:
            self.socket.sendall(piece)

    def reset(self) -> None:
        """End with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def wait_for_end(self) -> bool:
        """Wait until the other side has closed; whether it did so without sending more."""
        clean = True
        try:
            while self.socket.recv(65_536):
                clean = False
        except ConnectionResetError:
            pass
        return clean


class ScriptedServer:
    """Accepts on a free port and runs `script` for each connection, in a thread of its own.

    `name` is that of a unix socket instead, empty for one that the system chooses.
    """

    def __init__(
        self, script: Callable[[Peer], None], *, backlog: int = 128, send_buffer: int = 0, name: str | None = None
    ) -> None:
        self.accepted = 0
        self.failures: list[BaseException] = []
        self._script = script
        self._listener = socket.socket(socket.AF_INET if name is None else socket.AF_UNIX)
        if send_buffer:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, send_buffer)
        self._listener.bind(("127.0.0.1", 0) if name is None else name)
        self._listener.listen(backlog)
        self.address: Any = self._listener.getsockname()
        self._stop, self._stopped = socket.socketpair()
        self._peers: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            ready, _, _ = select.select([self._listener, self._stopped], [], [])
            if self._stopped in ready:
                return
            sock, _ = self._listener.accept()
            self.accepted += 1
            self._peers.append(sock)
            thread = threading.Thread(target=self._serve, args=(Peer(sock, self.accepted),))
            self._threads.append(thread)
            thread.start()

    def _serve(self, peer: Peer) -> None:
        try:
            self._script(peer)
        except OSError:
            pass  # the client has left, as it may
        except BaseException as error:  # noqa: BLE001
            self.failures.append(error)
        finally:
            peer.socket.close()

    def close(self) -> None:
        self._stop.send(b"x")
        self._threads[0].join(LIMIT)
        self._listener.close()
        for sock in self._peers:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join(LIMIT)
        self._stop.close()
        self._stopped.close()
        assert not self.failures


def outcome(loop: Loop, coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end; return or raise what it did."""
    results: list[Any] = []
    failures: list[Exception] = []

    async def main() -> None:
        try:
            results.append(await coroutine)
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    loop.run(main())
    if failures:
        raise failures[0]
    return results[0]
