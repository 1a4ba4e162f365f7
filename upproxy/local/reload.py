"""Watches a project's folder for changes of its source."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import aclosing

from watchfiles import Change, DefaultFilter, awatch

DEBOUNCE = 300  # ms of quiet after which changes are reported together

_GENERATED = (".db", ".db-journal", ".log", ".pid", ".sqlite", ".sqlite3", ".sqlite3-journal", ".tmp")


class SourceFilter(DefaultFilter):
    """Lets through what may be source: nothing hidden, no virtual environment or cache, nothing that apps write."""

    ignore_dirs = (*DefaultFilter.ignore_dirs, "venv", "env", "dist", "build", ".tox", ".nox")

    def __init__(self, directory: str) -> None:
        super().__init__()
        self._directory = directory

    def __call__(self, change: Change, path: str) -> bool:
        """Decide on one path."""
        parts = os.path.relpath(path, self._directory).split(os.sep)
        hidden = any(part.startswith(".") for part in parts if part not in (os.curdir, os.pardir, ".env"))
        return not hidden and not path.endswith(_GENERATED) and super().__call__(change, path)


async def changes(directory: str, stop: asyncio.Event) -> AsyncIterator[list[str]]:
    """Yield the paths that have changed, relative to the folder, whenever some have, until stopped."""
    directory = os.path.realpath(directory)
    watching = awatch(directory, watch_filter=SourceFilter(directory), debounce=DEBOUNCE, step=50, stop_event=stop)
    async with aclosing(watching):
        async for found in watching:
            yield sorted({os.path.relpath(path, directory) for _, path in found})
