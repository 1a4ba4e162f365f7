"""An invocation, and what its reply can be: in one piece, a stream, or a failure."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from upproxy.local.wire import Connection

PRELUDE_LIMIT = 16_384  # bytes within which the NULs that end a streamed reply's prelude have to come
PRELUDE_END = bytes(8)
STREAM_BUFFER = 262_144  # bytes of a stream that are held before the runtime has to wait
TIMED_OUT_KIND = "Sandbox.Timedout"


def error_body(kind: str, message: str) -> bytes:
    """Return the JSON of an error, as the Runtime API and runtimes word it."""
    return json.dumps({"errorMessage": message, "errorType": kind}).encode()


ACCEPTED = b'{"status":"OK"}'
TIMED_OUT = error_body("InvokeTimeout", "Invoke timeout")
CLIENT_GONE = error_body("ClientGone", "The client has closed its connection")


@dataclass(frozen=True, slots=True)
class Buffered:
    """A reply in one piece: the payload, as the runtime posted it."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class FunctionError:
    """The invocation, or the start, has failed. `payload` is JSON, normally `{"errorMessage", "errorType"}`."""

    kind: str
    payload: bytes

    @classmethod
    def of(cls, kind: str, message: str) -> FunctionError:
        """Make one as Lambda itself would."""
        return cls(kind, error_body(kind, message))

    @property
    def message(self) -> str:
        """The message for people, whatever the runtime posted."""
        try:
            document = json.loads(self.payload)
        except ValueError:
            document = None
        message = document.get("errorMessage") if isinstance(document, dict) else None
        if isinstance(message, str):
            return message
        return self.payload.decode("utf-8", "replace") or self.kind


class StreamBroken(Exception):
    """A streamed reply ended before its end. `error` says why."""

    def __init__(self, error: FunctionError) -> None:
        super().__init__(error.message)
        self.error = error


class Throttled(Exception):
    """Nothing is free to take the invocation; the message says what limits that."""


class Invocation:
    """One event on its way through the runtime."""

    __slots__ = ("client_context", "cognito_identity", "deadline_ms", "error", "event", "nonce", "reply", "request_id",
                 "spent", "stream", "tenant_id", "timeout", "timer", "trace_id")  # fmt: skip

    def __init__(
        self, event: bytes, request_id: str, timeout: float, spent: float, trace_id: str, client_context: str,
        cognito_identity: str, tenant_id: str,
    ) -> None:  # fmt: skip
        self.event = event
        self.request_id = request_id
        self.nonce = str(uuid.uuid4())
        self.timeout = timeout
        self.spent = spent
        self.trace_id = trace_id
        self.client_context = client_context
        self.cognito_identity = cognito_identity
        self.tenant_id = tenant_id
        self.deadline_ms = 0
        self.error: FunctionError | None = None  # what it has failed with, a stream in its middle too
        self.reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.stream: Stream | None = None
        self.timer: asyncio.TimerHandle | None = None

    def settle(self, reply: Reply) -> None:
        """Give whoever waits the reply; nobody may be waiting any more."""
        if isinstance(reply, FunctionError):
            self.error = reply
        if not self.reply.done():
            self.reply.set_result(reply)


class Stream:
    """A streamed reply: its prelude, then the body by iteration, which raises StreamBroken where it fails midway.

    `prelude` is the JSON of status and headers, empty where the runtime sent a body of another content type. Only one
    task may iterate. It has to be closed, or read to its end.
    """

    def __init__(self, invocation: Invocation, connection: Connection, has_prelude: bool, done: Callable[[], None]):
        self.prelude = b""
        self._invocation = invocation
        self._connection = connection
        self._head: bytes | None = b"" if has_prelude else None
        self._done = done
        self._chunks: deque[bytes] = deque()
        self._held = 0
        self._paused = False
        self._over = False
        self._error: FunctionError | None = None
        self._wakeup: asyncio.Event = asyncio.Event()
        if not has_prelude:
            invocation.settle(self)

    @property
    def complete(self) -> bool:
        """Whether all of it has come: the next piece is the last."""
        return self._over and self._error is None

    def feed(self, data: bytes) -> None:
        """Take a piece: of the prelude first, of the body later."""
        if self._over:
            return
        if self._head is not None:
            self._head += data
            prelude, end, data = self._head.partition(PRELUDE_END)
            if len(prelude) > PRELUDE_LIMIT:
                self.fail(FunctionError.of("Runtime.InvalidResponse", "The streamed reply has no prelude."))
                self._connection.reply(HTTPStatus.BAD_REQUEST, error_body("InvalidResponse", "No prelude"))
                return
            if not end:
                return
            self.prelude = prelude
            self._head = None
            self._invocation.settle(self)
            if self._invocation.reply.cancelled():
                self.close()
        if data and not self._over:
            self._chunks.append(data)
            self._held += len(data)
            if self._held > STREAM_BUFFER and not self._paused:
                self._paused = True
                self._connection.pause()
            self._wakeup.set()

    def end(self, trailers: Mapping[str, str]) -> None:
        """Take note of the end, or of the error that the trailers tell of."""
        if self._over:
            return
        kind = trailers.get("lambda-runtime-function-error-type")
        if kind:
            text = trailers.get("lambda-runtime-function-error-body", "")
            try:
                body = base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError):
                body = text.encode()
            self.fail(FunctionError(kind, body))
        elif self._head is not None:
            self.fail(FunctionError.of("Runtime.InvalidResponse", "The streamed reply ended within its prelude."))
        else:
            self._over = True
            self._wakeup.set()
            self._done()
        self._connection.reply(HTTPStatus.ACCEPTED, ACCEPTED)

    def cut(self) -> None:
        """Take note that the runtime's connection is gone before the end."""
        self.fail(FunctionError.of("Runtime.TruncatedResponse", "The runtime did not finish its streamed reply."))

    def fail(self, error: FunctionError) -> None:
        """End with an error, after what is already there."""
        if not self._over:
            self._over = True
            self._error = self._invocation.error = error
            if self._head is not None:
                self._invocation.settle(error)
            self._wakeup.set()
            self._done()

    def expire(self, error: FunctionError) -> None:
        """End because the time is over; the runtime is told."""
        self.fail(error)
        self._connection.reply(HTTPStatus.GONE, TIMED_OUT)

    def close(self) -> None:
        """Give up the rest: nobody reads it any more. The runtime is told that the invocation is gone."""
        self._chunks.clear()
        if not self._over:
            self._over = True
            self._done()
            self._connection.reply(HTTPStatus.GONE, CLIENT_GONE)

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> bytes:
        while not self._chunks:
            if self._error is not None:
                raise StreamBroken(self._error)
            if self._over:
                raise StopAsyncIteration
            self._wakeup.clear()
            await self._wakeup.wait()
        data = self._chunks.popleft() if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._held = 0
        if self._paused:
            self._paused = False
            self._connection.resume()
        return data


Reply = Buffered | FunctionError | Stream
