"""`error_pages`: a page, or problem details (RFC 9457), in place of a bare error.

A bare error is a status of 400 or more with an empty body or a short plain text, which is what the proxy itself and
frameworks send when nobody has thought of more; the text is kept as the `detail`. What an app sends as HTML, JSON or
anything else is its own answer and stays, unless `override` asks for the page all the same. Clients that name
text/html in Accept get the page, those that rather have JSON the problem details, all others the error as it is. The
fields of the response stay but for those that are about the old body.
"""

from __future__ import annotations

from upproxy.proxy import options
from upproxy.proxy.lean import dumps
from upproxy.proxy.middleware.negotiation import accepted
from upproxy.proxy.middleware.representation import announced_length, forget_bytes, is_coded, media_type, vary
from upproxy.proxy.middleware.templates import Template

TYPE_CHECKING = False
if TYPE_CHECKING:
    from upproxy.proxy.messages import Request, Response
    from upproxy.proxy.middleware.context import Context, Handler

SHORT = 1024  # bytes of plain text that are a detail, not a page

PHRASES = {
    400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout",
    409: "Conflict", 410: "Gone", 411: "Length Required", 412: "Precondition Failed", 413: "Content Too Large",
    414: "URI Too Long", 415: "Unsupported Media Type", 416: "Range Not Satisfiable", 417: "Expectation Failed",
    418: "I'm a Teapot", 421: "Misdirected Request", 422: "Unprocessable Content", 423: "Locked",
    424: "Failed Dependency", 425: "Too Early", 426: "Upgrade Required", 428: "Precondition Required",
    429: "Too Many Requests", 431: "Request Header Fields Too Large", 451: "Unavailable For Legal Reasons",
    500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
    504: "Gateway Timeout", 505: "HTTP Version Not Supported", 506: "Variant Also Negotiates",
    507: "Insufficient Storage", 508: "Loop Detected", 510: "Not Extended", 511: "Network Authentication Required",
}  # fmt: skip
"""What each status is called (the HTTP status code registry; importing http would cost enums)."""

NAMES = ("status", "text", "detail", "request_id")
"""What every page may ask for, beside `variables.*`."""

ALIASES = {".StatusCode": "status", ".StatusText": "text"}
"""Up's names for them; its `.Variables.x` is `variables.x`."""

DEFAULT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{{ status }} {{ text }}</title>
<style>
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 36em; margin: 20vh auto 0; padding: 0 1.5em; }
h1 { font-size: 1.5em; }
h1 span { opacity: .5; }
small { opacity: .6; }
</style>
</head>
<body>
<h1><span>{{ status }}</span> {{ text }}</h1>
<p>{{ detail }}</p>
<p><small>Request {{ request_id }}</small></p>
</body>
</html>
"""

# What is about the body that was.
_OF_THE_BODY = (
    "content-type", "content-encoding", "content-language", "content-location", "content-disposition", "etag",
    "last-modified",
)  # fmt: skip


class Options(options.Options):
    """`pages` are templates by status (`404`), class (`4xx`, `5xx`) or, for all others, `error`."""

    pages: dict[str, str] = {}  # noqa: RUF012  # never changed in place
    variables: dict[str, str] = {}  # noqa: RUF012
    override: bool = False


def phrase(status: int) -> str:
    """Return what a status is called."""
    return PHRASES.get(status) or ("Client Error" if status < 500 else "Server Error")


def preferred(accepts: dict[str, float]) -> str:
    """Return what a client asks for by name: `html`, `json`, or nothing of the kind.

    The greater weight wins, then what was named first. Wildcards name nothing: every script sends them.
    """
    best, most = "", 0.0
    for kind, weight in accepts.items():
        name = ""
        if kind == "text/html":
            name = "html"
        elif kind == "application/json" or kind.endswith("+json"):
            name = "json"
        elif kind == "text/plain":
            name = "text"
        if name and weight > most:
            best, most = name, weight
    return "" if best == "text" else best


def detail_of(request: Request, response: Response) -> str | None:
    """Return what a bare error says beyond its status; None where the body is an answer of the app's own."""
    body, headers = response.body, response.headers
    if not isinstance(body, bytes) or is_coded(headers):
        return None
    size = len(body) if body or request.method != "HEAD" else announced_length(headers)
    if size == 0:
        return ""
    if media_type(headers) not in ("", "text/plain") or (size or 0) > SHORT:
        return None
    try:
        text = body.decode().strip()
    except UnicodeDecodeError:
        return None
    return "" if text.lower() in (phrase(response.status).lower(), str(response.status)) else text


class Pages:
    """The templates, each read when it is first needed."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._texts = {"error": DEFAULT, **texts}
        self._templates: dict[str, Template] = {}

    def for_status(self, status: int) -> Template:
        """Return the most specific page."""
        name = next(name for name in (str(status), f"{status // 100}xx", "error") if name in self._texts)
        if name not in self._templates:
            self._templates[name] = Template(self._texts[name])
        return self._templates[name]


def middleware(options: Options, following: Handler, context: Context) -> Handler:  # noqa: ARG001
    """Build the handler."""
    pages = Pages(options.pages)
    variables = {f"variables.{name}": value for name, value in options.variables.items()}
    variables.update({f".Variables.{name}": value for name, value in options.variables.items()})

    def page(status: int, detail: str, request_id: str) -> str:
        values = {"status": str(status), "text": phrase(status), "detail": detail, "request_id": request_id}
        values.update({alias: values[name] for alias, name in ALIASES.items()})
        return pages.for_status(status).render({**variables, **values})

    async def handle(request: Request) -> Response:
        response = await following(request)
        status = response.status
        if status < 400:
            return response
        detail = detail_of(request, response)
        wanted = preferred(accepted(request.headers, "accept"))
        if detail is None and not options.override:
            return response
        vary(response.headers, "Accept")
        if not wanted or (detail is None and wanted != "html"):
            return response
        detail = detail or ""
        request_id = request.invocation.request_id
        if wanted == "html":
            kind, text = "text/html; charset=utf-8", page(status, detail, request_id)
        else:
            kind, text = "application/problem+json", problem(status, detail, request_id)
        if not isinstance(response.body, bytes):
            response.body.close()
        forget_bytes(response.headers)
        response.headers.remove(*_OF_THE_BODY)
        response.headers.add("content-type", kind)
        response.body = text.encode()
        response.headers.add("content-length", str(len(response.body)))
        return response

    return handle


def problem(status: int, detail: str, request_id: str) -> str:
    """Write problem details: `type` is left to its default, by which the title is that of the status."""
    members = {"title": phrase(status), "status": status, "detail": detail, "request_id": request_id}
    return dumps({name: value for name, value in members.items() if value != ""})
