"""The real chain between events and an upstream that a test gives: codecs, middleware and replies are the real ones."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from upproxy.local.sources import SOURCES, HttpReply, HttpRequest
from upproxy.proxy import chain as chains
from upproxy.proxy.events import Codecs
from upproxy.proxy.log import Log
from upproxy.proxy.manifest import EventOptions
from upproxy.proxy.messages import Headers, Invocation, Request, Response
from upproxy.proxy.middleware.context import Context
from upproxy.proxy.waiting import InPlace

if TYPE_CHECKING:
    from upproxy.proxy.messages import Body

EVERY_SOURCE = ["rest_api", "http_api", "function_url", "alb"]


class Chunks:
    """A streamed body; `closed` says that whoever held it gave it back, `failing` ends it with an error."""

    def __init__(self, *chunks: bytes, failing: Exception | None = None) -> None:
        self.left = list(chunks)
        self.failing = failing
        self.closed = False

    def __aiter__(self) -> Chunks:
        return self

    async def __anext__(self) -> bytes:
        if self.left:
            return self.left.pop(0)
        raise self.failing or StopAsyncIteration

    def close(self) -> None:
        self.closed = True


@dataclass
class Upstream:
    """An app: answers with `status`, `headers` and a body (a list is streamed), and keeps what it was asked.

    `asked` are the header fields of `requests` as they were then.
    """

    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=lambda: [("content-type", "text/plain")])
    body: bytes | list[bytes] = b"hello"
    error: Exception | None = None
    requests: list[Request] = field(default_factory=list)
    asked: list[Headers] = field(default_factory=list)
    streams: list[Chunks] = field(default_factory=list)

    async def __call__(self, request: Request) -> Response:
        self.requests.append(request)
        self.asked.append(Headers(request.headers))
        if self.error:
            raise self.error
        body: Body = self.body if isinstance(self.body, bytes) else Chunks(*self.body)
        if isinstance(body, Chunks):
            self.streams.append(body)
        return Response(self.status, Headers(self.headers), body)


@dataclass
class Reply:
    """What the client gets. Names of header fields are lower case."""

    status: int
    headers: Headers
    body: bytes
    chunks: list[bytes]


class Chain:
    """A chain as `chain.build` makes it, asked through events. `sections` are those of the manifest."""

    def __init__(
        self,
        sections: dict[str, Any],
        upstream: Callable[[Request], Coroutine[Any, Any, Response]],
        *,
        streaming: bool = False,
        stage: str = "production",
        directory: Path = Path(),
    ) -> None:
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        self._log = Log(writer)
        self._loop = InPlace(_raise)
        self._codecs = Codecs(EventOptions(streaming=streaming))
        self._streaming = streaming
        context = Context(
            log=self._log,
            loop=self._loop,
            stage=stage,
            directory=str(directory),
            streams=self._codecs.streaming,
        )
        self.handler = chains.build(upstream, sections, context)

    def request(
        self,
        method: str = "GET",
        target: str = "/",
        headers: dict[str, str] | list[tuple[str, str]] | None = None,
        body: bytes = b"",
        *,
        source: str = "function_url",
        client: str = "203.0.113.7",
        scheme: str = "https",
    ) -> Reply:
        """Send a request as a source does; return what its client gets."""
        pairs = headers.items() if isinstance(headers, dict) else headers or []
        fields = [(b"host", b"app.example.com"), *((name.encode(), value.encode("latin-1")) for name, value in pairs)]
        sent = HttpRequest(method, target, fields, body, client, "app.example.com", 443, scheme)
        request_id = str(uuid.uuid4())
        event = json.loads(json.dumps(SOURCES[source].event(sent, request_id=request_id, epoch_ms=1_700_000_000_000)))
        codec = self._codecs.codec_for(event)
        request = codec.decode(event, Invocation(request_id, deadline=monotonic() + 30))
        chunks: list[bytes] = []
        replies: list[HttpReply] = []

        async def turn() -> None:
            response = await self.handler(request)
            if self._streaming and codec.streams:
                head = SOURCES[source].head(codec.prelude(response))
                if method != "HEAD":
                    chunks.extend(await _read(response.body))
                elif not isinstance(response.body, bytes):
                    response.body.close()
                replies.append(HttpReply(head.status, head.headers, b"".join(chunks)))
            else:
                chunks.extend(await _read(response.body))
                replies.append(SOURCES[source].reply(codec.encode(request, response, b"".join(chunks))))

        self._loop.run(turn())
        [reply] = replies
        lower = [(name.decode().lower(), value.decode("latin-1")) for name, value in reply.headers]
        return Reply(reply.status, Headers(lower), reply.body, chunks)

    def log(self) -> list[dict[str, Any]]:
        """Return the lines logged since the last call."""
        try:
            return [json.loads(line) for line in os.read(self._reader, 1 << 20).splitlines()]
        except BlockingIOError:
            return []

    def close(self) -> None:
        self._loop.close()
        os.close(self._reader)
        os.close(self._log.fd)


def _raise(error: Exception) -> None:
    raise error


async def _read(body: Body) -> list[bytes]:
    if isinstance(body, bytes):
        return [body]
    try:
        return [chunk async for chunk in body]
    finally:
        body.close()
