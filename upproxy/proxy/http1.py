"""HTTP/1.1 as a client speaks it (RFC 9112): connections, strict parsing, framing.

Used towards the app and towards the Runtime API. What is malformed or ambiguous is refused and the connection given
up; nothing is guessed, so that one answer can never be taken for another.
"""

from __future__ import annotations

import errno
import select
from time import monotonic

from upproxy.proxy.lean import socket
from upproxy.proxy.poller import EDGES, ENDED, READ_EDGES
from upproxy.proxy.waiting import NEVER, DeadlineExceeded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from upproxy.proxy.waiting import Loop

    Address = tuple[str, int] | bytes  # of TCP, or the name of a unix socket

HEAD_LIMIT = 131_072  # bytes of a status line and its fields, and of trailers
FIELD_LIMIT = 1_000  # fields in a head
INTERIM_LIMIT = 32  # 1xx responses before the real one
EARLY_LIMIT = 8 << 20  # bytes of an answer that are kept while its request is still being sent: an echo has to fit
READ_SIZE = 65_536
FULL = 0.01  # seconds after which a full queue of connections is tried again
CHUNKED = -1  # in place of a length
PAUSE_EVERY = 262_144  # bytes that are read before others have their turn

_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_HEX = frozenset(b"0123456789abcdefABCDEF")
_NAME_CACHE_LIMIT = 1_024
_STATUS_CACHE_LIMIT = 128
_CACHED_LENGTH = 64  # characters of a status line


class Malformed(Exception):
    """The other side broke the protocol; `str(error)` says how."""


class Closed(Exception):
    """The connection ended before the message did."""


_names: dict[str, str] = {}  # field names as sent -> lower case, for those that have been found valid
_status_lines: dict[str, tuple[int, int]] = {}  # status lines that have been found valid -> minor version, status


def _field_name(name: str) -> str:
    if not name or not _TOKEN.issuperset(name):
        raise Malformed(f"a field name that is no token: {name[:40]!r}")
    lower = name.lower()
    if len(_names) < _NAME_CACHE_LIMIT:
        _names[name] = lower
    return lower


def parse_fields(lines: list[str]) -> list[tuple[str, str]]:
    """Parse header or trailer lines without their ends (RFC 9112 section 5); names come out in lower case."""
    if len(lines) > FIELD_LIMIT:
        raise Malformed(f"more than {FIELD_LIMIT} header fields")
    fields = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise Malformed(f"a header line without a colon: {line[:40]!r}")
        fields.append((_names.get(name) or _field_name(name), value.strip(" \t")))
    return fields


def _parse_status_line(line: str) -> tuple[int, int]:
    if line[:7] != "HTTP/1." or line[7:9] not in ("1 ", "0 ") or line[12:13] not in (" ", ""):
        raise Malformed(f"no HTTP/1.1 status line: {line[:40]!r}")
    code = line[9:12]
    if len(code) != 3 or not (code.isascii() and code.isdigit()) or code < "100":
        raise Malformed(f"no status code: {line[:40]!r}")
    parsed = int(line[7]), int(code)
    if len(_status_lines) < _STATUS_CACHE_LIMIT and len(line) < _CACHED_LENGTH:
        _status_lines[line] = parsed
    return parsed


def parse_head(head: bytes) -> tuple[int, int, list[tuple[str, str]]]:
    """Parse a response's head, up to the empty line and without it.

    Returns the minor version (0 or 1), the status and the fields. Raises Malformed.
    """
    lines = head.decode("latin-1").split("\r\n")
    # Each end of a line has one CR and one LF: where there are more of them, some are bare.
    if len(head) - len(head.translate(None, b"\r\n\0")) != 2 * len(lines) - 2:
        raise Malformed("a bare CR or LF, or a NUL, in the head")
    status_line = lines.pop(0)
    minor, status = _status_lines.get(status_line) or _parse_status_line(status_line)
    return minor, status, parse_fields(lines)


