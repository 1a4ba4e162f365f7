"""What stands in the app's place in a site of files alone."""

from __future__ import annotations

from upproxy.proxy.messages import Headers, Response
from upproxy.proxy.upstream.supervisor import READY
from upproxy.proxy.waiting import Waitable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from upproxy.proxy.messages import Request


class NoApp:
    """Supervisor, client and output of an app that does not exist: always ready, and nothing is found in it."""

    state = READY
    alive = False
    pid = 0
    reason = ""

    def __init__(self) -> None:
        self.changed = Waitable()
        self.tail: list[str] = []

    async def __call__(self, request: Request) -> Response:  # noqa: ARG002
        """Answer that there is nothing at the request's path."""
        headers = Headers([("content-type", "text/plain; charset=utf-8"), ("cache-control", "no-store")])
        return Response(404, headers, b"Not Found\n")

    def stop(self) -> None:
        """There is nothing to stop."""

    def drain(self) -> None:
        """Nothing is printed."""

    def drop_connections(self) -> None:
        """There are none."""

    def close(self) -> None:
        """Nothing is left behind."""
