"""The emulated Runtime API: what a runtime process polls for events and posts its replies to.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html; status codes and error bodies are those of AWS's own
emulator (aws-lambda-runtime-interface-emulator). It knows nothing of processes: whoever starts one says so by `fail`.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from upproxy.local.extensions import ExtensionRefused, Extensions
from upproxy.local.invocation import (
    ACCEPTED,
    TIMED_OUT,
    TIMED_OUT_KIND,
    Buffered,
    FunctionError,
    Invocation,
    Reply,
    Stream,
    Throttled,
    error_body,
)
from upproxy.local.report import timed_out
from upproxy.local.wire import Connection, Request

PAYLOAD_LIMIT = 6_291_556  # bytes of a buffered response
GONE_KEPT = 1_024  # ids of invocations that have ended early, which a late response is told apart by

HTTP_INTEGRATION = "application/vnd.awslambda.http-integration-response"
RUNTIME = "/2018-06-01/runtime"
EXTENSION = "/2020-01-01/extension"


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
            connection.reply(HTTPStatus.FORBIDDEN, error_body("InvalidStateTransition", message))
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
            connection.reply(HTTPStatus.FORBIDDEN, error_body(refused.kind, str(refused)))
            return
        function = {"functionName": self.function_name, "functionVersion": "$LATEST", "handler": "bootstrap"}
        identity = [("Lambda-Extension-Identifier", extension.identifier)]
        connection.reply(HTTPStatus.OK, json.dumps(function).encode(), fields=identity)

    def _event_next(self, connection: Connection, request: Request, _body: bytes) -> None:
        try:
            extension = self.extensions.find(request.fields.get("lambda-extension-identifier", ""))
        except ExtensionRefused as refused:
            connection.reply(HTTPStatus.FORBIDDEN, error_body(refused.kind, str(refused)))
        else:
            extension.poll(connection)
            self._settle_down()

    def _extension_error(self, connection: Connection, request: Request, body: bytes) -> None:
        """Take note of an extension that cannot start, or go on: the environment ends with it."""
        kind = request.fields.get("lambda-extension-function-error-type", "")
        try:
            extension = self.extensions.find(request.fields.get("lambda-extension-identifier", ""))
        except ExtensionRefused as refused:
            connection.reply(HTTPStatus.FORBIDDEN, error_body(refused.kind, str(refused)))
            return
        if not kind:
            message = "Missing Lambda-Extension-Function-Error-Type header"
            connection.reply(HTTPStatus.FORBIDDEN, error_body("Extension.MissingHeader", message))
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


TOO_LARGE_KIND = "Function.ResponseSizeTooLarge"
UNKNOWN_ID = error_body("InvalidRequestID", "Invalid request ID")
INVALID_MODE = error_body("InvalidFunctionResponseMode", "Invalid function response mode")
TOO_LARGE = error_body("RequestEntityTooLarge", f"Exceeded maximum allowed payload size ({PAYLOAD_LIMIT} bytes).")
