"""A site without an app, and files beside one, in the real runtime process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.ways import Lambda, manifest
from tests.proxy.middleware.chaining import EVERY_SOURCE
from upproxy.local.sources import HttpRequest

Starter = Callable[..., Lambda]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Starter]:
    (tmp_path / "index.html").write_text("<p>home</p>")
    (tmp_path / "large.bin").write_bytes(bytes(range(256)) * 40_000)
    started: list[Lambda] = []

    def start(*, streaming: bool, **more: Any) -> Lambda:
        document = manifest("", streaming=streaming, middleware={"static": {"dir": "."}, **more})
        document["upstream"] = None
        started.append(Lambda(document, tmp_path, directory=tmp_path))
        return started[-1]

    yield start
    for one in started:
        one.close()


def get(path: str) -> HttpRequest:
    return HttpRequest("GET", path, [(b"host", b"x.example")], b"", "203.0.113.7", "x.example", 443, "https")


@pytest.mark.parametrize("streaming", [False, True])
def test_site_without_an_app(site: Starter, streaming: bool) -> None:
    rule = {"path": "/pages/*", "location": "/index.html", "status": 200, "force": False}
    one = site(streaming=streaming, redirects={"rules": [rule]})
    one.ready()
    size = 256 * 40_000
    for source in EVERY_SOURCE:
        assert one.send(source, get("/")).body == b"<p>home</p>"
        assert one.send(source, get("/pages/1")).body == b"<p>home</p>"
        assert one.send(source, get("/missing")).status == 404
        large = one.send(source, get("/large.bin"))
        if streaming and source in ("function_url", "rest_api"):
            assert (large.status, len(large.body)) == (200, size)
        else:
            assert large.status == 502
            assert (b"1000000" if source == "alb" else b"6291556") in large.body
    health = one.invoke({"upproxy": {"health": {"path": "/"}}})
    assert b'"status":200' in health.payload
    one.terminate()
    assert one.exited() == 0
