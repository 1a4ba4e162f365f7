"""The inferred commands of servers that take over a socket by themselves really serve."""

import http.client
import os
import socket
import subprocess
import sys

import pytest

from upproxy.config import load

APPS = {
    "gunicorn": (
        "from flask import Flask\ndef create_app():\n    app = Flask('x')\n    app.get('/')(lambda: 'hello')\n"
        "    return app\n"
    ),
    "hypercorn": (
        "from fastapi import FastAPI\ndef create_app():\n    app = FastAPI()\n    app.get('/')(lambda: 'hello')\n"
        "    return app\n"
    ),
}


@pytest.mark.parametrize("folder", ["", "src", "my-shop"])
@pytest.mark.parametrize("server", APPS)
def test_served(server, folder, write, tmp_path):
    files = {os.path.join(folder, "web.py"): APPS[server], "requirements.txt": server}
    command = load(write(files), python=sys.executable).app.command
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PORT")}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        argv = [word.replace("{fd}", str(listener.fileno())) for word in command]
        assert "web:create_app()" in argv
        with (
            open(tmp_path / "output", "wb") as output,
            subprocess.Popen(
                argv, cwd=tmp_path, env=environment, pass_fds=[listener.fileno()], stdout=output, stderr=output
            ) as process,
        ):
            try:
                connection = http.client.HTTPConnection(*listener.getsockname(), timeout=30)
                connection.request("GET", "/")
                response = connection.getresponse()
                assert (response.status, response.read().strip(b'"')) == (200, b"hello")
                connection.close()
            finally:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
