"""`python asgi.py FD[,FD] MODULE:ATTRIBUTE`: serve an ASGI app by uvicorn on inherited listening sockets.

Uvicorn's own `--fd` takes the socket for a unix one, hands it on to the app's children and knows no prefix by request.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from upproxy.launchers import _upproxy_launch as launch

    App = Callable[[dict[str, Any], Callable[..., Any], Callable[..., Any]], Awaitable[None]]

OPTIONS = {
    # The proxy writes a line for each request, and names the server to nobody.
    "access_log": False,
    "log_level": "warning",
    "server_header": False,
    # A connection that was idle over a freeze would be closed at the very moment when it is needed.
    "timeout_keep_alive": 10**6,
    "timeout_graceful_shutdown": 2,
    # The request's context travels in fields of several kB.
    "h11_max_incomplete_event_size": 262_144,
    # Lambda's events carry no WebSockets: their library need not be loaded.
    "ws": "none",
    # `front` reads the fields that the proxy sets, the prefix too.
    "proxy_headers": False,
}

NOBODY = ("127.0.0.1", 0)  # at either end of a unix socket, which has no addresses
JOINED = 65_536  # bytes of a body that are worth a copy to be sent with the head


def front(app: App) -> App:
    """Tell the app where requests really come from, by the fields that the proxy sets."""
    from urllib.parse import unquote

    async def fronted(scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        if scope["type"] == "http":
            scope["client"] = scope["client"] or NOBODY
            scope["server"] = scope["server"] or NOBODY
            for field, raw in scope["headers"]:
                if not field.startswith(b"x-forwarded-"):
                    continue
                value = raw.decode("latin-1")
                if field == b"x-forwarded-proto":
                    scope["scheme"] = launch.forwarded(value)
                elif field == b"x-forwarded-for":
                    scope["client"] = launch.address(launch.forwarded(value))
                elif field == b"x-forwarded-port" and raw.isdigit():
                    scope["server"] = scope["server"][0], int(value)
                elif field == b"x-forwarded-prefix":
                    # As uvicorn itself does with --root-path: the path of ASGI holds the prefix.
                    prefix = value.rstrip("/")
                    scope["root_path"] = unquote(prefix)
                    scope["path"] = scope["root_path"] + scope["path"]
                    scope["raw_path"] = prefix.encode("latin-1") + scope["raw_path"]
        await app(scope, receive, send)

    return fronted


class JoiningTransport:
    """A transport that sends the head of a response and the start of its body in one write.

    Uvicorn writes them one after the other, which wakes the reader twice. A head that nothing follows in the same turn
    of the event loop is sent at its end, so that a stream's is as early as ever.
    """

    def __init__(self, transport: Any, call_soon: Callable[..., Any]) -> None:
        self._transport = transport
        self._call_soon = call_soon
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes | memoryview) -> None:
        """Send bytes, or keep them for a moment if a response begins with them."""
        if self._head:
            if len(data) <= JOINED:
                data = self._head + data
            else:
                self._transport.write(self._head)
            self._head = b""
        elif data[:9] == b"HTTP/1.1 ":  # no startswith: an app may send a memoryview
            self._head = bytes(data)
            self._call_soon(self._flush)
            return
        self._transport.write(data)

    def close(self) -> None:
        """Close when all has been sent."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head:
            self.write(b"")


def joining(protocol: type[Any]) -> type[Any]:
    """Give uvicorn's protocol, whichever it has chosen, a transport that joins."""

    class Joining(protocol):  # type: ignore[misc]
        def connection_made(self, transport: Any) -> None:
            super().connection_made(JoiningTransport(transport, self.loop.call_soon))

    return Joining


def main(arguments: list[str]) -> None:
    """Serve until SIGTERM.

    Exits with 0 then, 1 when there is no app, 2 on wrong arguments, 3 without uvicorn or when the app's lifespan fails.
    """
    import signal

    listeners, name = launch.prepare(arguments)
    uvicorn = launch.import_server("uvicorn", "h11", "click", "typing_extensions")
    # Uvicorn sets up its loggers here, the app may then change them: the order of its own command.
    config = uvicorn.Config(app="", **OPTIONS)
    config.app = launch.import_app(name)
    config.load()
    config.loaded_app = front(config.loaded_app)
    config.http_protocol_class = joining(config.http_protocol_class)
    server = uvicorn.Server(config)
    # Having finished what was under way, uvicorn raises the signal again, to end by it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.run(sockets=listeners)
    sys.exit(0 if server.started else launch.NO_SERVER)


if __name__ == "__main__":  # the app's own processes may read this file too (multiprocessing)
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import _upproxy_launch as launch  # type: ignore[import-not-found,no-redef]

    main(sys.argv)