def content_length(fields: list[tuple[str, str]]) -> int | None:
    """Return the body's length, CHUNKED for the coding of that name, None where only the connection's end tells.

    Raises Malformed where the fields disagree or either is odd (RFC 9112 section 6.3).
    """
    length: str | None = None
    coding: str | None = None
    for name, value in fields:
        if name == "content-length":
            if length is not None:
                raise Malformed("more than one Content-Length")
            length = value
        elif name == "transfer-encoding":
            if coding is not None:
                raise Malformed("more than one Transfer-Encoding")
            coding = value
    if coding is not None:
        if length is not None:
            raise Malformed("both Content-Length and Transfer-Encoding")
        if coding.lower() != "chunked":
            raise Malformed(f"an unknown Transfer-Encoding: {coding[:40]!r}")
        return CHUNKED
    if length is None:
        return None
    if not (length.isascii() and length.isdigit()) or len(length) > 18:
        raise Malformed(f"no valid Content-Length: {length[:40]!r}")
    return int(length)


class Connection:
    """A keep-alive connection. Not shared: one message at a time, by one task.

    Times are absolute `time.monotonic()` deadlines; every method that waits raises DeadlineExceeded, after which the
    connection is to be closed.
    """

    __slots__ = ("_buffer", "_is_unix", "_loop", "_poll", "_read_since_pause", "_send_failed", "_socket", "channel")

    def __init__(self, loop: Loop, sock: socket.socket) -> None:
        self._loop = loop
        self._socket = sock
        self._buffer = b""
        self._read_since_pause = 0
        self._send_failed = False
        # On a unix socket each read of the other side makes room, which would wake us for nothing.
        self._is_unix = sock.family != socket.AF_INET
        self.channel = loop.watch(sock.fileno(), edges=READ_EDGES if self._is_unix else EDGES)
        self._poll = select.poll()
        self._poll.register(self.channel.fd, ENDED)

    @classmethod
    async def open(cls, loop: Loop, address: Address, deadline: float = NEVER) -> Connection:
        """Connect to an address. Raises OSError."""
        family = socket.AF_UNIX if isinstance(address, bytes) else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM, 0)
        connection = None
        try:
            sock.setblocking(False)
            if isinstance(address, bytes):
                error = await _connect_unix(loop, sock, address, deadline)
            else:
                host, port = address
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                # bytes, because a text would import the codec for international domain names
                error = sock.connect_ex((host.encode(), port))
            connection = cls(loop, sock)
            if error == errno.EINPROGRESS:
                while not (connection.channel.may_write or connection.channel.over):
                    await loop.wait(connection.channel, deadline)
                error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                raise OSError(error, "connect")
        except BaseException:
            connection.close() if connection else sock.close()
            raise
        return connection

    def close(self) -> None:
        """Close; may be called more than once."""
        if self.channel.fd >= 0:
            self._loop.unwatch(self.channel)
            self._socket.close()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self.channel.fd < 0

    def is_stale(self) -> bool:
        """Whether an idle connection has ended, or holds something that nobody asked for."""
        channel = self.channel
        if channel.over or channel.fd < 0 or self._buffer or self._send_failed:
            return True
        return bool(self._poll.poll(0))  # the epoll need not have been asked since it ended

    async def send(self, data: bytes, deadline: float = NEVER) -> None:
        """Send all of it, or as much as the other side takes: after a reset its answer may still be there to read.

        Raises Closed when nothing at all could be sent.
        """
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except (ConnectionError, TimeoutError):
            self._send_failed = True
            raise Closed("the connection was closed before the request could be sent") from None
        if sent < len(data):
            await self._send_rest(memoryview(data)[sent:], deadline)

    async def _send_rest(self, rest: memoryview, deadline: float) -> None:
        channel = self.channel
        early: list[bytes] = []
        size = 0
        if self._is_unix:
            self._loop.rewatch(channel, EDGES)
        try:
            while rest and not self._send_failed:
                try:
                    rest = rest[self._socket.send(rest) :]
                    continue
                except BlockingIOError:
                    channel.may_write = False
                except (ConnectionError, TimeoutError):
                    self._send_failed = True
                while not channel.may_write and not self._send_failed:
                    if channel.over:  # it has said all that it will: what it does not read cannot change that
                        self._send_failed = True
                    elif channel.may_read and size < EARLY_LIMIT:
                        # One that answers while it reads would wait for us as we for it: take what it has to say.
                        try:
                            data = self._read(READ_SIZE)
                        except Closed:
                            self._send_failed = True
                        else:
                            early.append(data or b"")
                            size += len(early[-1])
                    else:
                        await self._loop.wait(channel, deadline)
        finally:
            self._buffer = b"".join([self._buffer, *early])
            if self._is_unix and not self.closed:
                self._loop.rewatch(channel, READ_EDGES)

    def _read(self, size: int) -> bytes | None:
        """Read what is there: b"" at the end, None when there is nothing yet. Raises Closed where it broke off."""
        channel = self.channel
        try:
            data = self._socket.recv(size)
        except BlockingIOError:
            channel.may_read = False
            return None
        except (ConnectionError, TimeoutError):
            channel.over = True
            if self._send_failed:
                return b""  # that is how one ends which did not want the whole request; its answer came before
            raise Closed("the connection was reset") from None
        if not data:
            channel.over = True
        # A short read has emptied the socket, unless the end came with the data: then nothing would announce it again.
        elif len(data) < size and not channel.over:
            channel.may_read = False
        self._read_since_pause += len(data)
        return data

    async def receive(self, deadline: float = NEVER, size: int = READ_SIZE) -> bytes:
        """Return what was sent, at least one byte, or b"" at the end. Raises Closed when the connection broke off."""
        if self._buffer:
            buffered, self._buffer = self._buffer, b""
            return buffered
        channel = self.channel
        while True:
            if channel.may_read:
                if self._read_since_pause >= PAUSE_EVERY:
                    self._read_since_pause = 0
                    await self._loop.pause(deadline)
                data = self._read(size)
                if data is not None:
                    return data
            await self._loop.wait(channel, deadline)

    async def read(self, size: int, deadline: float = NEVER) -> bytes:
        """Return exactly that many bytes. Raises Closed when the end comes before."""
        data = self._buffer
        if len(data) < size:
            self._buffer = b""
            parts = [data]
            left = size - len(data)
            while left > 0:
                more = await self.receive(deadline, min(max(left, READ_SIZE), 1 << 18))
                if not more:
                    raise Closed(f"the connection was closed {left} bytes before the end of the body")
                parts.append(more)
                left -= len(more)
            data = b"".join(parts)
        self._buffer = data[size:]
        return data[:size] if self._buffer else data

    def unread(self, data: bytes) -> None:
        """Put bytes back, to be received next."""
        self._buffer = data + self._buffer

    async def read_head(self, deadline: float = NEVER) -> tuple[int, int, list[tuple[str, str]]]:
        """Read a response's head: minor version, status, fields. Interim responses are passed over.

        Raises Closed, Malformed.
        """
        for _ in range(INTERIM_LIMIT):
            data = await self.receive(deadline)
            if not data:
                raise Closed("the connection was closed without an answer")
            if (end := data.find(b"\r\n\r\n")) < 0:
                data, end = await self._read_long_head(data, deadline)
            if end > HEAD_LIMIT:
                raise Malformed(f"a head of more than {HEAD_LIMIT} bytes")
            minor, status, fields = parse_head(data[:end])
            self._buffer = data[end + 4 :] + self._buffer
            if status >= 200:
                return minor, status, fields
            if status == 101:
                raise Malformed("a switch of protocols that nobody asked for")
        raise Malformed(f"more than {INTERIM_LIMIT} interim responses")

    async def _read_long_head(self, data: bytes, deadline: float) -> tuple[bytes, int]:
        end = -1
        while end < 0:
            if len(data) > HEAD_LIMIT:
                raise Malformed(f"a head of more than {HEAD_LIMIT} bytes")
            if data.count(b"\n") != data.count(b"\r\n") or data[:5] != b"HTTP/"[: len(data)]:
                raise Malformed(f"no HTTP/1.1 status line: {data[:40]!r}")
            more = await self.receive(deadline)
            if not more:
                raise Closed("the connection was closed in the middle of a head")
            searched = max(0, len(data) - 3)
            data += more
            end = data.find(b"\r\n\r\n", searched)
        return data, end


