"""The order of the middleware, a reason beside each position. Nowhere else is an order decided."""

from __future__ import annotations

from upproxy.proxy.middleware import failures

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from upproxy.proxy.log import Log
    from upproxy.proxy.messages import Request, Response

    Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def build(upstream: Handler, *, log: Log) -> Handler:
    """Put the chain around the handler that asks the app. The last one added is the first that sees a request."""
    return failures.middleware(log, upstream)  # whatever fails at the app becomes a response that the rest can work on
