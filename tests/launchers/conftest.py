"""Run a launcher as the proxy does: in the app's folder, with an inherited socket, in an interpreter of the app's."""

from __future__ import annotations

import http.client
import os
import pathlib
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator

import pytest

LAUNCHERS = pathlib.Path(__file__).parents[2] / "upproxy" / "launchers"


class Launched:
    """A launcher's process, and the port of the socket that it has inherited."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def get(self, path: str = "/", headers: dict[str, str] | None = None) -> tuple[int, str]:
        connection = self.connect()
        try:
            connection.request("GET", path, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def finish(self) -> tuple[int, str, str]:
        """Wait for the end: exit code, stdout and stderr."""
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


Launch = Callable[..., Launched]


@pytest.fixture
def launch(tmp_path: pathlib.Path) -> Iterator[Launch]:
    """`launch(launcher, app, files, python=…, **environment)` writes the files (path -> source) and starts it there."""
    launched = []

    def start(
        launcher: str,
        app: str,
        files: dict[str, str],
        *,
        python: str = sys.executable,
        **environment: str,
    ) -> Launched:
        for name, source in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(source))
        with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            process = subprocess.Popen(
                [python, str(LAUNCHERS / f"{launcher}.py"), str(listener.fileno()), app],
                cwd=tmp_path,
                env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **environment},
                pass_fds=[listener.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            launched.append(Launched(process, listener.getsockname()[1]))
        return launched[-1]

    yield start
    for one in launched:
        with one.process:
            try:
                os.killpg(one.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            if not one.process.stderr.closed:
                sys.stderr.write(one.process.stderr.read())  # shown when the test fails
