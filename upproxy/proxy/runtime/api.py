"""The client of Lambda's Runtime API: one per slot, over one kept connection.

Source: "Using the Lambda runtime API for custom runtimes" and "Response streaming for custom runtimes" (AWS Lambda
Developer Guide).
"""

from __future__ import annotations

import binascii
from time import monotonic, time

from upproxy.proxy.http1 import CHUNKED, READ_SIZE, ChunkedBody, Closed, Connection, Malformed, content_length
from upproxy.proxy.lean import dumps
from upproxy.proxy.messages import Invocation
from upproxy.proxy.waiting import NEVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from upproxy.proxy.waiting import Loop, Task

PAYLOAD_LIMIT = 6_291_556  # bytes of a buffered response, from the Runtime API's own check
_STREAMED = (
    "content-type: application/vnd.awslambda.http-integration-response\r\n"
    "lambda-runtime-function-response-mode: streaming\r\n"
    "transfer-encoding: chunked\r\n"
    "trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n"
)


class ApiError(Exception):
    """The Runtime API is gone or answers what it never should: this process has no purpose any more."""


class ReaderGone(Exception):
    """Nobody takes the rest of a streamed reply any more."""


class RuntimeApi:
    """One conversation with the Runtime API; not shared between slots."""

    def __init__(self, loop: Loop, address: str) -> None:
        """`address` is the value of AWS_LAMBDA_RUNTIME_API: `host:port`."""
        host, _, port = address.rpartition(":")
        self._loop = loop
        self._address = host, int(port)
        self._connection: Connection | None = None
        self._streamed = False
        self._host = f" HTTP/1.1\r\nhost: {address}\r\n"
        self._next = f"GET /2018-06-01/runtime/invocation/next{self._host}\r\n".encode()
        self.polling: Task | None = None  # who waits for an invocation, to be interrupted

    async def next(self) -> tuple[Invocation, bytes]:
        """Wait for the next invocation, as long as it takes: what Lambda says of it, and the event's JSON.

        Raises ApiError.
        """
        self.polling = self._loop.current
        try:
            connection = await self._send(self._next)
            status, fields = await self._read_head(connection)
        finally:
            self.polling = None
        event = await self._read_content(connection, fields)
        if status != 200:
            raise ApiError(f"the Runtime API answered {status} to the poll for an invocation")
        said = dict(fields)
        deadline_text = said.get("lambda-runtime-deadline-ms", "")
        deadline_ms = int(deadline_text) if deadline_text.isdigit() else 0
        remaining = deadline_ms / 1000 - time() if deadline_ms else 900.0
        return (
            Invocation(
                said.get("lambda-runtime-aws-request-id", ""),
                deadline=monotonic() + remaining,
                deadline_ms=deadline_ms,
                arn=said.get("lambda-runtime-invoked-function-arn", ""),
                trace_id=said.get("lambda-runtime-trace-id", ""),
                client_context=said.get("lambda-runtime-client-context", ""),
                cognito_identity=said.get("lambda-runtime-cognito-identity", ""),
                tenant_id=said.get("lambda-runtime-aws-tenant-id", ""),
                invocation_id=said.get("lambda-runtime-invocation-id", ""),
            ),
            event,
        )

    async def respond(self, invocation: Invocation, payload: bytes) -> None:
        """Post a buffered reply; `taken` tells what became of it. Raises ApiError."""
        head = self._post(invocation, "response")
        await self._send(
            f"{head}content-type: application/json\r\ncontent-length: {len(payload)}\r\n\r\n".encode(), payload
        )

    async def stream(self, invocation: Invocation, prelude: bytes) -> StreamedReply:
        """Begin a streamed reply; `taken` tells, after its end, what became of it. Raises ApiError.

        `prelude` is the JSON of status and headers.
        """
        connection = await self._connect()
        self._streamed = True
        head = (self._post(invocation, "response") + _STREAMED).encode()
        return StreamedReply(self._loop, connection, head, prelude + bytes(8))

    async def fail(self, invocation: Invocation, kind: str, message: str) -> None:
        """Report a failed invocation; `taken` tells what became of it. Raises ApiError."""
        await self._send(*_report(self._post(invocation, "error"), kind, message))

    async def taken(self) -> int:
        """Return the status of what was posted: 202 where it was taken. Raises ApiError."""
        if self._connection is None:
            raise ApiError("the Runtime API has closed the connection")
        status, fields = await self._read_head(self._connection)
        await self._read_content(self._connection, fields)
        if self._streamed:  # its connection serves nothing else
            self.close()
        return status

    async def init_error(self, kind: str, message: str) -> None:
        """Report that the function cannot be initialised; the process has to exit afterwards. Raises ApiError."""
        await self._exchange(*_report(f"POST /2018-06-01/runtime/init/error{self._host}", kind, message))

    async def restore_next(self) -> None:
        """Say that a snapshot may be taken; return after the restore from it. Raises ApiError."""
        status = await self._exchange(f"GET /2018-06-01/runtime/restore/next{self._host}\r\n".encode())
        if status != 200:
            raise ApiError(f"the Runtime API answered {status} to the wait for a restore")
        self.close()  # the other end of it was in another life

    async def restore_error(self, kind: str, message: str) -> None:
        """Report that the function cannot go on after a restore. Raises ApiError."""
        await self._exchange(*_report(f"POST /2018-06-01/runtime/restore/error{self._host}", kind, message))

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        self._streamed = False
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _post(self, invocation: Invocation, what: str) -> str:
        head = f"POST /2018-06-01/runtime/invocation/{invocation.aws_request_id}/{what}{self._host}"
        if invocation.invocation_id:
            head += f"lambda-runtime-invocation-id: {invocation.invocation_id}\r\n"
        return head

    async def _exchange(self, head: bytes, body: bytes = b"") -> int:
        """Send a request, read its whole answer and return the status."""
        connection = await self._send(head, body)
        status, fields = await self._read_head(connection)
        await self._read_content(connection, fields)
        return status

    async def _send(self, head: bytes, body: bytes = b"") -> Connection:
        for last in (False, True):
            connection = await self._connect()
            try:
                if len(body) <= READ_SIZE:
                    await connection.send(head + body)
                else:
                    await connection.send(head)
                    await connection.send(body)
            except Closed as error:
                self.close()
                if last:
                    raise ApiError(str(error)) from None
            else:
                break
        return connection

    async def _connect(self) -> Connection:
        connection = self._connection
        if connection is None or connection.channel.over:
            self.close()
            try:
                connection = self._connection = await Connection.open(self._loop, self._address)
            except OSError as error:
                raise ApiError(f"cannot reach the Runtime API: {error.strerror or error}") from None
        return connection

    async def _read_head(self, connection: Connection) -> tuple[int, list[tuple[str, str]]]:
        try:
            _, status, fields = await connection.read_head()
        except (Closed, Malformed) as error:
            self.close()
            raise ApiError(f"the Runtime API: {error}") from None
        return status, fields

    async def _read_content(self, connection: Connection, fields: list[tuple[str, str]]) -> bytes:
        try:
            length = content_length(fields)
            if length == CHUNKED:
                content = b"".join([part async for part in ChunkedBody(connection, NEVER, _ignore)])
            else:
                content = await connection.read(length or 0)
        except (Closed, Malformed) as error:
            self.close()
            raise ApiError(f"the Runtime API: {error}") from None
        if ("connection", "close") in fields:
            self.close()
        return content


