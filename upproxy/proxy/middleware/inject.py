"""`inject`: pieces of HTML at the end of the head and of the body of pages.

The places are the first `</head>` (or `<body>`, for pages that leave it out) and the first `</body>` (or `</html>`)
that are neither in a comment nor in a script, style, textarea or title. A page that has none, such as a fragment, stays
as it is. Quoted attribute values are not told from text: a `</body>` in one is taken for the end of the body.
"""

from __future__ import annotations

import re
import zlib

from upproxy.proxy import options
from upproxy.proxy.errors import UpstreamMalformed
from upproxy.proxy.messages import Headers
from upproxy.proxy.middleware.negotiation import accepted
from upproxy.proxy.middleware.representation import (
    forbids_transformation,
    forget_bytes,
    is_coded,
    is_partial,
    media_type,
    vary,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from upproxy.proxy.messages import Request, Response, Stream
    from upproxy.proxy.middleware.context import Context, Handler
    from upproxy.proxy.waiting import Loop

PIECE = 65_536  # bytes that are decoded in one go
_CHARSET = re.compile(r""";\s*charset\s*=\s*["']?([^\s"';]+)""", re.IGNORECASE)
# In these an ASCII byte need not be that character: they switch by escape sequences.
_STATEFUL = ("iso2022", "iso-2022", "iso_2022", "hz", "utf7", "utf-7", "utf_7", "unicode-1-1-utf-7")
_NAMES = (b"head", b"body", b"html", b"script", b"style", b"textarea", b"title")
_MARKUP = re.compile(rb"<(?:(!--)|(/?)(%b)(?=[\s/>]))" % b"|".join(_NAMES), re.IGNORECASE)
# What may have begun at the end of a chunk: it takes one more character to tell.
_BEGINNINGS = (b"<!--", *(start + name for start in (b"<", b"</") for name in _NAMES))
_LONGEST = max(map(len, _BEGINNINGS))
_COMMENT = re.compile(rb"--!?>")
_RAW = {
    name: re.compile(rb"</%b(?=[\s/>])" % name, re.IGNORECASE) for name in (b"script", b"style", b"textarea", b"title")
}
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class Options(options.Options):
    """What goes in, as HTML: at the end of the head and at the end of the body."""

    head: str = ""
    body: str = ""


class Injector:
    """Takes a page in chunks, split anywhere, and gives it out with the pieces in their places."""

    __slots__ = ("_begun", "_end", "_pieces", "_rest")

    def __init__(self, head: bytes, body: bytes) -> None:
        self._pieces = {
            name: piece for name, piece in ((b"head", head), (b"body", body)) if piece
        }  # still to be placed
        self._begun = False
        self._end: re.Pattern[bytes] | None = None  # of the comment or script that we are in
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """Take a chunk; give out all that can be told by now, which is all but a tag's beginning at the end."""
        if not self._pieces:
            return data
        if not self._begun:
            self._begun = True
            if data.startswith(_UTF_16_MARKS):  # whatever was declared (HTML standard, section 13.2.3.2)
                self._pieces.clear()
                return data
        data = self._rest + data
        out: list[bytes] = []
        copied = at = 0
        while self._pieces:
            found = (self._end or _MARKUP).search(data, at)
            if found is None:
                break
            at = found.end()
            if self._end is not None:
                self._end = None
                continue
            comment, closing, name = found.groups()
            if comment:
                self._end = _COMMENT
                at -= 2  # `<!-->` is a whole comment
                continue
            name = name.lower()
            if name in _RAW:
                self._end = None if closing else _RAW[name]
                continue
            piece = self._before(name, bool(closing))
            if piece:
                out += data[copied : found.start()], piece
                copied = found.start()
        kept = self._undecided(data, at) if self._pieces else len(data)
        out.append(data[copied:kept])
        self._rest = data[kept:]
        return b"".join(out)

    def finish(self) -> bytes:
        """Give out what was kept back."""
        return self._rest

    def _before(self, name: bytes, closing: bool) -> bytes:
        """Return what belongs before this tag, once."""
        if name == b"head":
            return self._pieces.pop(b"head", b"") if closing else b""
        if not closing:
            return self._pieces.pop(b"head", b"") if name == b"body" else b""
        self._pieces.pop(b"head", None)  # a page that comes to its end has no head
        return self._pieces.pop(b"body", b"")

    def _undecided(self, data: bytes, at: int) -> int:
        """Return where the part begins that the next chunk may make something of."""
        if self._end is _COMMENT:
            return max(at, len(data) - 3)
        start = data.rfind(b"<", max(at, len(data) - _LONGEST))
        end = data[start:].lower()
        return start if start >= 0 and any(one.startswith(end) for one in _BEGINNINGS) else len(data)


class PlainStream:
    """A body out of its gzip coding (RFC 1952), several members included. Raises UpstreamMalformed."""

    __slots__ = ("_body", "_filled", "_loop", "_member", "_rest")

    def __init__(self, loop: Loop, body: bytes | Stream) -> None:
        self._loop = loop
        self._body: Stream | None = None if isinstance(body, bytes) else body
        self._rest = body if isinstance(body, bytes) else b""
        self._member: Any = None
        self._filled = False  # the last piece was full: there may be more without more coming in

    def __aiter__(self) -> PlainStream:
        return self

    async def __anext__(self) -> bytes:
        while True:
            if self._filled:
                await self._loop.pause()
            elif not self._rest:
                await self._receive()
            if piece := self._decode():
                return piece

    async def _receive(self) -> None:
        try:
            if self._body is None:
                raise StopAsyncIteration
            self._rest = await self._body.__anext__()
        except StopAsyncIteration:
            if self._member is not None and not self._member.eof:
                raise UpstreamMalformed("the app's gzip body ends too early") from None
            raise

    def _decode(self) -> bytes:
        if not self._rest and not self._filled:
            return b""
        if self._member is None or (self._member.eof and self._rest):
            self._member = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            piece: bytes = self._member.decompress(self._rest, PIECE)
        except zlib.error:
            raise UpstreamMalformed("the app's gzip body is damaged") from None
        self._filled = len(piece) == PIECE
        self._rest = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        return piece

    def close(self) -> None:
        """Give up the rest."""
        if self._body is not None:
            self._body.close()


class InjectedStream:
    """A page that gets its pieces as it comes."""

    __slots__ = ("_body", "_injector")

    def __init__(self, body: Stream, injector: Injector) -> None:
        self._body = body
        self._injector: Injector | None = injector

    def __aiter__(self) -> InjectedStream:
        return self

    async def __anext__(self) -> bytes:
        while self._injector is not None:
            try:
                data = self._injector.feed(await self._body.__anext__())
            except StopAsyncIteration:
                data = self._injector.finish()
                self._injector = None
            if data:
                return data
        raise StopAsyncIteration

    def close(self) -> None:
        """Give up the rest."""
        self._injector = None
        self._body.close()


def charset_of(headers: Headers) -> str:
    """Return the charset that a response declares, UTF-8 where it declares none."""
    found = _CHARSET.search(headers.get("content-type"))
    return found[1].lower() if found else "utf-8"


def encoded(text: str, charset: str) -> bytes | None:
    """Write HTML in a charset; what it lacks becomes character references. None where ASCII means something else."""
    if charset.startswith(_STATEFUL):
        return None
    try:
        if "<a/>".encode(charset) != b"<a/>":
            return None
        return text.encode(charset, "xmlcharrefreplace")
    except (LookupError, ValueError):  # no charset that Python knows
        return None


class Tags:
    """ETags of pages with pieces: the app's own, marked by what the pieces are, so that new ones make a new page."""

    def __init__(self, *pieces: str) -> None:
        self._end = f'-{zlib.crc32(chr(0).join(pieces).encode()):08x}"'

    def unmark(self, headers: Headers) -> bool:
        """Give the app its own tags to compare in If-None-Match; whether there were marked ones."""
        values = headers.get_all("if-none-match")
        if not any(self._end in value for value in values):
            return False
        headers.set("if-none-match", ", ".join(values).replace(self._end, '"'))
        return True

    def mark(self, headers: Headers) -> None:
        """Mark a response's tag, and drop its date, which says nothing of the pieces."""
        tag = headers.get("etag").removeprefix("W/")
        headers.remove("etag", "last-modified")
        if len(tag) > 1 and tag.startswith('"') and tag.endswith('"'):
            headers.add("etag", f"W/{tag[:-1]}{self._end}")


def middleware(options: Options, following: Handler, context: Context) -> Handler:
    """Build the handler."""
    loop = context.loop
    tags = Tags(options.head, options.body)

    async def handle(request: Request) -> Response:
        sent = request.headers
        request.headers = asked = Headers(sent)
        # A browser that opens a page gets it without what we could not look into; `compress` comes after us.
        opens = "text/html" in accepted(sent, "accept")
        if opens and "accept-encoding" in sent:
            asked.set("accept-encoding", "identity")
        knows_ours = tags.unmark(asked)
        if opens and not knows_ours and request.method in ("GET", "HEAD"):
            asked.remove("if-none-match", "if-modified-since")  # what it has was never given pieces
        try:
            response = await following(request)
        finally:
            request.headers = sent  # what the access line tells of
        headers = response.headers
        if response.status == 304 and knows_ours:
            tags.mark(headers)
        if (
            media_type(headers) != "text/html"
            or response.status in (204, 304)
            or is_partial(response.status, headers)
            or forbids_transformation(headers)
        ):
            return response
        charset = charset_of(headers)
        head, body = encoded(options.head, charset), encoded(options.body, charset)
        coding = headers.get("content-encoding").strip().lower() if is_coded(headers) else ""
        if head is None or body is None:
            return response
        if coding not in ("", "gzip", "x-gzip"):
            vary(headers, "Accept")  # who names text/html there is served another
            return response
        headers.remove("content-encoding")
        forget_bytes(headers)
        tags.mark(headers)
        if request.method == "HEAD":
            return response
        if coding:
            response.body = PlainStream(loop, response.body)
        injector = Injector(head, body)
        if isinstance(response.body, bytes):
            response.body = injector.feed(response.body) + injector.finish()
            headers.set("content-length", str(len(response.body)))
        else:
            response.body = InjectedStream(response.body, injector)
        return response

    return handle
