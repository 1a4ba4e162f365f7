"""HTTP in front of Lambda: each request becomes an event of the source, each reply what that source would send.

aiohttp's low-level server, without routes or middleware: a request costs what parsing it costs.
"""

from __future__ import annotations

import asyncio
import json
import socket
import uuid
from collections.abc import Callable
from time import time
from typing import Any, Protocol

from aiohttp import web
from multidict import CIMultiDict

from upproxy.local import error_page
from upproxy.local.failure import Failure
from upproxy.local.invocation import Buffered, FunctionError, Reply, Stream, StreamBroken, Throttled
from upproxy.local.sources import HttpReply, HttpRequest, MalformedReply, Source
from upproxy.local.sources.source import LAMBDA_PAYLOAD

HEADER_LIMIT = 65_536  # bytes of a request line or a field
RAW_PRELUDE = b'{"statusCode":200,"headers":{"content-type":"application/octet-stream"}}'
SHUTDOWN_GRACE = 0.5  # seconds that open connections have at the end
LINGER = 1.0  # seconds that the rest of a refused body is read, so that its sender sees the answer

Log = Callable[..., None]
"""Called with a level, a message, and fields."""


class Backend(Protocol):
    """What the gateway invokes: one instance, or a fleet."""

    async def invoke(
        self,
        event: bytes,
        *,
        timeout: float,  # noqa: ASYNC109
        request_id: str,
        trace_id: str,
        tenant_id: str,
    ) -> Reply:
        """Return the reply. Raises Throttled, and Failure where the app does not run."""


class Gateway:
    """Serves on a listening socket.

    `streaming` says whether the endpoint takes streamed replies, `timeout` is the function's, in seconds; the source
    may have less patience.
    """

    def __init__(self, backend: Backend, source: Source, *, streaming: bool, timeout: float, log: Log) -> None:
        self._backend = backend
        self._source = source
        self._streaming = streaming
        self._log = log
        self._runner: web.ServerRunner | None = None
        self._patience = None if streaming else source.timeout
        self.timeout = timeout

    async def start(self, listener: socket.socket) -> None:
        """Accept connections on a bound socket."""
        server = web.Server(
            self._handle,
            handler_cancellation=True,  # a client that goes away ends its stream, even one that is silent
            access_log=None,
            auto_decompress=False,  # the app gets the bytes that the client sent
            max_line_size=HEADER_LIMIT,
            max_field_size=HEADER_LIMIT,
            max_headers=1_000,
            lingering_time=LINGER,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=SHUTDOWN_GRACE)
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()

    async def close(self) -> None:
        """Stop accepting, and end what is open."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if not request.raw_path.isascii():
            return await self._send(request, self._source.refusal(400), close=True)
        try:
            body = await _body(request, self._source.max_request)
        except _TooLargeBody:
            return await self._too_large(request, f"a body of over {self._source.max_request} bytes")
        request_id = str(uuid.uuid4())
        event = self._source.event(_http_request(request, body), request_id=request_id, epoch_ms=int(time() * 1000))
        payload = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
        if len(payload) > LAMBDA_PAYLOAD:
            return await self._too_large(request, f"an event of over {LAMBDA_PAYLOAD} bytes, base64 included")
        tenant = request.headers.get("X-Amz-Tenant-Id", "") if self._source.tenants else ""
        try:
            async with asyncio.timeout(self._patience):
                reply = await self._backend.invoke(
                    payload,
                    timeout=self.timeout,
                    request_id=request_id,
                    trace_id=_trace_id(event),
                    tenant_id=tenant,
                )
        except TimeoutError:
            self._log(
                "error",
                f"{self._source.name} waits no longer than {self._patience:g} s for a reply; the function goes on",
                path=request.path,
                request_id=request_id,
            )
            return await self._send(request, self._refusal(504, "IntegrationTimeout"))
        except Throttled as throttled:
            self._log("error", str(throttled), path=request.path, status=429)
            return await self._send(request, self._source.refusal(429))
        except Failure as failure:
            return await self._send(request, _failure_reply(request, failure))
        if isinstance(reply, Stream):
            return await self._stream(request, reply, request_id)
        return await self._send(request, self._reply(reply, request_id))

    async def _too_large(self, request: web.BaseRequest, what: str) -> web.StreamResponse:
        self._log("warn", f"the source takes no request with {what}", path=request.path, status=413)
        return await self._send(request, self._source.refusal(413), close=True)

    def _reply(self, reply: Buffered | FunctionError, request_id: str) -> HttpReply:
        if isinstance(reply, FunctionError):
            self._log("error", f"the invocation failed: {reply.message}", kind=reply.kind, request_id=request_id)
            return self._refusal(504 if reply.kind == "Sandbox.Timedout" else 502, reply.kind)
        if self._streaming:
            self._log("warn", "a buffered reply to a streaming endpoint reaches the client as it is")
            return HttpReply(200, [(b"content-type", b"application/json")], reply.payload)
        if len(reply.payload) > self._source.max_reply:
            self._log(
                "error",
                f"the reply is over the {self._source.max_reply} bytes that this source takes",
                size=len(reply.payload),
                request_id=request_id,
            )
            return self._refusal(502, "ReplyTooLarge")
        try:
            return self._source.reply(reply.payload)
        except MalformedReply as error:
            self._log("error", f"the reply is malformed: {error}", request_id=request_id)
            return self._refusal(502, "MalformedReply")

    def _refusal(self, status: int, reason: str) -> HttpReply:
        """Return the gateway's own error, and a header that only the local one has."""
        refusal = self._source.refusal(status)
        told = "".join(character for character in reason if character.isascii() and character.isprintable())
        return HttpReply(refusal.status, [*refusal.headers, (b"x-upproxy-error", told.encode())], refusal.body)

    async def _stream(self, request: web.BaseRequest, stream: Stream, request_id: str) -> web.StreamResponse:
        try:
            if not self._streaming:
                self._log("error", "a streamed reply to an endpoint that buffers", request_id=request_id)
                return await self._send(request, self._refusal(502, "MalformedReply"))
            try:
                head = self._source.head(stream.prelude or RAW_PRELUDE)
            except MalformedReply as error:
                self._log("error", f"the reply is malformed: {error}", request_id=request_id)
                return await self._send(request, self._refusal(502, "MalformedReply"))
            response = _Response(head, streamed=not stream.complete)
            await response.prepare(request)
            size = 0
            try:
                async for chunk in stream:
                    size += len(chunk)
                    await (response.write_eof if stream.complete else response.write)(chunk)
            except StreamBroken as broken:
                self._log("error", f"the reply broke off: {broken}", kind=broken.error.kind, request_id=request_id)
                _abort(request)
                return response
            if response.content_length is not None and size < response.content_length and request.method != "HEAD":
                self._log("error", "the reply is shorter than its Content-Length", request_id=request_id)
                _abort(request)
                return response
            await response.write_eof()
            return response
        finally:
            stream.close()

    async def _send(self, request: web.BaseRequest, reply: HttpReply, *, close: bool = False) -> web.StreamResponse:
        response = _Response(reply)
        if close:
            response.force_close()
        if "content-length" not in response.headers:
            response.content_length = len(reply.body)
        await response.prepare(request)
        await response.write_eof(reply.body if request.method != "HEAD" else b"")
        return response


