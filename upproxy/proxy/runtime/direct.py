"""Messages of our own: direct invocations with the single key `upproxy`, which nothing that comes over HTTP can forge.

`{"upproxy": {"warm": {"hold_ms": 75}}}`, `{"upproxy": {"health": {"path": "/", "timeout": 10}}}`, and `exec`, which has
a module of its own.
"""

from __future__ import annotations

from time import monotonic

from upproxy.proxy.errors import ProxyError
from upproxy.proxy.messages import Headers, Invocation, Request
from upproxy.proxy.upstream.client import MARGIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from upproxy.proxy.log import Log
    from upproxy.proxy.manifest import Manifest
    from upproxy.proxy.messages import Response
    from upproxy.proxy.runtime.instance import Instance
    from upproxy.proxy.upstream.absent import NoApp
    from upproxy.proxy.upstream.supervisor import Supervisor
    from upproxy.proxy.waiting import Loop

    Handler = Callable[[Request], Coroutine[Any, Any, Response]]

HOLD_MOST = 1_000  # ms
EXCERPT = 2_000  # bytes of an unhealthy answer that are passed on


def message_of(event: object) -> dict[str, Any] | None:
    """Return the message if the event is one of ours: an HTTP event has other keys, whatever its client sends."""
    if isinstance(event, dict) and len(event) == 1:
        message = event.get("upproxy")
        if isinstance(message, dict):
            return message
    return None


class DirectMessages:
    """Answers them. The health check asks the app itself, past every middleware."""

    def __init__(
        self,
        loop: Loop,
        log: Log,
        manifest: Manifest,
        instance: Instance,
        supervisor: Supervisor | NoApp,
        upstream: Handler,
        initialise: Callable[[float], Coroutine[Any, Any, None]],
    ) -> None:
        """`initialise` waits for the app until a `time.monotonic()` moment."""
        self._loop = loop
        self._log = log
        self._manifest = manifest
        self._instance = instance
        self._supervisor = supervisor
        self._upstream = upstream
        self._initialise = initialise

    async def answer(self, message: dict[str, Any], invocation: Invocation) -> dict[str, Any]:
        """Answer a message. Raises ProxyError for one that this version does not know."""
        if len(message) == 1:
            (name, options) = next(iter(message.items()))
            if isinstance(options, dict):
                if name == "warm":
                    return await self._warm(options, invocation)
                if name == "health":
                    return await self._health(options, invocation)
                if name == "exec":
                    return await self._exec(options, invocation)
        raise ProxyError(f"an unknown message: {', '.join(map(str, message)) or 'an empty one'}")

    async def _warm(self, options: dict[str, Any], invocation: Invocation) -> dict[str, Any]:
        """Hold this instance for a moment, so that parallel messages land on others; say which one it is.

        An app that took longer to start than an initialisation may is waited for: frozen now, it would stay cold.
        """
        last = invocation.deadline - MARGIN
        if not self._instance.init_ms:
            await self._initialise(last)
        answer = self._instance.describe()
        hold_ms = options.get("hold_ms", 0)
        if isinstance(hold_ms, int | float) and hold_ms > 0:
            await self._loop.sleep_until(min(monotonic() + min(hold_ms, HOLD_MOST) / 1000, last))
        return answer

    async def _health(self, options: dict[str, Any], invocation: Invocation) -> dict[str, Any]:
        path = options.get("path", self._manifest.health.path)
        timeout = options.get("timeout", self._manifest.health.timeout)
        if not (isinstance(path, str) and path.startswith("/") and path.isascii() and path.isprintable()):
            raise ProxyError("a health check needs a path that starts with /")
        if " " in path or not isinstance(timeout, int | float):
            raise ProxyError("a health check needs a path without spaces, and a timeout in seconds")
        bounded = _bounded(invocation, timeout)
        path, _, query = path.partition("?")
        headers = Headers([("host", "localhost"), ("user-agent", "upproxy-health"), ("accept", "*/*")])
        started = monotonic()
        answer: dict[str, Any] = {"instance": self._instance.describe()}
        try:
            request = Request("GET", path, query, headers, b"", invocation=bounded, source="upproxy")
            response = await self._upstream(request)
            body = response.body
            if not isinstance(body, bytes):
                stream, body = body, b""
                try:
                    async for part in stream:
                        body = part
                        break
                finally:
                    stream.close()
            answer["status"] = response.status
            if response.status >= 400:
                answer["body"] = body[:EXCERPT].decode("utf-8", "replace")
        except ProxyError as error:
            answer["status"] = error.status
            answer["error"] = str(error)
        answer["duration_ms"] = round((monotonic() - started) * 1000, 1)
        return answer

    async def _exec(self, options: dict[str, Any], invocation: Invocation) -> dict[str, Any]:
        from upproxy.proxy.runtime.exec import execute

        return await execute(self._loop, self._log, self._manifest, self._supervisor, options, invocation)


def _bounded(invocation: Invocation, timeout: float) -> Invocation:
    """Return the invocation with an earlier end."""
    return Invocation(
        invocation.request_id,
        deadline=min(invocation.deadline, monotonic() + timeout),
        deadline_ms=invocation.deadline_ms,
        arn=invocation.arn,
        trace_id=invocation.trace_id,
    )
