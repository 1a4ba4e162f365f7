"""A launcher's process, started as the proxy does: in the app's folder, with inherited sockets."""

from __future__ import annotations

import contextlib
import http.client
import os
import pathlib
import signal
import socket
import subprocess
import sys
from typing import Self

from upproxy.proxy.upstream.spawn import UNIX_HAS_NAMES

LAUNCHERS = pathlib.Path(__file__).parents[2] / "upproxy" / "launchers"


class Launched:
    """A running launcher, killed with all that it started at the end of the `with` block."""

    def __init__(
        self, launcher: str, app: str, folder: pathlib.Path, *, python: str = sys.executable, **environment: str
    ) -> None:
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=128))
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            fds = [listener.fileno()]
            self.port: int = listener.getsockname()[1]
            self.name = b""  # of the unix socket
            if launcher == "asgi" and UNIX_HAS_NAMES:
                unix = stack.enter_context(socket.socket(socket.AF_UNIX))
                unix.bind("")
                unix.listen(128)
                fds.append(unix.fileno())
                self.name = unix.getsockname()
            self.process = subprocess.Popen(
                [python, str(LAUNCHERS / f"{launcher}.py"), ",".join(map(str, fds)), app],
                cwd=folder,
                env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **environment},
                pass_fds=fds,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self.process:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            if not self.process.stderr.closed:
                sys.stderr.write(self.process.stderr.read())  # shown when the test fails

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def request(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """One request on a connection of its own: status, header fields, body."""
        connection = self.connect()
        try:
            connection.request(method, path, body=body or None, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()

    def get(self, path: str = "/", headers: dict[str, str] | None = None) -> tuple[int, str]:
        status, _, body = self.request("GET", path, headers)
        return status, body.decode()

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def finish(self) -> tuple[int, str, str]:
        """Wait for the end: exit code, stdout and stderr."""
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


def segments(connection: socket.socket) -> int:
    """Return how many pieces of data a connection has got."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 156)
    return int.from_bytes(info[152:156], sys.byteorder)  # data_segs_in of Linux's struct tcp_info
