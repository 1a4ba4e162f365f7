"""One event to one reply: the way of a request through everything, the same for every way in."""

from __future__ import annotations

from time import monotonic

from upproxy.proxy.errors import ProxyError, ResponseTooLarge, TriggerFailed
from upproxy.proxy.http1 import Closed
from upproxy.proxy.messages import Headers, Request
from upproxy.proxy.middleware.failures import report
from upproxy.proxy.runtime.api import PAYLOAD_LIMIT
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
    from upproxy.proxy.runtime.instance import Instance

    Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class InvocationFailed(Exception):
    """There is no reply to the event: Lambda is to be told that the invocation failed."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Streamed:
    """A reply whose body is sent as it comes. Whoever sends it calls `finish` once, before the end is sent."""

    __slots__ = ("_finish", "body", "prelude")

    def __init__(self, prelude: bytes, body: Body, finish: Callable[[int, Exception | None], None]) -> None:
        self.prelude = prelude
        self.body = body
        self._finish = finish

    def finish(self, size: int, failure: Exception | None = None) -> None:
        """Close the body and write the access line; `size` is the bytes of the body that went out."""
        _close(self.body)
        self._finish(size, failure)


class Entrypoint:
    """Holds what every invocation goes through, and nothing of a single one but its id while it is in flight."""

    def __init__(
        self,
        *,
        codecs: Codecs,
        streaming: bool,
        handler: Handler,
        direct: DirectMessages,
        access: AccessLog,
        instance: Instance,
        log: Log,
        in_flight: set[str],
    ) -> None:
        self._codecs = codecs
        self._streaming = streaming
        self._handler = handler
        self._direct = direct
        self._access = access
        self._instance = instance
        self._log = log
        self._in_flight = in_flight

    async def handle(self, event: Any, invocation: Invocation) -> bytes | Streamed | dict[str, Any]:
        """Reply to an event: a payload, a stream, or the answer to a message of our own.

        Raises InvocationFailed.
        """
        self._instance.turns += 1
        message = message_of(event)
        try:
            if message is not None:
                return await self._direct.answer(message, invocation)
            codec = self._codecs.codec_for(event)
        except ProxyError as error:
            report(self._log, error, invocation.request_id)
            raise InvocationFailed(type(error).__name__, str(error)) from None
        started = monotonic()
        request_id = invocation.request_id
        self._in_flight.add(request_id)
        try:
            reply = await self._reply(codec, event, invocation, started)
        except BaseException:
            self._in_flight.discard(request_id)
            raise
        if isinstance(reply, bytes):
            self._in_flight.discard(request_id)
        return reply

    async def _reply(self, codec: Codec, event: Any, invocation: Invocation, started: float) -> bytes | Streamed:
        try:
            request = codec.decode(event, invocation)
        except ProxyError as error:
            request = _nobody(codec, event, invocation)
            response = report(self._log, error, invocation.request_id).response()
        else:
            response = await self._handler(request)
            self._instance.served += 1
        if self._streaming and codec.streams:
            return self._stream(codec, request, response, started)
        return await self._buffer(codec, request, response, started)

    async def _buffer(self, codec: Codec, request: Request, response: Response, started: float) -> bytes:
        try:
            body = response.body if isinstance(response.body, bytes) else await _gather(response.body)
            payload = codec.encode(request, response, body)
            if len(payload) > PAYLOAD_LIMIT:
                raise _too_large(len(payload))
        except TriggerFailed as error:
            self._access.write(request, response.status, 0, monotonic() - started)
            raise InvocationFailed("TriggerFailed", str(error)) from None
        except Exception as error:  # noqa: BLE001  # the app failed in the middle of a body, or an answer that cannot be told
            response = report(self._log, error, request.invocation.request_id).response()
            body = await _gather(response.body)
            payload = codec.encode(request, response, body)
        self._access.write(request, response.status, len(body), monotonic() - started)
        return payload

    def _stream(self, codec: Codec, request: Request, response: Response, started: float) -> Streamed:
        try:
            prelude = codec.prelude(response)
        except Exception as error:  # noqa: BLE001
            _close(response.body)
            response = report(self._log, error, request.invocation.request_id).response()
            prelude = codec.prelude(response)
        if request.method == "HEAD":
            _close(response.body)
            response.body = b""
        request_id = request.invocation.request_id

        def finish(size: int, failure: Exception | None) -> None:
            if isinstance(failure, Closed):
                self._log.write("info", "the client left before the end of the stream", request_id=request_id)
            elif failure is not None:
                report(self._log, failure, request_id)
            self._access.write(request, response.status, size, monotonic() - started)
            self._in_flight.discard(request_id)

        return Streamed(prelude, response.body, finish)


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
    context = event.get("requestContext") if isinstance(event, dict) else None
    return Request(
        "GET",
        "/",
        "",
        Headers(),
        b"",
        invocation=invocation,
        source=codec.name,
        context=context if isinstance(context, dict) else None,
    )
