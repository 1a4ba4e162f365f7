"""A plain handler for AWS's own Python runtime: `upproxy.proxy.runtime.handler.handler`.

For those who cannot use an exec wrapper. It is buffered and takes one invocation at a time; the exec wrapper streams,
costs less a request, and watches over the app between invocations too.
"""

from __future__ import annotations

from time import monotonic, time

from upproxy.proxy.lean import loads
from upproxy.proxy.log import Log
from upproxy.proxy.manifest import ManifestError
from upproxy.proxy.messages import Invocation
from upproxy.proxy.middleware.failures import report
from upproxy.proxy.runtime.artefact import prepare, variable
from upproxy.proxy.runtime.process import INIT_LIMIT, Proxy
from upproxy.proxy.upstream.supervisor import FAILED
from upproxy.proxy.waiting import InPlace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WRAPPER = "use the exec wrapper instead: AWS_LAMBDA_EXEC_WRAPPER=/var/task/.upproxy/bootstrap"


class InitError(Exception):
    """The function cannot be initialised; AWS's runtime reports it as such."""


def _initialise() -> Proxy:
    started = monotonic()
    if variable("AWS_LAMBDA_MAX_CONCURRENCY") not in ("", "1"):
        raise InitError(f"the plain handler takes one invocation at a time; {_WRAPPER}")
    manifest, start = prepare()
    if manifest.events.streaming:
        raise InitError(f"the plain handler cannot stream, which the manifest asks for; {_WRAPPER}")
    log = Log()

    def on_error(error: Exception) -> None:
        report(log, error, "")

    loop = InPlace(on_error)
    try:
        proxy = Proxy(loop, log, manifest, None if start is None else start(0), start, started)
    except ManifestError as error:
        raise InitError(str(error)) from None
    loop.run(proxy.initialise(started + INIT_LIMIT))
    if proxy.supervisor.state == FAILED:
        reason = proxy.failure()[1]
        proxy.close()
        raise InitError(reason)
    return proxy


_proxy = _initialise()


def handler(event: Any, context: Any) -> Any:
    """Answer one event. `context` is AWS's; what is returned is the payload, as an object."""
    global _proxy
    if _proxy.supervisor.state == FAILED:  # after the limit of the initialisation: begin anew, as Lambda would
        _proxy.close()
        _proxy = _initialise()
    remaining_ms = context.get_remaining_time_in_millis()
    invocation = Invocation(
        context.aws_request_id,
        deadline=monotonic() + remaining_ms / 1000,
        deadline_ms=int(time() * 1000) + remaining_ms,
        arn=context.invoked_function_arn,
        trace_id=variable("_X_AMZN_TRACE_ID"),
    )
    payload = b""

    async def turn() -> None:
        nonlocal payload
        await _proxy.loop.pause()  # what happened to the app since the last invocation
        reply = await _proxy.entrypoint.handle(event, invocation)
        reply.finish()
        payload = reply.payload

    _proxy.loop.run(turn())
    return loads(payload)
