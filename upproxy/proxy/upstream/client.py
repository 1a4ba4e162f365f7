"""The last handler of the chain: ask the app."""

from __future__ import annotations

from time import monotonic, time

from upproxy.proxy.errors import UpstreamDied, UpstreamMalformed, UpstreamTimeout, UpstreamUnavailable
from upproxy.proxy.http1 import (
    CHUNKED,
    READ_SIZE,
    Body,
    ChunkedBody,
    Closed,
    Connection,
    Malformed,
    SizedBody,
    UndelimitedBody,
    content_length,
)
from upproxy.proxy.messages import Headers, Response
from upproxy.proxy.waiting import DeadlineExceeded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from upproxy.proxy.messages import Request
    from upproxy.proxy.upstream.forwarding import Forwarding
    from upproxy.proxy.upstream.output import Output
    from upproxy.proxy.upstream.supervisor import Supervisor
    from upproxy.proxy.waiting import Loop

MARGIN = 0.25  # seconds before Lambda's deadline at which we answer ourselves
TRIES = 3  # connections that are tried for a request of which nothing has been sent
DYING = 0.02  # seconds within which an app that has dropped a connection is gone, if it is dying
NOTICE = 1.0  # seconds within which the exit of an app that refuses connections is noticed
IDLE_TRUSTED = 1.0  # seconds of wall time that a connection is trusted to stay open, where the server is the user's
_BODILESS = (204, 304)


class Client:
    """Sends requests to the app over kept connections, and reads its answers strictly."""

    def __init__(
        self,
        loop: Loop,
        supervisor: Supervisor,
        output: Output,
        forwarding: Forwarding,
        *,
        timeout: float,
        listen_timeout: float,
        trusts_idle: bool,
    ) -> None:
        """`trusts_idle` says that the server keeps idle connections open for good, over a freeze too."""
        self._loop = loop
        self._supervisor = supervisor
        self._output = output
        self._forwarding = forwarding
        self._timeout = timeout
        self._listen_timeout = listen_timeout
        self._trusts_idle = trusts_idle
        self._idle: list[tuple[Connection, float]] = []

    async def __call__(self, request: Request) -> Response:
        """Answer a request with what the app says; the body is bytes if it is small and of known length.

        Raises UpstreamUnavailable, UpstreamTimeout, UpstreamDied, UpstreamMalformed.
        """
        now = monotonic()
        last = request.invocation.deadline - MARGIN
        deadline = min(last, now + self._timeout)
        connection: Connection | None = None
        try:
            connection = await self._send(request, now, deadline)
            minor, status, fields = await connection.read_head(deadline)
            length = content_length(fields)
            if minor == 0 and length == CHUNKED:
                raise Malformed("Transfer-Encoding in an HTTP/1.0 response")
            ends = length is not None
            if request.method == "HEAD" or status in _BODILESS:
                ends = not length  # a body that is announced may come all the same, and would be the next answer
                length = 0
            reusable = ends and _keeps_alive(minor, status, fields)
            body: bytes | UpstreamBody
            if length is not None and 0 <= length <= READ_SIZE:
                body = await connection.read(length, deadline)
                self._release(connection, reusable)
            else:  # the time-out is for the head: a body may take as long as the function may
                release = self._releaser(connection, reusable)
                body = UpstreamBody(_rest(connection, length, last, release), self._output, self._died)
        except DeadlineExceeded:
            _drop(connection)
            raise UpstreamTimeout(f"the app did not answer within {monotonic() - now:.1f} s") from None
        except Closed as error:
            _drop(connection)
            raise await self._died(error) from None
        except Malformed as error:
            _drop(connection)
            raise UpstreamMalformed(f"the app's answer is malformed: {error}") from None
        except BaseException:
            _drop(connection)
            raise
        finally:
            self._output.drain()
        self._supervisor.served()
        return Response(status, Headers(fields), body)

    def drop_connections(self) -> None:
        """Close every idle connection: what they lead to has gone, or may have."""
        idle, self._idle = self._idle, []
        for connection, _ in idle:
            connection.close()

    async def _send(self, request: Request, now: float, deadline: float) -> Connection:
        """Send the request on a connection. Retries only while no byte of it can have been read by the app."""
        head = self._forwarding.head(request)
        body = request.body
        small = len(body) <= READ_SIZE
        for left in reversed(range(TRIES)):
            connection = self._take_idle() or await self._connect(now, deadline)
            try:
                await connection.send(head + body if small else head, deadline)
            except Closed:
                connection.close()
                if not left:
                    raise
                continue
            except BaseException:
                connection.close()
                raise
            if not small:
                try:
                    await connection.send(body, deadline)
                except Closed:
                    pass  # it stopped reading, but may have answered
                except BaseException:
                    connection.close()
                    raise
            return connection
        raise AssertionError("unreachable")

    def _take_idle(self) -> Connection | None:
        while self._idle:
            connection, since = self._idle.pop()
            if not connection.is_stale() and (self._trusts_idle or abs(time() - since) < IDLE_TRUSTED):
                return connection
            connection.close()
        return None

    async def _connect(self, now: float, deadline: float) -> Connection:
        patience = min(deadline, now + self._listen_timeout)
        for left in reversed(range(TRIES)):
            try:
                await self._supervisor.ready(patience)
                return await Connection.open(self._loop, self._supervisor.address, deadline)
            except (ConnectionRefusedError, ConnectionResetError) as error:
                if not left:
                    raise UpstreamUnavailable("the app takes no connections") from error
                # It has just died, or its listener is being replaced: find out which, then try again.
                try:
                    await self._supervisor.gone(min(deadline, monotonic() + NOTICE))
                except DeadlineExceeded:
                    pass
            except OSError as error:  # no descriptor or port to be had
                raise UpstreamUnavailable(f"cannot connect to the app: {error.strerror}") from None
            except DeadlineExceeded:
                raise UpstreamUnavailable(
                    self._supervisor.reason or "the app was not ready in time", state=self._supervisor.state
                ) from None
        raise AssertionError("unreachable")

    def _release(self, connection: Connection, reusable: bool) -> None:
        """Keep a connection for the next request, or close it."""
        if reusable:
            self._idle.append((connection, time()))
        else:
            connection.close()

    def _releaser(self, connection: Connection, reusable: bool) -> Callable[[bool], None]:
        return lambda whole: self._release(connection, whole and reusable and not connection.closed)

    async def _died(self, error: Closed) -> UpstreamDied:
        """Say why a connection has ended too early: mostly because the app has.

        An app that is dying closes its connections first and its listener last, and would still take a request that it
        never answers: so its other connections are given up, and its exit is waited for, for a moment.
        """
        self.drop_connections()
        reason = str(error)
        try:
            await self._supervisor.gone(monotonic() + DYING)
            reason = f"{reason}: {self._supervisor.reason}"
        except DeadlineExceeded:
            pass
        return UpstreamDied(reason)


