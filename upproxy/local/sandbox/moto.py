"""moto's server as a function: a request in, an answer out, in a thread. It has no address of its own."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote

from upproxy.local.environment import ACCOUNT
from upproxy.local.sandbox.errors import Answer

_THREADS = 8
_HOP_BY_HOP = frozenset(("connection", "keep-alive", "transfer-encoding", "upgrade"))


class Moto:
    """All services that we do not play ourselves. Importing moto takes a second or so."""

    def __init__(self) -> None:
        os.environ.setdefault("MOTO_DISABLE_GLOBAL_CORS", "true")
        os.environ.setdefault("MOTO_ACCOUNT_ID", ACCOUNT)
        from moto.backends import get_backend
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        self._application = DomainDispatcherApplication(create_backend_app)
        self._backend = get_backend
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="moto")

    def backend(self, service: str, region: str) -> Any:
        """Return the state of a service in a region; global ones have the region `aws`."""
        return self._backend(service)[ACCOUNT][region]  # type: ignore[call-overload]

    def knows(self, region: str) -> bool:
        """Whether there is such a region."""
        try:
            self.backend("logs", region)
        except KeyError:
            return False
        return True

    async def call(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Have moto answer a request."""
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, self._call, method, target, dict(headers), body
        )

    def close(self) -> None:
        """End its threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _call(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        path, _, query = target.partition("?")
        started: list[Any] = []
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path, encoding="latin-1"),
            "RAW_URI": target,
            "REQUEST_URI": target,
            "QUERY_STRING": query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": headers.get("Content-Type", ""),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.input_terminated": True,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()},
        }

        def start_response(status: str, fields: list[tuple[str, str]], *_: Any) -> Any:
            started[:] = [int(status.split(" ", 1)[0]), fields]
            return _ignore

        pieces = self._application(environ, start_response)
        try:
            content = b"".join(pieces)
        finally:
            if hasattr(pieces, "close"):
                pieces.close()
        fields = [(name, value) for name, value in started[1] if name.lower() not in _HOP_BY_HOP]
        return Answer(started[0], fields, content)


def _ignore(data: bytes) -> None:
    """Take what nobody writes that way (PEP 3333, the write callable)."""
