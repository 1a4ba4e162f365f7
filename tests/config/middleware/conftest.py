"""What up.yml says of a middleware, as the manifest has it and as errors tell it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from upproxy.config import ConfigError, load


@pytest.fixture
def manifest(write: Callable[..., str]) -> Callable[..., dict[str, Any]]:
    """Return the manifest of an up.yml: `manifest(text, stage="production", **files)`."""

    def manifest(text: str, stage: str = "production", **files: str) -> dict[str, Any]:
        return load(write({"up.yml": f"name: x\n{text}", **files}), stage, command="./x").manifest()

    return manifest


@pytest.fixture
def told(write: Callable[..., str]) -> Callable[..., str]:
    """Return what is wrong with an up.yml, whose second line is the text's first: `told(text, **files)`."""

    def told(text: str, **files: str) -> str:
        folder = write({"up.yml": f"name: x\n{text}", **files})
        with pytest.raises(ConfigError) as caught:
            load(folder, command="./x").manifest()
        return str(caught.value).replace(f"{folder}/", "")

    return told