async def _connect_unix(loop: Loop, sock: socket.socket, name: bytes, deadline: float) -> int:
    """Connect, waiting where too many wait already, as TCP would by itself. Return the error's number, or 0."""
    while (error := sock.connect_ex(name)) == errno.EAGAIN:
        if monotonic() >= deadline:
            raise DeadlineExceeded
        await loop.sleep_until(min(deadline, monotonic() + FULL))  # no event tells of room
    return error


class Body:
    """The rest of a response, read as it comes; `release(whole)` is called once, when it has ended or was given up."""

    __slots__ = ("_connection", "_deadline", "_release")

    def __init__(self, connection: Connection, deadline: float, release: Callable[[bool], None]) -> None:
        self._connection = connection
        self._deadline = deadline
        self._release: Callable[[bool], None] | None = release

    def __aiter__(self) -> Body:
        return self

    async def __anext__(self) -> bytes:
        if self._release is None:
            raise StopAsyncIteration
        try:
            data = await self._next()
        except BaseException:
            self.close()
            raise
        if not data:
            self._end(True)
            raise StopAsyncIteration
        return data

    async def _next(self) -> bytes:
        raise NotImplementedError

    def _end(self, whole: bool) -> None:
        release, self._release = self._release, None
        if release is not None:
            release(whole)

    def close(self) -> None:
        """Give up what has not been read."""
        self._end(False)