class _Response(web.StreamResponse):
    """The head as the source gave it; of aiohttp's own fields only Date and what frames the message.

    `streamed` sends the head at once; else it goes out with the first bytes of the body, in one write.
    """

    def __init__(self, reply: HttpReply, *, streamed: bool = False) -> None:
        fields = CIMultiDict((name.decode(), value.decode()) for name, value in reply.headers)
        super().__init__(status=reply.status, headers=fields)
        self._send_headers_immediately = streamed
        self._unset = [name for name in ("Server", "Content-Type") if name not in fields]

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        for name in self._unset:
            self.headers.popall(name, None)


class _TooLargeBody(Exception):
    """The body is over what an event can hold."""


def _abort(request: web.BaseRequest) -> None:
    """Break the connection: the only way to say that what came is not all."""
    if request.transport is not None:
        request.transport.abort()


async def _body(request: web.BaseRequest, limit: int) -> bytes:
    """Read the body, as it was sent. Raises _TooLargeBody."""
    if not request.body_exists:
        return b""
    if (request.content_length or 0) > limit:
        raise _TooLargeBody
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    pieces = []
    size = 0
    while piece := await request.content.readany():
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise _TooLargeBody
    return b"".join(pieces)


def _http_request(request: web.BaseRequest, body: bytes) -> HttpRequest:
    transport = request.transport
    local = transport.get_extra_info("sockname") if transport is not None else None
    return HttpRequest(
        method=request.method,
        target=request.raw_path,
        headers=list(request.raw_headers),
        body=body,
        client=request.remote or "",
        host=request.headers.get("Host", ""),
        port=local[1] if local else 80,
        scheme="http",
    )


def _trace_id(event: dict[str, Any]) -> str:
    for key in ("headers", "multiValueHeaders"):
        for name, value in (event.get(key) or {}).items():
            if name.lower() == "x-amzn-trace-id":
                return str(value[0] if isinstance(value, list) else value)
    return ""


def _failure_reply(request: web.BaseRequest, failure: Failure) -> HttpReply:
    if "text/html" in request.headers.get("Accept", ""):
        kind, body = b"text/html; charset=utf-8", error_page.as_html(failure)
    else:
        kind, body = b"application/json", error_page.as_json(failure)
    return HttpReply(500, [(b"content-type", kind), (b"cache-control", b"no-store")], body)
