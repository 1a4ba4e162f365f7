"""Asking for another target than the client did, which stays the one that is logged."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from upproxy.proxy.messages import Request, Response
    from upproxy.proxy.middleware.context import Handler


async def ask_for(path: str, query: str, request: Request, following: Handler) -> Response:
    """Let the chain go on with a request as if it were for a raw path and query; it is itself again afterwards."""
    sent = request.path, request.query
    request.path, request.query = path, query
    try:
        return await following(request)
    finally:
        request.path, request.query = sent
