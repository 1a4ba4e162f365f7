"""Header fields that responses get beside their own, whoever made them."""

from __future__ import annotations

from upproxy.proxy import options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from upproxy.proxy.messages import Request, Response
    from upproxy.proxy.middleware.context import Context, Handler


class Options(options.Options):
    """Fields by lower-case name, their values as bytes in latin-1. An empty value takes the field away.

    `defaults` are for responses that have no such field, `hsts` is the Strict-Transport-Security among them, which
    only counts over TLS. `paths` are patterns, the most specific last, whose fields replace the response's own;
    `always` replace them all.
    """

    defaults: dict[str, str] = {}  # noqa: RUF012  # never changed in place
    hsts: str = ""
    paths: dict[str, dict[str, str]] = {}  # noqa: RUF012
    always: dict[str, str] = {}  # noqa: RUF012


def middleware(options: Options, following: Handler, context: Context) -> Handler:  # noqa: ARG001
    """Build the handler."""
    always = options.always
    if not (options.defaults or options.hsts or options.paths):  # a stage that only keeps robots away: most of them

        async def mark(request: Request) -> Response:
            response = await following(request)
            _replace(response, always)
            return response

        return mark

    from upproxy.proxy.middleware.patterns import Pattern, normal

    defaults, hsts = options.defaults, options.hsts
    paths = [(Pattern(text), fields) for text, fields in options.paths.items()]

    async def handle(request: Request) -> Response:
        path = normal(request.path)  # before the chain goes on: a rewrite changes it
        secure = request.scheme == "https"
        response = await following(request)
        headers = response.headers
        for name, value in defaults.items():
            if name not in headers:
                headers.add(name, value)
        if hsts and secure and "strict-transport-security" not in headers:  # RFC 6797 section 7.2
            headers.add("strict-transport-security", hsts)
        for pattern, fields in paths:
            if pattern.match_normal(path) is not None:
                _replace(response, fields)
        _replace(response, always)
        return response

    return handle


def _replace(response: Response, fields: dict[str, str]) -> None:
    for name, value in fields.items():
        if value:
            response.headers.set(name, value)
        else:
            response.headers.remove(name)
