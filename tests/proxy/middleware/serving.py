"""A chain that is asked with requests as they are, for paths and methods that no source would let through."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

from upproxy.proxy import chain
from upproxy.proxy.log import Log
from upproxy.proxy.messages import Headers, Invocation, Request, Response
from upproxy.proxy.middleware.context import Context
from upproxy.proxy.waiting import InPlace


class Chain:
    """The real chain around an app that is a function; `seen` are the requests that came to it."""

    def __init__(
        self, directory: Path, sections: dict[str, Any], app: Callable[[Request], Response], streams: frozenset[str]
    ) -> None:
        self.loop = InPlace(self._raise)
        self.seen: list[Request] = []
        context = Context(log=Log(), loop=self.loop, stage="staging", directory=str(directory), streams=streams)

        async def upstream(request: Request) -> Response:
            self.seen.append(request)
            return app(request)

        self._handler = chain.build(upstream, sections, context)

    @staticmethod
    def _raise(error: Exception) -> None:
        raise error

    def ask(
        self, path: str, method: str = "GET", *, query: str = "", source: str = "function_url", body: bytes = b"",
        prefix: str = "", **fields: str,
    ) -> Response:  # fmt: skip
        """Ask; a streamed body is gathered, and `pieces` of it are counted in `self.pieces`."""
        headers = Headers((name.replace("_", "-"), value) for name, value in fields.items())
        invocation = Invocation("request-1", deadline=monotonic() + 30)
        request = Request(
            method, path, query, headers, body, invocation=invocation, source=source, prefix=prefix, context={}
        )
        found: list[Response] = []

        async def turn() -> None:
            response = await self._handler(request)
            self.pieces = 0
            if not isinstance(response.body, bytes):
                try:
                    parts = [part async for part in response.body]
                finally:
                    response.body.close()
                self.pieces = len(parts)
                response.body = b"".join(parts)
            found.append(response)

        self.loop.run(turn())
        return found[0]

    def close(self) -> None:
        self.loop.close()


def nothing(request: Request) -> Response:
    return Response(404, Headers([("content-type", "text/plain")]), b"the app has nothing")
