"""The server side of HTTP/1.1 that the Runtime API needs: bodies piece by piece, trailers, replies in one write.

aiohttp keeps the trailers of a request to itself, and Lambda's streaming puts its errors there. This server knows
only what a runtime client on the loopback sends; as a callback protocol it answers within the turn of the loop that
the request came in, with no task for each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Protocol, cast

from upproxy.proxy.http1 import Malformed, content_length, parse_fields

HEAD_LIMIT = 131_072  # bytes of a head, of a chunk's size line, and of the trailers
LINGER = 5.0  # seconds that a client has to read an answer that came before its request was whole


class Request:
    """The head of a request. Field names are lower case; values are latin-1 text."""

    __slots__ = ("fields", "method", "target")

    def __init__(self, method: str, target: str, fields: dict[str, str]) -> None:
        self.method = method
        self.target = target
        self.fields = fields


class Sink(Protocol):
    """What takes in the body of a request."""

    def feed(self, data: bytes) -> None:
        """Take a piece of it."""

    def end(self, trailers: dict[str, str]) -> None:
        """Take note that it is whole."""

    def cut(self) -> None:
        """Take note that the connection ended, or broke the protocol, before the body was whole."""


Handler = Callable[["Connection", Request], Sink]
"""Called with each head; whoever it is has to see to it that the connection gets a reply."""


class Connection(asyncio.Protocol):
    """One client. Requests that it pipelines wait until the one before them has its reply."""

    def __init__(self, handler: Handler, opened: Callable[[Connection], None], lost: Callable[[Connection], None]):
        self._handler = handler
        self._opened = opened
        self._lost = lost
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._parser = self._parse()
        self._sink: Sink | None = None
        self._answered = False
        self._close_after_reply = False
        self._given_up = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to parse."""
        self._transport = cast(asyncio.Transport, transport)
        next(self._parser)
        self._opened(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Tell the sink of an unfinished body."""
        self._transport = None
        self._parser.close()
        if self._sink is not None:
            self._sink.cut()
        self._lost(self)

    def data_received(self, data: bytes) -> None:
        """Parse as far as the bytes go."""
        if not self._given_up:
            self._buffer += data
            self._resume()

    def _resume(self) -> None:
        if self._transport is None or self._given_up or self._transport.is_closing():
            return
        try:
            next(self._parser)
        except (Malformed, ValueError) as error:
            self._given_up = True
            sink, self._sink = self._sink, None
            if sink is not None:
                sink.cut()
            self.reply(HTTPStatus.BAD_REQUEST, str(error).encode(), content_type="text/plain")

    def _parse(self) -> Generator[None, None, None]:
        """Parse message after message; yields when more bytes, or the reply, have to come first."""
        buffer = self._buffer
        while True:
            while (end := buffer.find(b"\r\n\r\n")) < 0:
                if len(buffer) > HEAD_LIMIT:
                    raise Malformed("the head is too long")
                yield
            request_line, *lines = buffer[:end].decode("latin-1").split("\r\n")
            del buffer[: end + 4]
            method, target, version = request_line.split(" ")
            fields = parse_fields(lines)
            length = content_length(fields)
            named = dict(fields)
            self._answered = False
            self._close_after_reply = version != "HTTP/1.1" or named.get("connection", "").lower() == "close"
            self._sink = sink = self._handler(self, Request(method, target, named))
            if length and named.get("expect", "").lower() == "100-continue" and self._transport is not None:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            trailers: dict[str, str] = {}
            if length == -1:
                trailers = yield from self._chunks(sink)
            elif length:
                yield from self._pieces(length, sink)
            self._sink = None
            sink.end(trailers)
            while not self._answered:
                yield

    def _pieces(self, length: int, sink: Sink) -> Generator[None, None, None]:
        buffer = self._buffer
        while True:
            if buffer:
                piece = bytes(buffer[:length])
                del buffer[:length]
                length -= len(piece)
                sink.feed(piece)
            if not length:
                return
            yield

    def _line(self) -> Generator[None, None, str]:
        buffer = self._buffer
        while (end := buffer.find(b"\r\n")) < 0:
            if len(buffer) > HEAD_LIMIT:
                raise Malformed("a line is too long")
            yield
        line = buffer[:end].decode("latin-1")
        del buffer[: end + 2]
        return line

    def _chunks(self, sink: Sink) -> Generator[None, None, dict[str, str]]:
        """Parse a chunked body (RFC 9112 section 7.1) and return its trailers."""
        while True:
            size_line = yield from self._line()
            size = size_line.partition(";")[0].strip(" \t")
            if not size or not set(size) <= set("0123456789abcdefABCDEF"):
                raise Malformed(f"no size of a chunk: {size_line[:40]!r}")
            if not int(size, 16):
                break
            yield from self._pieces(int(size, 16), sink)
            if (yield from self._line()):
                raise Malformed("a chunk is longer than its size says")
        lines = []
        while line := (yield from self._line()):
            lines.append(line)
        return dict(parse_fields(lines))

    def reply(
        self,
        status: int,
        body: bytes = b"",
        *,
        content_type: str = "application/json",
        fields: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Answer the request. One that is not whole yet is given up: its connection closes after the answer."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        self._given_up |= self._sink is not None
        close = self._close_after_reply or self._given_up
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"Content-Type: {content_type}"]
        lines += [f"{name}: {value}" for name, value in fields]
        lines.append(f"Content-Length: {len(body)}")
        if close:
            lines.append("Connection: close")
        transport.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        self._answered = True
        if self._given_up:
            # Closing with bytes unread would reset the connection, and the answer with it.
            with suppress(OSError):  # the other side may have closed it at the first byte of the answer
                transport.write_eof()
            transport.resume_reading()
            asyncio.get_running_loop().call_later(LINGER, transport.abort)
        elif close:
            transport.close()
        elif self._buffer:
            asyncio.get_running_loop().call_soon(self._resume)

    def pause(self) -> None:
        """Take no more bytes for now."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Take bytes again."""
        if self._transport is not None:
            self._transport.resume_reading()

    def close(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()
