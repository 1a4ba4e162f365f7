"""`python wsgi.py FD MODULE:ATTRIBUTE`: serve a WSGI app by waitress on an inherited listening socket.

Waitress's own `serve()` would reformat the app's log lines, reset connections after a freeze and cut off requests when
it is asked to end; hence the options and the loop here.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from upproxy.launchers import _upproxy_launch as launch

    App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

NEVER = 10**9  # seconds
JOINED = 65_536  # bytes of a body that are worth a copy to be sent with the head
GRACE = 2.0  # seconds for requests in flight to finish after SIGTERM

# Those not explained: https://docs.pylonsproject.org/projects/waitress/en/stable/arguments.html
OPTIONS = {
    "ident": None,
    # A connection that was idle over a freeze would be closed at the very moment when it is needed.
    "channel_timeout": NEVER,
    "cleanup_interval": NEVER,
    "connection_limit": 1_000,
    "asyncore_use_poll": True,
    # Bodies stay in memory, streams are held back instead of gathered.
    "recv_bytes": 65_536,
    "inbuf_overflow": 8 << 20,
    "outbuf_overflow": 1 << 30,
    "outbuf_high_watermark": 1 << 20,
    # The proxy in front is the only client, and has cleaned these fields; `front` reads them.
    "clear_untrusted_proxy_headers": False,
}


def front(app: App) -> App:
    """Tell the app where requests really come from, by the fields that the proxy sets."""
    from urllib.parse import unquote

    def fronted(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["SERVER_SOFTWARE"] = "waitress"  # without `ident` it is None, which no app expects
        if "HTTP_X_FORWARDED_PROTO" in environ:
            environ["wsgi.url_scheme"] = launch.forwarded(environ["HTTP_X_FORWARDED_PROTO"])
        if "HTTP_X_FORWARDED_PORT" in environ:
            environ["SERVER_PORT"] = launch.forwarded(environ["HTTP_X_FORWARDED_PORT"])
        if "HTTP_X_FORWARDED_FOR" in environ:
            host, port = launch.address(launch.forwarded(environ["HTTP_X_FORWARDED_FOR"]))
            environ["REMOTE_ADDR"] = environ["REMOTE_HOST"] = host
            environ["REMOTE_PORT"] = str(port)
        if "HTTP_X_FORWARDED_PREFIX" in environ:
            environ["SCRIPT_NAME"] = unquote(environ["HTTP_X_FORWARDED_PREFIX"].rstrip("/"), "latin-1")
        return app(environ, start_response)

    return fronted


def main(arguments: list[str]) -> None:
    """Serve until SIGTERM. Exits with 0 then, 1 when there is no app, 2 on wrong arguments, 3 without waitress."""
    listeners, name = launch.prepare(arguments)
    if len(listeners) > 1:
        launch.fail("waitress is given one socket", launch.USAGE)
    # Flask's `run()` at the end of a file starts no server then, as under its own `flask run`.
    os.environ["FLASK_RUN_FROM_CLI"] = "true"
    app = launch.import_app(name)
    del os.environ["FLASK_RUN_FROM_CLI"]
    # Only now, so that an app which configures logging for itself does not disable the server's.
    launch.import_server("waitress")
    serve(app, listeners[0])


def serve(app: App, listener: Any) -> None:
    """Answer requests until SIGTERM, then those that have begun."""
    import logging
    import signal
    import time

    from waitress import create_server, wasyncore  # type: ignore[import-untyped]
    from waitress.channel import HTTPChannel  # type: ignore[import-untyped]
    from waitress.task import WSGITask  # type: ignore[import-untyped]

    class Task(WSGITask):  # type: ignore[misc]
        def execute(self) -> None:
            try:
                super().execute()
            except Exception:
                raise
            except BaseException as error:  # sys.exit() in a view: waitress would never answer
                raise RuntimeError(f"the app raised {error!r} while answering") from error

        def write(self, data: bytes) -> None:
            """Send the head with the start of the body in one go: apart they would wake the reader twice."""
            if self.wrote_header or len(data) > JOINED:
                super().write(data)
                return
            self.channel.held = []
            try:
                super().write(data)
            finally:
                parts, self.channel.held = self.channel.held, None
            self.channel.write_soon(b"".join(parts))

    class Channel(HTTPChannel):  # type: ignore[misc]
        task_class = Task
        held: list[bytes] | None = None  # what a task writes, while it is to be sent together

        def write_soon(self, data: Any) -> int:
            if self.held is None:
                count: int = super().write_soon(data)
                return count
            self.held.append(data)
            return len(data)

        def is_busy(self) -> bool:
            """Whether a request is being read, answered or sent."""
            return bool(self.requests or self.request is not None or self.total_outbufs_len)

    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    connections: dict[int, Any] = {}
    # One thread for each request that the proxy can have under way.
    threads = max(4, int(os.environ.get("AWS_LAMBDA_MAX_CONCURRENCY") or 1))
    server = create_server(front(app), map=connections, sockets=[listener], threads=threads, **OPTIONS)
    server.channel_class = Channel
    asked_to_end = False

    def end(*_: object) -> None:
        nonlocal asked_to_end
        asked_to_end = True
        server.pull_trigger()

    signal.signal(signal.SIGTERM, end)
    while not asked_to_end:
        wasyncore.loop(server.adj.asyncore_loop_timeout, use_poll=True, map=connections, count=1)
    wasyncore.dispatcher.close(server)  # the listening socket alone: answers under way still need the loop
    give_up = time.monotonic() + GRACE
    while time.monotonic() < give_up and any(channel.is_busy() for channel in tuple(server.active_channels.values())):
        wasyncore.loop(0.1, use_poll=True, map=connections, count=1)


if __name__ == "__main__":  # the app's own processes may read this file too (multiprocessing)
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import _upproxy_launch as launch  # type: ignore[import-not-found,no-redef]

    main(sys.argv)
