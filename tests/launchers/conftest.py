"""Write an app and start it through a launcher."""

from __future__ import annotations

import contextlib
import pathlib
import textwrap
from collections.abc import Callable, Iterator

import pytest

from tests.launchers.launched import Launched


@pytest.fixture
def launch(tmp_path: pathlib.Path) -> Iterator[Callable[..., Launched]]:
    """`launch(launcher, app, files, python=…, **environment)` writes the files (path -> source) and starts it there."""
    with contextlib.ExitStack() as stack:

        def start(launcher: str, app: str, files: dict[str, str], **rest: str) -> Launched:
            for name, source in files.items():
                path = tmp_path / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(textwrap.dedent(source))
            return stack.enter_context(Launched(launcher, app, tmp_path, **rest))

        yield start
