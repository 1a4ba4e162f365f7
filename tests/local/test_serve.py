"""How `start` ends, whatever fails."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from upproxy.local import gateway
from upproxy.local.console import Console
from upproxy.local.failure import Failure
from upproxy.local.serve import Options, serve

SERVES = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'hello']\n"


def children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def options(folder: Path, source: str) -> Options:
    (folder / "app.py").write_text(source)
    (folder / "up.yml").write_text("name: shop\napp: app:app\nserver: waitress\n")
    return Options(directory=str(folder), port=0)


@pytest.mark.parametrize("source", [SERVES, "raise SystemExit(7)\n"])
async def test_a_gateway_that_does_not_open(tmp_path, monkeypatch, source):
    """It is told, and nothing is left behind."""
    closed = []

    async def start(*_):
        raise OSError(24, "Too many open files")

    async def close(*_):
        closed.append(True)

    monkeypatch.setattr(gateway.Gateway, "start", start)
    monkeypatch.setattr(gateway.Gateway, "close", close)
    before = children()
    with pytest.raises(OSError, match="Too many open files"):
        await serve(options(tmp_path, source), Console(io.StringIO(), readable=False, coloured=False), 30, print)
    assert children() == before
    assert closed == [True]


async def test_an_app_that_does_not_start(tmp_path):
    before = children()
    with pytest.raises(Failure, match="7"):
        await serve(
            options(tmp_path, "raise SystemExit(7)\n"),
            Console(io.StringIO(), readable=False, coloured=False), 30, print,
        )  # fmt: skip
    assert children() == before