class UpstreamBody:
    """A body that is still coming from the app; its errors are the proxy's, its end drains the app's output."""

    __slots__ = ("_body", "_died", "_output")

    def __init__(self, body: Body, output: Output, died: Callable[[Closed], Coroutine[Any, Any, UpstreamDied]]) -> None:
        self._body = body
        self._output = output
        self._died = died

    def __aiter__(self) -> UpstreamBody:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self._body.__anext__()
        except StopAsyncIteration:
            self._output.drain()
            raise
        except DeadlineExceeded:
            raise UpstreamTimeout("the function's time was over in the middle of the body") from None
        except Closed as error:
            raise await self._died(error) from None
        except Malformed as error:
            raise UpstreamMalformed(f"the app's answer is malformed: {error}") from None

    def close(self) -> None:
        """Give up the rest; the connection is closed with it."""
        self._body.close()


def _keeps_alive(minor: int, status: int, fields: list[tuple[str, str]]) -> bool:
    if status == 500:  # uvicorn closes after an unhandled error without a word
        return False
    options: list[str] = []
    for name, value in fields:
        if name == "connection":
            options += value.lower().replace(" ", "").replace("\t", "").split(",")
    return "close" not in options and (minor == 1 or "keep-alive" in options)


def _rest(connection: Connection, length: int | None, deadline: float, release: Callable[[bool], None]) -> Body:
    if length is None:
        return UndelimitedBody(connection, deadline, release)
    if length == CHUNKED:
        return ChunkedBody(connection, deadline, release)
    return SizedBody(connection, deadline, release, length)


def _drop(connection: Connection | None) -> None:
    if connection is not None:
        connection.close()
