"""Serve files of a folder, before the app is asked or where there is none."""

from __future__ import annotations

from upproxy.proxy.errors import ResponseTooLarge
from upproxy.proxy.messages import Headers, Response
from upproxy.proxy.middleware.failures import report
from upproxy.proxy.middleware.negotiation import accepted, coding
from upproxy.proxy.middleware.patterns import normal
from upproxy.proxy.middleware.static import files
from upproxy.proxy.middleware.static.conditions import evaluate, http_date, requested_range
from upproxy.proxy.middleware.static.media_types import (
    CHECKED,
    cache_control,
    has_charset,
    is_compressible,
    is_text,
    media_type,
)
from upproxy.proxy.options import Options as BaseOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from upproxy.proxy.messages import Request
    from upproxy.proxy.middleware.context import Context, Handler
    from upproxy.proxy.middleware.static.files import Entry

INDEX = "index.html"
CODINGS = {"br": ".br", "gzip": ".gz"}  # what may lie compressed beside a file, the better one first
_METHODS = ("GET", "HEAD")
_LOAD_BALANCERS = ("alb", "alb_multi")
_LOAD_BALANCER_LIMIT = 1_000_000  # bytes of a reply to one, which may have 1 MB, header fields included
_PLAIN = "text/plain; charset=utf-8"

# Archives are built with one date for all files, 1980 being the earliest that zip knows: it tells nothing of a file.
_EARLIEST = 315_619_200  # 1980-01-02, in seconds since 1970


class Options(BaseOptions):
    """Files served without the app (`static` in up.yml).

    `dir` is their folder, below the app's. `prefix` is the path that they appear under. `hidden` are names in the
    folder itself that are not served.
    """

    dir: str
    prefix: str = "/"
    hidden: list[str] = []  # noqa: RUF012  # never changed in place


class FileTooLarge(ResponseTooLarge):
    """A file that does not fit into a buffered reply."""


def middleware(options: Options, following: Handler, context: Context) -> Handler:
    """Build the handler. A folder that is not there is logged; it may come later."""
    site = Site(options, context)

    async def handle(request: Request) -> Response:
        if request.source != "trigger":
            try:
                response = await site.answer(request)
            except (OSError, files.FileChanged) as error:
                problem = files.FileChanged(f"cannot read the file of {request.path}: {error}")
                response = report(context.log, problem, request.invocation.request_id).response()
            if response is not None:
                return response
        return await following(request)

    return handle


