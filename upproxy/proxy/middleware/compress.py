"""`compress`: gzip, and zstd where Python has it (3.14), for what the app leaves uncompressed.

A response qualifies by its media type and size. One that is coded already, a part of something, or marked
`no-transform` passes as it is. Large bodies are compressed in pieces between which others have their turn; a stream of
unknown length is flushed with every chunk, so that events arrive when they are sent.
"""

from __future__ import annotations

import zlib

from upproxy.proxy import options
from upproxy.proxy.middleware.negotiation import accepted, coding, refuses_identity
from upproxy.proxy.middleware.representation import (
    announced_length,
    forbids_transformation,
    forget_bytes,
    is_coded,
    is_partial,
    media_type,
    vary,
    weaken,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from upproxy.proxy.messages import Headers, Request, Response, Stream
    from upproxy.proxy.middleware.context import Context, Handler
    from upproxy.proxy.waiting import Loop

    class Compressor(Protocol):
        """What both codings have, whatever their libraries call it."""

        def compress(self, data: bytes | memoryview) -> bytes:
            """Take more of the body, and give out what there is of it by now."""

        def flush(self) -> bytes:
            """Give out all that was taken, so that it can be read; the body goes on."""

        def finish(self) -> bytes:
            """Give out the rest, and the end."""


PIECE = 65_536  # bytes that are compressed in one go: 1 to 3 ms
_GZIP_LEVEL = 5  # within 2 % of the size of 6 for text, for two thirds of the time
_GZIP = 16 + zlib.MAX_WBITS


class Options(options.Options):
    """`types` are media types; `*` in them stands for anything. `min_size` is in bytes."""

    min_size: int = 1024
    types: list[str] = [  # noqa: RUF012  # never changed in place
        "text/*", "application/json", "application/*+json", "application/xml", "application/*+xml", "image/svg+xml",
        "application/javascript", "application/x-javascript", "application/x-ndjson", "application/yaml",
        "application/wasm", "application/manifest+json", "application/vnd.ms-fontobject", "font/ttf", "font/otf",
        "image/bmp", "image/x-icon", "image/vnd.microsoft.icon",
    ]  # fmt: skip


class Gzip:
    """RFC 1952, without a file name or time: the same body is always the same bytes."""

    def __init__(self) -> None:
        self._stream = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP)
        self.compress = self._stream.compress

    def flush(self) -> bytes:
        """Give out all that was taken."""
        return self._stream.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        """Give out the rest, and the end."""
        return self._stream.flush()


CODINGS: dict[str, Callable[[], Compressor]] = {"gzip": Gzip}
"""Those that this Python has, the best first."""

try:
    from compression import zstd  # type: ignore[import-not-found, unused-ignore]
except ImportError:
    pass
else:

    class Zstd:
        """RFC 8878, at the default level, whose window is within the 8 MB that clients have to manage (RFC 9659)."""

        def __init__(self) -> None:
            self._stream: Any = zstd.ZstdCompressor()
            self.compress: Callable[[bytes | memoryview], bytes] = self._stream.compress

        def flush(self) -> bytes:
            """Give out all that was taken."""
            data: bytes = self._stream.flush(zstd.ZstdCompressor.FLUSH_BLOCK)
            return data

        def finish(self) -> bytes:
            """Give out the rest, and the end."""
            data: bytes = self._stream.flush(zstd.ZstdCompressor.FLUSH_FRAME)
            return data

    CODINGS = {"zstd": Zstd, **CODINGS}