class SizedBody(Body):
    """A body of a known length."""

    __slots__ = ("_left",)

    def __init__(self, connection: Connection, deadline: float, release: Callable[[bool], None], length: int) -> None:
        super().__init__(connection, deadline, release)
        self._left = length

    async def _next(self) -> bytes:
        if not self._left:
            return b""
        data = await self._connection.receive(self._deadline, min(max(self._left, READ_SIZE), 1 << 18))
        if not data:
            raise Closed(f"the connection was closed {self._left} bytes before the end of the body")
        if len(data) > self._left:
            self._connection.unread(data[self._left :])
            data = data[: self._left]
        self._left -= len(data)
        return data


class UndelimitedBody(Body):
    """A body that ends with the connection."""

    __slots__ = ()

    async def _next(self) -> bytes:
        return await self._connection.receive(self._deadline)


class ChunkedBody(Body):
    """A body in the chunked coding (RFC 9112 section 7.1); extensions and trailers are checked and dropped.

    All whole chunks that have arrived come out as one, so that many small ones cost little.
    """

    __slots__ = ("_at", "_data", "_expects", "_left", "_trailers")

    def __init__(self, connection: Connection, deadline: float, release: Callable[[bool], None]) -> None:
        super().__init__(connection, deadline, release)
        self._data = b""
        self._at = 0  # where in the data we are
        self._left = 0  # bytes of the current chunk
        self._expects = "size"  # what the next line is: size, end (of a chunk), trailer, or nothing
        self._trailers: list[str] = []

    async def _next(self) -> bytes:
        parts: list[bytes] = []
        while self._expects != "nothing":
            if self._left:
                piece = self._data[self._at : self._at + self._left]
                self._at += len(piece)
                self._left -= len(piece)
                if piece:
                    parts.append(piece)
                    continue
            elif (end := self._data.find(b"\r\n", self._at)) >= 0:
                line = self._data[self._at : end]
                self._at = end + 2
                self._take_line(line)
                continue
            if parts:
                break
            await self._fill()
        return b"".join(parts)

    async def _fill(self) -> None:
        rest = self._data[self._at :]
        if len(rest) > HEAD_LIMIT:
            raise Malformed("an endless line in the chunked coding")
        # What can be seen to be wrong now is not waited for: the rest might never come.
        if b"\n" in rest:
            raise Malformed("a bare LF in the chunked coding")
        if self._expects == "end" and rest not in (b"", b"\r"):
            raise Malformed("a chunk that is longer than its size")
        data = await self._connection.receive(self._deadline)
        if not data:
            raise Closed("the connection was closed in the middle of a chunked body")
        self._data = rest + data if rest else data
        self._at = 0

    def _take_line(self, line: bytes) -> None:
        if b"\n" in line or b"\r" in line or b"\0" in line:
            raise Malformed("a bare CR, LF or NUL in the chunked coding")
        if self._expects == "size":
            size = line.partition(b";")[0].rstrip(b" \t")
            if not size or len(size) > 15 or not _HEX.issuperset(size):
                raise Malformed(f"no valid chunk size: {size[:40]!r}")
            self._left = int(size, 16)
            self._expects = "end" if self._left else "trailer"
        elif self._expects == "end":
            if line:
                raise Malformed("a chunk that is longer than its size")
            self._expects = "size"
        elif line:
            self._trailers.append(line.decode("latin-1"))
            if len(self._trailers) > FIELD_LIMIT or sum(map(len, self._trailers)) > HEAD_LIMIT:
                raise Malformed(f"more than {FIELD_LIMIT} trailers, or {HEAD_LIMIT} bytes of them")
        else:
            parse_fields(self._trailers)
            self._connection.unread(self._data[self._at :])
            self._expects = "nothing"