class Site:
    """A folder and the path that it appears under."""

    def __init__(self, options: Options, context: Context) -> None:
        self._context = context
        self._prefix = normal(options.prefix).rstrip("/")
        path = options.dir if options.dir.startswith("/") else f"{context.directory}/{options.dir}"
        self._folder = files.Folder(path, options.hidden)
        self._digests = files.Digests(context.loop)
        if (entry := self._folder.find(b"")) is None:
            context.log.write("warn", f"static: there is no folder {path}; see static.dir in up.yml")
        else:
            entry.close()

    async def answer(self, request: Request) -> Response | None:
        """Answer with the file at the request's path; None where there is none. Raises OSError, FileChanged."""
        path = relative(request.path, self._prefix)
        if path is None:
            return None
        wants_folder = not path or path.endswith("/")
        entry = self._find(path.rstrip("/"))
        if entry is None:
            return None
        if entry.is_directory:
            entry.close()
            index = f"{path.rstrip('/')}/{INDEX}".lstrip("/")
            entry = self._find(index)
            if entry is None or entry.is_directory:
                if entry is not None:
                    entry.close()
                return None
            if not request.path.endswith("/") and request.method in _METHODS:
                entry.close()
                return _with_slash(request)
            path = index
        elif wants_folder:
            entry.close()
            return None
        try:
            return await self._serve(request, path, entry)
        finally:
            entry.close()

    def _find(self, path: str) -> Entry | None:
        return self._folder.find(path.encode("utf-8", "surrogateescape"))

    async def _serve(self, request: Request, path: str, entry: Entry) -> Response:
        if request.method not in _METHODS:
            headers = Headers([("content-type", _PLAIN), ("allow", ", ".join(_METHODS)), ("cache-control", "no-store")])
            return Response(405, headers, b"Method Not Allowed\n")
        kind = media_type(path)
        variants = self._variants(path) if is_compressible(kind) else {}
        chosen = coding(accepted(request.headers, "accept-encoding"), tuple(variants))
        try:
            return await self._represent(request, path, kind, variants.get(chosen, entry), chosen, bool(variants))
        finally:
            for variant in variants.values():
                variant.close()

    def _variants(self, path: str) -> dict[str, Entry]:
        found = {}
        for name, suffix in CODINGS.items():
            entry = self._find(path + suffix)
            if entry is not None:
                if entry.is_directory:
                    entry.close()
                else:
                    found[name] = entry
        return found

    async def _represent(
        self, request: Request, path: str, kind: str, entry: Entry, chosen: str, varies: bool
    ) -> Response:
        is_coded = chosen in CODINGS
        digest, is_utf8 = await self._digests.of(entry)
        etag = f'"{digest}"'
        modified = entry.modified if entry.modified >= _EARLIEST else None
        headers = Headers([("etag", etag), ("cache-control", cache_control(path.rpartition("/")[2]))])
        if modified is not None:
            headers.add("last-modified", http_date(modified))
        if varies:
            headers.add("vary", "Accept-Encoding")
        if status := evaluate(request.headers, etag, modified):
            return Response(status, headers)
        headers.add("accept-ranges", "bytes")
        wanted = requested_range(request.headers, entry.size, etag, modified) if request.method == "GET" else None
        if wanted is not None and not wanted:
            headers.add("content-range", f"bytes */{entry.size}")
            headers.add("content-type", _PLAIN)
            return Response(416, headers, b"Range Not Satisfiable\n")
        # Text that is no UTF-8 says itself what it is, as HTML and XML can. Of compressed text there is no telling.
        headers.add("content-type", f"{kind}; charset=utf-8" if has_charset(kind) and (is_utf8 or is_coded) else kind)
        if is_coded:
            headers.add("content-encoding", chosen)
        if wanted is not None:
            headers.add("content-range", f"bytes {wanted.start}-{wanted.stop - 1}/{entry.size}")
        part = range(entry.size) if wanted is None else wanted
        headers.add("content-length", str(len(part)))
        response = Response(200 if wanted is None else 206, headers)
        if request.method == "GET":
            if request.source in self._context.streams:
                if len(part) > files.PIECE:
                    response.body = files.Content(entry, part.start, len(part))
                    return response
            elif too_large := self._too_large(request, len(part), is_text=is_text(kind) and not is_coded):
                return report(self._context.log, too_large, request.invocation.request_id).response()
            response.body = files.read(entry, part.start, len(part))
        return response

    def _too_large(self, request: Request, size: int, *, is_text: bool) -> FileTooLarge | None:
        """Tell in words when a body cannot fit into a buffered reply; near the limit, that shows when it is encoded."""
        who, limit = "Lambda", self._context.payload_limit
        if request.source in _LOAD_BALANCERS:
            who, limit = "the load balancer", _LOAD_BALANCER_LIMIT
        encoded = size if is_text else (size + 2) // 3 * 4
        if encoded <= limit:
            return None
        error = FileTooLarge(
            f"{request.path} takes {encoded} bytes of payload, where {who} takes {limit} in a buffered reply: stream "
            "it (endpoint: function_url, or rest_api with streaming), or send the client to a file on S3",
            limit=limit,
        )
        error.public = (
            f"This file takes {encoded} bytes of payload, and {who} allows {limit} in a buffered reply. "
            "Parts of it can be asked for with a Range field."
        )
        return error


def relative(path: str, prefix: str) -> str | None:
    """Return a raw path below the prefix as the name of a file or folder, without the slash before it.

    None for what is not below it, and for what cannot be a file that is served: with empty, hidden or dot segments,
    with slashes, backslashes or NUL in a segment. Bytes that are no UTF-8 become surrogates.
    """
    path = normal(path)
    if prefix:
        if not path.startswith(prefix) or path[len(prefix) : len(prefix) + 1] not in ("", "/"):
            return None
        path = path[len(prefix) :] or "/"
    segments = path[1:].split("/")
    for at, segment in enumerate(segments):
        if "%" in segment:
            segment = segments[at] = _decoded(segment)
        if not segment and at < len(segments) - 1:
            return None
        if segment.startswith(".") and not (at == 0 and segment.encode("utf-8", "replace") == files.WELL_KNOWN):
            return None
        if "/" in segment or "\\" in segment or "\0" in segment:
            return None
    return "/".join(segments)


def _decoded(segment: str) -> str:
    first, *rest = segment.split("%")
    decoded = first.encode()
    for part in rest:
        decoded += bytes((int(part[:2], 16),)) + part[2:].encode()
    return decoded.decode("utf-8", "surrogateescape")


def _with_slash(request: Request) -> Response:
    """Send the client to the folder's path, from which the links of its index are right."""
    location = f"{request.prefix}{request.path}/"
    if request.query:
        location += f"?{request.query}"
    return Response(301, Headers([("location", location), ("cache-control", CHECKED)]))