class StreamedReply:
    """A reply that is sent as it comes. What is added goes out with the next flush, or with the end.

    The task that made it is interrupted with ReaderGone, wherever it waits, when the other side gives the stream up.
    """

    __slots__ = ("_connection", "_unsent")

    def __init__(self, loop: Loop, connection: Connection, head: bytes, prelude: bytes) -> None:
        self._connection = connection
        self._unsent = head + _chunk(prelude)
        task = loop.current

        def watch() -> None:
            if connection.is_stale():  # ended, or answered before the end
                loop.interrupt(task, ReaderGone())

        connection.channel.on_ready = watch

    def add(self, data: bytes) -> None:
        """Add bytes to the body."""
        if data:
            self._unsent += _chunk(data)

    async def flush(self) -> None:
        """Send what has been added. Raises ReaderGone."""
        unsent, self._unsent = self._unsent, b""
        try:
            await self._connection.send(unsent)
        except Closed:
            raise ReaderGone from None

    async def end(self) -> None:
        """Finish. Raises ReaderGone."""
        await self._finish(b"0\r\n\r\n")

    async def fail(self, kind: str, message: str) -> None:
        """Finish in the middle of the body: the failure goes into the trailers. Raises ReaderGone."""
        error = binascii.b2a_base64(_error(kind, message), newline=False)
        await self._finish(
            b"0\r\nLambda-Runtime-Function-Error-Type: " + kind.encode()
            + b"\r\nLambda-Runtime-Function-Error-Body: " + error + b"\r\n\r\n"
        )  # fmt: skip

    async def _finish(self, last: bytes) -> None:
        self._connection.channel.on_ready = None  # from here on its end is no surprise
        self._unsent += last
        await self.flush()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _error(kind: str, message: str) -> bytes:
    text = dumps({"errorMessage": message, "errorType": kind, "stackTrace": []})
    return text.encode("utf-8", "backslashreplace")


def _report(head: str, kind: str, message: str) -> tuple[bytes, bytes]:
    body = _error(kind, message)
    head += (
        f"content-type: application/json\r\nlambda-runtime-function-error-type: {kind}\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode(), body


def _ignore(_whole: bool) -> None:
    pass
