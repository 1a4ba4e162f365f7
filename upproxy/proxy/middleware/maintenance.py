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

    from ipaddress import IPv6Address, ip_address, ip_network

    allowed = [ip_network(network) for network in options.allow]

    async def handle(request: Request) -> Response:
        try:
            client = ip_address(request.client)  # what the event's source saw, not what a client says
        except ValueError:
            return await refuse(request)
        if isinstance(client, IPv6Address) and client.ipv4_mapped is not None:
            client = client.ipv4_mapped
        return await (following if any(client in network for network in allowed) else refuse)(request)

    return handle
