from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.ways import Lambda, manifest

APP = [sys.executable, str(Path(__file__).parent / "app.py"), "{fd}"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Lambda]]:
    """Start runtime processes; each is stopped at the end."""
    started: list[Lambda] = []

    def start_one(
        command: list[str] | str = APP, *, slots: int = 1, environment: dict[str, str] | None = None, **parts: Any
    ) -> Lambda:
        one = Lambda(manifest(command, **parts), tmp_path, slots=slots, environment=environment)
        started.append(one)
        return one

    yield start_one
    for one in started:
        one.close()
