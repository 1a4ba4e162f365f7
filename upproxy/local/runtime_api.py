"""The emulated Runtime API: what a runtime process polls for events and posts its replies to.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html; status codes and error bodies are those of AWS's own
emulator (aws-lambda-runtime-interface-emulator). It knows nothing of processes: whoever starts one says so by `fail`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import time
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from upproxy.local.extensions import ExtensionRefused, Extensions
from upproxy.local.report import timed_out
from upproxy.local.wire import Connection, Request

PAYLOAD_LIMIT = 6_291_556  # bytes of a buffered response
PRELUDE_LIMIT = 16_384  # bytes within which the NULs that end a streamed reply's prelude have to come
PRELUDE_END = bytes(8)
STREAM_BUFFER = 262_144  # bytes of a stream that are held before the runtime has to wait
GONE_KEPT = 1_024  # ids of invocations that have ended early, which a late response is told apart by

HTTP_INTEGRATION = "application/vnd.awslambda.http-integration-response"
RUNTIME = "/2018-06-01/runtime"
EXTENSION = "/2020-01-01/extension"


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
        return cls(kind, json.dumps({"errorMessage": message, "errorType": kind}).encode())

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
                self._connection.reply(HTTPStatus.BAD_REQUEST, _error("InvalidResponse", "No prelude"))
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


class RuntimeApi:
    """The Runtime API of one execution environment, on a free port of the loopback.

    `ready` is set when the runtime and all extensions have polled for the first time, `snapshotted` when the runtime
    asks to be restored, `idle` while nothing is in flight. Called back are: `on_init_error` with what the runtime or an
    extension posted as the reason why it cannot start; `on_exit_error` with the kind and the reason where an extension
    cannot go on, which has to end everything; `on_finished` with each invocation, when its reply is complete
    or nobody waits for it any more; `on_quiet` whenever all of them poll and nothing is in flight, which is when Lambda
    freezes.
    """

    def __init__(
        self,
        *,
        function_name: str,
        arn: str,
        on_init_error: Callable[[FunctionError], None],
        on_exit_error: Callable[[str, str], None] = lambda *_: None,
        on_finished: Callable[[Invocation], None] = lambda _: None,
        on_quiet: Callable[[], None] = lambda: None,
    ) -> None:
        self.function_name = function_name
        self.arn = arn
        self.address = ""
        self.ready = asyncio.Event()
        self.snapshotted = asyncio.Event()
        self.idle = asyncio.Event()
        self.idle.set()
        self.extensions = Extensions()
        self._on_init_error = on_init_error
        self._on_exit_error = on_exit_error
        self._on_finished = on_finished
        self._on_quiet = on_quiet
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._pollers: OrderedDict[Connection, None] = OrderedDict()
        self._restoring: Connection | None = None
        self._restored = False
        self._polled = False
        self._queue: OrderedDict[str, Invocation] = OrderedDict()
        self._in_flight: dict[str, Invocation] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._failure: tuple[str, str] | None = None

    async def start(self) -> None:
        """Listen; `address` is `host:port` from now on."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self._route, self._connections.add, self._lost), "127.0.0.1", 0
        )
        host, port = self._server.sockets[0].getsockname()[:2]
        self.address = f"{host}:{port}"

    def close(self) -> None:
        """Close every connection, and end what is in flight."""
        self.fail("Runtime.ExitError", "The execution environment is gone.")
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.close()

    async def invoke(
        self,
        event: bytes,
        *,
        timeout: float,  # noqa: ASYNC109  # a value of the protocol, which the runtime is told
        spent: float = 0.0,
        request_id: str = "",
        trace_id: str = "",
        client_context: str = "",
        cognito_identity: str = "",
        tenant_id: str = "",
    ) -> Reply:
        """Hand an event to the runtime and return its reply. `timeout` is in seconds, from when the runtime has it.

        `spent` of them are over already, with an initialisation that was a part of the invocation. Waits as long for a
        slot to become free, then raises Throttled. When the caller is cancelled, the runtime goes on, and its reply is
        dropped.
        """
        if self._failure is not None:
            return _failed(self._failure, request_id)
        request_id = request_id or str(uuid.uuid4())
        invocation = Invocation(
            event, request_id, timeout, spent, trace_id, client_context, cognito_identity, tenant_id
        )
        self.idle.clear()
        if self._pollers:
            poller, _ = self._pollers.popitem(last=False)
            self._deliver(invocation, poller)
        else:
            self._queue[request_id] = invocation
            invocation.timer = asyncio.get_running_loop().call_later(timeout, self._throttle, invocation)
        try:
            return await invocation.reply
        except asyncio.CancelledError:
            if invocation.stream is not None and invocation.reply.done() and not invocation.reply.cancelled():
                invocation.stream.close()  # it was on its way to a caller that is no more
            raise
        finally:
            if self._queue.pop(request_id, None) is not None:
                self._finished(invocation)

    def restore(self) -> None:
        """Let a runtime that waits at restore/next go on, as after a thaw of its snapshot."""
        self._restored = True
        if self._restoring is not None:
            self._restoring.reply(HTTPStatus.OK)
            self._restoring = None

    def fail(self, kind: str, reason: str) -> None:
        """End everything that is in flight or waits, and refuse what comes: the runtime process is gone.

        Only the first reason counts.
        """
        self._failure = self._failure or (kind, reason)
        waiting = (*self._in_flight.values(), *self._queue.values())
        self._queue.clear()
        for invocation in waiting:
            error = _failed(self._failure, invocation.request_id)
            if invocation.stream is not None:
                invocation.stream.fail(error)
            else:
                invocation.settle(error)
                self._finished(invocation)

    # --- invocations

    def _deliver(self, invocation: Invocation, poller: Connection) -> None:
        loop = asyncio.get_running_loop()
        if invocation.timer is not None:
            invocation.timer.cancel()
        left = max(0.0, invocation.timeout - invocation.spent)
        invocation.timer = loop.call_later(left, self._expire, invocation)
        invocation.deadline_ms = int((time.time() + left) * 1000)
        self._in_flight[invocation.request_id] = invocation
        fields = [
            ("Lambda-Runtime-Aws-Request-Id", invocation.request_id),
            ("Lambda-Runtime-Deadline-Ms", str(invocation.deadline_ms)),
            ("Lambda-Runtime-Invoked-Function-Arn", self.arn),
            ("Lambda-Runtime-Invocation-Id", invocation.nonce),
        ]
        for name, value in (
            ("Lambda-Runtime-Trace-Id", invocation.trace_id),
            ("Lambda-Runtime-Client-Context", invocation.client_context),
            ("Lambda-Runtime-Cognito-Identity", invocation.cognito_identity),
            ("Lambda-Runtime-Aws-Tenant-Id", invocation.tenant_id),
        ):
            if value:
                fields.append((name, value))
        poller.reply(HTTPStatus.OK, invocation.event, fields=fields)
        if len(self.extensions):
            self.extensions.post(
                {
                    "eventType": "INVOKE",
                    "deadlineMs": invocation.deadline_ms,
                    "requestId": invocation.request_id,
                    "invokedFunctionArn": self.arn,
                    "tracing": {"type": "X-Amzn-Trace-Id", "value": invocation.trace_id},
                }
            )

    def _throttle(self, invocation: Invocation) -> None:
        if not invocation.reply.done():
            invocation.reply.set_exception(Throttled("every slot is busy, with streams maybe: see --concurrency"))

    def _expire(self, invocation: Invocation) -> None:
        error = FunctionError.of(TIMED_OUT_KIND, timed_out(invocation.request_id, invocation.timeout))
        self._gone[invocation.request_id] = None
        if len(self._gone) > GONE_KEPT:
            self._gone.popitem(last=False)
        if invocation.stream is not None:
            invocation.stream.expire(error)
        else:
            invocation.settle(error)
            self._finished(invocation)

    def _finished(self, invocation: Invocation) -> None:
        if invocation.timer is not None:
            invocation.timer.cancel()
        self._in_flight.pop(invocation.request_id, None)
        if not self._in_flight and not self._queue:
            self.idle.set()
        self._on_finished(invocation)

    # --- what the runtime asks for

    def _lost(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._pollers.pop(connection, None)
        self.extensions.forget(connection)
        if self._restoring is connection:
            self._restoring = None

    def _route(self, connection: Connection, request: Request) -> _Body | Stream:
        target = request.target
        if target.startswith(f"{RUNTIME}/invocation/") and request.method == "POST":
            request_id, _, what = target[len(RUNTIME) + 12 :].partition("/")
            if what in ("response", "error"):
                return self._post(connection, request, request_id, what)
        handle = self._ROUTES.get((request.method, target))
        if handle is None:
            return _Body(lambda _: connection.reply(HTTPStatus.NOT_FOUND, b"404 page not found\n"))
        return _Body(lambda body: handle(self, connection, request, body))

    def _next(self, connection: Connection, _request: Request, _body: bytes) -> None:
        self._polled = True
        if self._queue:
            _, invocation = self._queue.popitem(last=False)
            self._deliver(invocation, connection)
        else:
            self._pollers[connection] = None
        self._settle_down()

    def _settle_down(self) -> None:
        """See whether anybody is still at work."""
        if self._polled and self.extensions.all_wait:
            self.ready.set()
            if not self._in_flight:
                self._on_quiet()

    def _post(self, connection: Connection, request: Request, request_id: str, what: str) -> _Body | Stream:
        fields = request.fields
        invocation = self._in_flight.get(request_id)
        nonce = fields.get("lambda-runtime-invocation-id")
        if invocation is None or invocation.stream is not None or nonce not in (None, invocation.nonce):
            status, answer = (
                (HTTPStatus.GONE, TIMED_OUT) if request_id in self._gone else (HTTPStatus.BAD_REQUEST, UNKNOWN_ID)
            )
            return _Body(lambda _: connection.reply(status, answer))
        if what == "error":
            return _Body(lambda body: self._settle(connection, invocation, _posted_error(fields, body)))
        mode = fields.get("lambda-runtime-function-response-mode", "buffered").lower()
        if mode == "streaming":
            has_prelude = fields.get("content-type") == HTTP_INTEGRATION
            invocation.stream = Stream(invocation, connection, has_prelude, lambda: self._finished(invocation))
            return invocation.stream
        if mode != "buffered":
            return _Body(lambda _: connection.reply(HTTPStatus.BAD_REQUEST, INVALID_MODE))
        return _Body(lambda body: self._settle(connection, invocation, _posted_response(body)))

    def _settle(self, connection: Connection, invocation: Invocation, reply: Buffered | FunctionError) -> None:
        if self._in_flight.get(invocation.request_id) is not invocation:  # its time ended while the body came in
            connection.reply(HTTPStatus.GONE, TIMED_OUT)
            return
        invocation.settle(reply)
        self._finished(invocation)
        if isinstance(reply, FunctionError) and reply.kind == TOO_LARGE_KIND:
            connection.reply(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, TOO_LARGE)
        else:
            connection.reply(HTTPStatus.ACCEPTED, ACCEPTED)

    def _init_error(self, connection: Connection, request: Request, body: bytes) -> None:
        if self._polled:
            message = (
                "State transition from Running to InitError failed for runtime. Error: State transition is not allowed"
            )
            connection.reply(HTTPStatus.FORBIDDEN, _error("InvalidStateTransition", message))
            return
        connection.reply(HTTPStatus.ACCEPTED, ACCEPTED)
        self._on_init_error(_posted_error(request.fields, body))

    def _restore_next(self, connection: Connection, _request: Request, _body: bytes) -> None:
        self.snapshotted.set()
        self._restoring = connection
        if self._restored:
            self.restore()

    def _restore_error(self, connection: Connection, request: Request, body: bytes) -> None:
        connection.reply(HTTPStatus.ACCEPTED, ACCEPTED)
        self._on_init_error(_posted_error(request.fields, body))

    def _register(self, connection: Connection, request: Request, body: bytes) -> None:
        try:
            extension = self.extensions.register(request.fields.get("lambda-extension-name", ""), body)
        except ExtensionRefused as refused:
            connection.reply(HTTPStatus.FORBIDDEN, _error(refused.kind, str(refused)))
            return
        function = {"functionName": self.function_name, "functionVersion": "$LATEST", "handler": "bootstrap"}
        identity = [("Lambda-Extension-Identifier", extension.identifier)]
        connection.reply(HTTPStatus.OK, json.dumps(function).encode(), fields=identity)

    def _event_next(self, connection: Connection, request: Request, _body: bytes) -> None:
        try:
            extension = self.extensions.find(request.fields.get("lambda-extension-identifier", ""))
        except ExtensionRefused as refused:
            connection.reply(HTTPStatus.FORBIDDEN, _error(refused.kind, str(refused)))
        else:
            extension.poll(connection)
            self._settle_down()

    def _extension_error(self, connection: Connection, request: Request, body: bytes) -> None:
        """Take note of an extension that cannot start, or go on: the environment ends with it."""
        kind = request.fields.get("lambda-extension-function-error-type", "")
        try:
            extension = self.extensions.find(request.fields.get("lambda-extension-identifier", ""))
        except ExtensionRefused as refused:
            connection.reply(HTTPStatus.FORBIDDEN, _error(refused.kind, str(refused)))
            return
        if not kind:
            message = "Missing Lambda-Extension-Function-Error-Type header"
            connection.reply(HTTPStatus.FORBIDDEN, _error("Extension.MissingHeader", message))
            return
        connection.reply(HTTPStatus.ACCEPTED, ACCEPTED)
        error = _posted_error({"lambda-runtime-function-error-type": kind}, body)
        if request.target.endswith("/init/error"):
            self._on_init_error(error)
        else:
            self._on_exit_error("Extension.ExitError", f"Extension {extension.name} exited with error: {error.message}")

    _ROUTES: dict[tuple[str, str], Callable[[RuntimeApi, Connection, Request, bytes], None]] = {  # noqa: RUF012
        ("GET", f"{RUNTIME}/invocation/next"): _next,
        ("POST", f"{RUNTIME}/init/error"): _init_error,
        ("GET", f"{RUNTIME}/restore/next"): _restore_next,
        ("POST", f"{RUNTIME}/restore/error"): _restore_error,
        ("POST", f"{EXTENSION}/register"): _register,
        ("GET", f"{EXTENSION}/event/next"): _event_next,
        ("POST", f"{EXTENSION}/init/error"): _extension_error,
        ("POST", f"{EXTENSION}/exit/error"): _extension_error,
    }


class _Body:
    """Gathers a body, as far as it takes to see that it is over the limit, and calls back when it is whole."""

    __slots__ = ("_pieces", "_size", "_whole")

    def __init__(self, whole: Callable[[bytes], None]) -> None:
        self._whole = whole
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> None:
        if self._size <= PAYLOAD_LIMIT:  # what is beyond is read, so that the runtime gets its answer, but not kept
            self._pieces.append(data)
            self._size += len(data)

    def end(self, _trailers: Mapping[str, str]) -> None:
        self._whole(b"".join(self._pieces))

    def cut(self) -> None:
        self._pieces.clear()


def _failed(failure: tuple[str, str], request_id: str) -> FunctionError:
    """Word the end of the runtime as the reply to an invocation."""
    kind, reason = failure
    return FunctionError.of(kind, f"RequestId: {request_id} Error: {reason}")


def _error(kind: str, message: str) -> bytes:
    return json.dumps({"errorMessage": message, "errorType": kind}).encode()


def _posted_response(body: bytes) -> Buffered | FunctionError:
    if len(body) > PAYLOAD_LIMIT:
        message = f"Response payload size exceeded maximum allowed payload size ({PAYLOAD_LIMIT} bytes)."
        return FunctionError.of(TOO_LARGE_KIND, message)
    return Buffered(body)


def _posted_error(fields: Mapping[str, str], body: bytes) -> FunctionError:
    """Read an error; the header names its type, and stands in for a body that is missing or no JSON object."""
    try:
        document: Any = json.loads(body)
    except ValueError:
        document = None
    named = document.get("errorType") if isinstance(document, dict) else None
    kind = fields.get("lambda-runtime-function-error-type") or (named if isinstance(named, str) else "Runtime.Unknown")
    return (
        FunctionError(kind, body)
        if isinstance(document, dict)
        else FunctionError.of(kind, body.decode("utf-8", "replace"))
    )


TIMED_OUT_KIND = "Sandbox.Timedout"
TOO_LARGE_KIND = "Function.ResponseSizeTooLarge"
ACCEPTED = b'{"status":"OK"}'
UNKNOWN_ID = _error("InvalidRequestID", "Invalid request ID")
INVALID_MODE = _error("InvalidFunctionResponseMode", "Invalid function response mode")
TIMED_OUT = _error("InvokeTimeout", "Invoke timeout")
CLIENT_GONE = _error("ClientGone", "The client has closed its connection")
TOO_LARGE = _error("RequestEntityTooLarge", f"Exceeded maximum allowed payload size ({PAYLOAD_LIMIT} bytes).")
