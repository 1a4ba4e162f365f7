"""Turn what fails below into a response, and into a log line that says why."""

from __future__ import annotations

from upproxy.proxy.errors import ProxyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from upproxy.proxy.log import Log
    from upproxy.proxy.messages import Request, Response
    from upproxy.proxy.middleware.context import Handler


def report(log: Log, error: Exception, request_id: str) -> ProxyError:
    """Log a failure; return it as an error that knows its answer. One that nobody foresaw is logged with its trace."""
    if isinstance(error, ProxyError):
        log.write(error.level, str(error), error=type(error).__name__, request_id=request_id, **error.fields)
        return error
    import traceback  # 20 ms, paid by bugs only

    trace = "".join(traceback.format_exception(error))
    message = f"an error in the proxy: {type(error).__name__}: {error}"  # its repr may hold a whole request
    log.write("error", message, error="Internal", request_id=request_id, trace=trace)
    return ProxyError("an error in the proxy")


def middleware(log: Log, following: Handler) -> Handler:
    """Build the handler."""

    async def handle(request: Request) -> Response:
        try:
            return await following(request)
        except Exception as error:  # noqa: BLE001
            return report(log, error, request.invocation.request_id).response()

    return handle