class CompressedStream:
    """A body that is compressed as it comes."""

    __slots__ = ("_body", "_compressor", "_flushes", "_loop")

    def __init__(self, loop: Loop, body: Stream, compressor: Compressor, *, flushes: bool) -> None:
        """`flushes` says that every chunk has to be readable at once."""
        self._loop = loop
        self._body = body
        self._compressor: Compressor | None = compressor
        self._flushes = flushes

    def __aiter__(self) -> CompressedStream:
        return self

    async def __anext__(self) -> bytes:
        compressor = self._compressor
        if compressor is None:
            raise StopAsyncIteration
        while True:  # a compressor keeps much to itself, and an empty chunk would be the end of the body
            try:
                data = await self._body.__anext__()
            except StopAsyncIteration:
                self._compressor = None
                return compressor.finish()
            parts = await _compressed(self._loop, compressor, data)
            if self._flushes and data:
                parts.append(compressor.flush())
            if out := b"".join(parts):
                return out

    def close(self) -> None:
        """Give up the rest."""
        self._compressor = None
        self._body.close()


async def _compressed(loop: Loop, compressor: Compressor, data: bytes) -> list[bytes]:
    """Feed a compressor in pieces, others having their turn in between."""
    if len(data) <= PIECE:
        return [compressor.compress(data)]
    parts = []
    with memoryview(data) as view:
        for at in range(0, len(data), PIECE):
            if at:
                await loop.pause()
            parts.append(compressor.compress(view[at : at + PIECE]))
    return parts


def _qualifier(types: list[str]) -> Callable[[str], bool]:
    exact = frozenset(kind for kind in types if "*" not in kind)
    open_ended = [(start, end) for start, star, end in (kind.partition("*") for kind in types) if star]

    def qualifies(kind: str) -> bool:
        return kind in exact or any(
            kind.startswith(start) and kind.endswith(end) and len(kind) >= len(start) + len(end)
            for start, end in open_ended
        )

    return qualifies


def _size(method: str, response: Response) -> int | None:
    """Return the body's length, which for HEAD is that of the answer to GET; None where it is not known."""
    if isinstance(response.body, bytes) and (response.body or method != "HEAD"):
        return len(response.body)
    return announced_length(response.headers)


def _complete(headers: Headers, known: str) -> None:
    """Give a 304 the Vary that a 200 would have (RFC 9110 section 15.4.5), and the ETag that the client knows.

    The latter is weak where it was weakened here.
    """
    vary(headers, "Accept-Encoding")
    tag = headers.get("etag")
    if tag.startswith('"') and f"W/{tag}" in known:
        weaken(headers)


def middleware(options: Options, following: Handler, context: Context) -> Handler:
    """Build the handler."""
    loop = context.loop
    min_size = options.min_size
    qualifies = _qualifier(options.types)
    offered = tuple(CODINGS)

    async def handle(request: Request) -> Response:
        # What follows may change the request: what the client said is read before.
        accepts = accepted(request.headers, "accept-encoding")
        known = ", ".join(request.headers.get_all("if-none-match"))
        unwanted = forbids_transformation(request.headers)
        response = await following(request)
        headers = response.headers
        kind = media_type(headers)
        if response.status == 204 or is_coded(headers) or unwanted or forbids_transformation(headers):
            return response
        if is_partial(response.status, headers):
            if response.status == 206 and qualifies(kind):
                vary(headers, "Accept-Encoding")  # as the whole does (RFC 9110 section 15.3.7)
            return response
        if response.status == 304:
            if not kind or qualifies(kind):  # most do not say of what they are
                _complete(headers, known)
            return response
        size = _size(request.method, response)
        if size == 0:
            return response
        if not refuses_identity(accepts) and ((size or min_size) < min_size or not qualifies(kind)):
            return response
        vary(headers, "Accept-Encoding")
        chosen = coding(accepts, offered)
        if chosen == "identity":
            return response
        forget_bytes(headers)
        weaken(headers)
        headers.set("content-encoding", chosen)
        if request.method == "HEAD":
            return response
        compressor = CODINGS[chosen]()
        if isinstance(response.body, bytes):
            parts = await _compressed(loop, compressor, response.body)
            response.body = b"".join([*parts, compressor.finish()])
            headers.set("content-length", str(len(response.body)))
        else:
            response.body = CompressedStream(loop, response.body, compressor, flushes=size is None)
        return response

    return handle
