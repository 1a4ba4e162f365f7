"""An answer in place of the app while somebody works on it."""

from __future__ import annotations

from upproxy.proxy import options
from upproxy.proxy.errors import ProxyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from upproxy.proxy.messages import Request, Response
    from upproxy.proxy.middleware.context import Context, Handler


class Options(options.Options):
    """`retry_after` is in seconds; clients of the networks in `allow` reach the app."""

    retry_after: int
    allow: list[str] = []  # noqa: RUF012  # never changed in place


class Maintenance(ProxyError):
    """The app is not to be asked now."""

    status = 503
    public = "Down for maintenance, please try again later"


def middleware(options: Options, following: Handler, context: Context) -> Handler:  # noqa: ARG001
    """Build the handler."""
    retry_after = str(options.retry_after)

    async def refuse(request: Request) -> Response:  # noqa: ARG001
        response = Maintenance("maintenance").response()
        response.headers.set("retry-after", retry_after)
        return response

    if not options.allow:
        return refuse

    from upproxy.proxy.middleware.networks import Networks, address_of

    allowed = Networks(options.allow)

    async def handle(request: Request) -> Response:
        address = address_of(request.client)  # as the event's source saw it, not as a client says
        return await (refuse if address is None or address not in allowed else following)(request)

    return handle
