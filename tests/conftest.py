"""What holds for every test."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import botocore.session
import pytest
from botocore.loaders import Loader, create_loader

# What a person or a build server may have set, and what would change what the tests see. Without bytecode, each of the
# hundreds of processes that tests start would compile the package anew.
for _name in ("CI", "COLUMNS", "FORCE_COLOR", "NO_COLOR", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "TERM"):
    os.environ.pop(_name, None)


def _sharing(*paths: str) -> Loader:
    """Make a loader of the descriptions of AWS's services, of which each of the many sessions would read megabytes."""
    loader = create_loader(*paths)
    loader._cache = _DESCRIPTIONS
    return loader


_DESCRIPTIONS: dict[object, object] = {}
botocore.session.create_loader = _sharing


@pytest.fixture(autouse=True)
def no_wakeup_descriptor_left() -> Iterator[None]:
    """Find the loop that was not closed: signals would be written to whoever has its descriptor's number next."""
    yield
    assert signal.set_wakeup_fd(-1) == -1
