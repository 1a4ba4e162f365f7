"""A limit for the bodies of HTTP requests."""

from __future__ import annotations

from upproxy.proxy import options
from upproxy.proxy.errors import ProxyError
from upproxy.proxy.middleware.failures import report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from upproxy.proxy.messages import Request, Response
    from upproxy.proxy.middleware.context import Context, Handler


class Options(options.Options):
    """The most `bytes` that a body may have."""

    bytes: int


class BodyTooLarge(ProxyError):
    """The body is larger than up.yml allows."""

    status = 413
    public = "The request's body is too large"


def middleware(options: Options, following: Handler, context: Context) -> Handler:
    """Build the handler."""
    most = options.bytes

    async def handle(request: Request) -> Response:
        size = len(request.body)
        if size <= most or request.source == "trigger":  # events are AWS's own, not what a client sends
            return await following(request)
        error = BodyTooLarge(f"a body of {size} bytes, where `max_body` allows {most}", limit=most)
        return report(context.log, error, request.invocation.request_id).response()

    return handle
