"""One event to one reply: the way of a request through everything, the same for every way in."""

from __future__ import annotations

from time import monotonic

from upproxy.proxy.errors import ProxyError, ResponseTooLarge, TriggerFailed
from upproxy.proxy.lean import dumps_ascii
from upproxy.proxy.messages import Headers, Request
from upproxy.proxy.middleware.failures import report
from upproxy.proxy.runtime.api import PAYLOAD_LIMIT, ReaderGone
from upproxy.proxy.runtime.direct import message_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from upproxy.proxy.events import Codecs
    from upproxy.proxy.events.codec import Codec
    from upproxy.proxy.log import Log
    from upproxy.proxy.messages import Body, Invocation, Response
    from upproxy.proxy.runtime.access import AccessLog
    from upproxy.proxy.runtime.direct import DirectMessages
    from upproxy.proxy.runtime.freezing import Freezing
    from upproxy.proxy.runtime.instance import Instance
    from upproxy.proxy.runtime.request_id import TrustedId

    Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class InvocationFailed(Exception):
    """There is no reply to the event: Lambda is to be told that the invocation failed."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Reply:
    """What an invocation is answered with.

    `payload` is the whole of a buffered reply, `body` is None then. Of a streamed one it is the prelude, and whoever
    sends the body counts its bytes in `size` and notes in `failure` what went wrong. Either way `finish` is called
    once, when all of it is on its way.
    """

    __slots__ = ("_finish", "body", "failure", "payload", "size", "status")

    def __init__(self, payload: bytes, finish: Callable[[Reply], None], *, status: int = 200, size: int = 0) -> None:
        self.payload = payload
        self.body: Body | None = None
        self.status = status
        self.size = size
        self.failure: Exception | None = None
        self._finish = finish

    def finish(self) -> None:
        """Close the body, write the access line: before the next poll, since only then Lambda may freeze us."""
        if self.body is not None:
            _close(self.body)
        self._finish(self)


class Entrypoint:
    """Holds what every invocation goes through, and nothing of a single one but its id while it is in flight."""

    def __init__(
        self,
        *,
        codecs: Codecs,
        streaming: bool,
        handler: Handler,
        failed: Callable[[Exception, Request], Coroutine[Any, Any, Response]],
        direct: DirectMessages,
        access: AccessLog,
        instance: Instance,
        log: Log,
        in_flight: set[str],
        freezing: Freezing | None = None,
        trusted_id: TrustedId | None = None,
    ) -> None:
        """`failed` answers a request whose response fails after `handler` has returned it."""
        self._codecs = codecs
        self._streaming = streaming
        self._handler = handler
        self._failed = failed
        self._direct = direct
        self._access = access
        self._instance = instance
        self._log = log
        self._in_flight = in_flight
        self._freezing = freezing
        self._trusted_id = trusted_id

    async def handle(self, event: Any, invocation: Invocation) -> Reply:
        """Reply to an event, or to a message of our own. Raises InvocationFailed."""
        self._instance.turns += 1
        if self._freezing is not None:
            self._freezing.look()
        message = message_of(event)
        try:
            if message is not None:
                answer = await self._direct.answer(message, invocation)
                return Reply(dumps_ascii(answer).encode(), _nothing)
            codec = self._codecs.codec_for(event)
        except ProxyError as error:
            report(self._log, error, invocation.request_id)
            raise InvocationFailed(type(error).__name__, str(error)) from None
        started = monotonic()
        if self._trusted_id is not None:
            self._trusted_id.adopt(event, invocation)
        self._in_flight.add(invocation.request_id)
        try:
            try:
                request = codec.decode(event, invocation)
            except ProxyError as error:
                request = _nobody(codec, event, invocation)
                response = report(self._log, error, invocation.request_id).response()
            else:
                if self._freezing is not None and self._freezing.untold:
                    invocation.thawed_ms = self._freezing.tell()
                response = await self._handler(request)
                self._instance.served += 1

            def finish(reply: Reply) -> None:
                if isinstance(reply.failure, ReaderGone):
                    message = "the client left before the end of the stream"
                    self._log.write("info", message, request_id=invocation.request_id)
                elif reply.failure is not None:
                    report(self._log, reply.failure, invocation.request_id)
                self._access.write(request, reply.status, reply.size, monotonic() - started)
                self._in_flight.discard(invocation.request_id)

            if self._streaming and codec.streams:
                return await self._stream(codec, request, response, finish)
            return await self._buffer(codec, request, response, finish)
        except BaseException:
            self._in_flight.discard(invocation.request_id)
            raise

    async def _buffer(
        self, codec: Codec, request: Request, response: Response, finish: Callable[[Reply], None]
    ) -> Reply:
        try:
            body = response.body if isinstance(response.body, bytes) else await _gather(response.body)
            payload = codec.encode(request, response, body)
            if len(payload) > PAYLOAD_LIMIT:
                raise _too_large(len(payload))
        except TriggerFailed as error:
            finish(Reply(b"", finish, status=response.status))
            raise InvocationFailed("TriggerFailed", str(error)) from None
        except Exception as error:  # noqa: BLE001  # the app failed in the middle of a body, or an answer that cannot be told
            response = await self._failed(error, request)
            body = await _gather(response.body)
            payload = codec.encode(request, response, body)
        size = 0 if request.method == "HEAD" else len(body)
        return Reply(payload, finish, status=response.status, size=size)

    async def _stream(
        self, codec: Codec, request: Request, response: Response, finish: Callable[[Reply], None]
    ) -> Reply:
        try:
            prelude = codec.prelude(response)
        except Exception as error:  # noqa: BLE001
            _close(response.body)
            response = await self._failed(error, request)
            prelude = codec.prelude(response)
        if request.method == "HEAD":
            _close(response.body)
            response.body = b""
        reply = Reply(prelude, finish, status=response.status)
        reply.body = response.body
        return reply


def _nothing(_reply: Reply) -> None:
    """Write no access line for a message of our own."""


async def _gather(body: Body) -> bytes:
    """Read a body into memory, up to what a buffered reply can hold."""
    if isinstance(body, bytes):
        return body
    parts: list[bytes] = []
    size = 0
    try:
        async for part in body:
            size += len(part)
            if size > PAYLOAD_LIMIT:
                raise _too_large(size)
            parts.append(part)
    finally:
        body.close()
    return b"".join(parts)


def _too_large(size: int) -> ResponseTooLarge:
    return ResponseTooLarge(
        f"a response of at least {size} bytes of payload, where Lambda takes {PAYLOAD_LIMIT} in a buffered reply: "
        "stream it (endpoint: function_url, or rest_api with streaming), or send the client to a file on S3",
        limit=PAYLOAD_LIMIT,
    )


def _close(body: Body) -> None:
    if not isinstance(body, bytes):
        body.close()


def _nobody(codec: Codec, event: Any, invocation: Invocation) -> Request:
    """Stand in for a request that could not be read, so that its refusal can be encoded and logged."""
    event = _map(event)
    context = _map(event.get("requestContext"))
    http = _map(context.get("http"))
    return Request(
        _text(http.get("method") or event.get("httpMethod"), "GET"),
        _text(event.get("rawPath") or event.get("path"), "/"),
        "",
        Headers(),
        b"",
        invocation=invocation,
        source=codec.name,
        client=_text(http.get("sourceIp") or _map(context.get("identity")).get("sourceIp"), ""),
        context=context,
    )


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any, otherwise: str) -> str:
    return value[:2_000] if isinstance(value, str) and value else otherwise
