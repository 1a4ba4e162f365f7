"""Chains that a test builds; each is closed in the end."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.proxy.middleware.chaining import Chain, Upstream
from upproxy.proxy.messages import Request, Response


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Callable[..., Chain]]:
    """Build chains: `chain(sections, upstream, streaming=False, stage="production", directory=tmp_path)`."""
    built: list[Chain] = []

    def build(
        sections: dict[str, Any],
        upstream: Callable[[Request], Coroutine[Any, Any, Response]] | None = None,
        *,
        streaming: bool = False,
        stage: str = "production",
        directory: Path = tmp_path,
    ) -> Chain:
        built.append(Chain(sections, upstream or Upstream(), streaming=streaming, stage=stage, directory=directory))
        return built[-1]

    yield build
    for one in built:
        one.close()
