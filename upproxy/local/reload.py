"""Watches a project's folder for changes of its source."""

from __future__ import annotations

import asyncio
import glob
import os
from collections.abc import AsyncGenerator, Iterable
from contextlib import suppress

from watchfiles import Change, DefaultFilter, awatch

DEBOUNCE = 300  # ms of quiet after which changes are reported together

_GENERATED = (".db", ".db-journal", ".log", ".pid", ".sqlite", ".sqlite3", ".sqlite3-journal", ".tmp")


class SourceFilter(DefaultFilter):
    """Lets through what may be source: nothing hidden, no virtual environment or cache, nothing that apps write."""

    ignore_dirs = (*DefaultFilter.ignore_dirs, "venv", "env")

    def __init__(self, directory: str) -> None:
        super().__init__()
        self.directory = os.path.realpath(directory)

    def relative(self, path: str) -> str:
        """Return the path as seen from the folder."""
        return os.path.relpath(path, self.directory)

    def __call__(self, change: Change, path: str) -> bool:
        """Decide on one path."""
        parts = self.relative(path).split(os.sep)
        hidden = any(part.startswith(".") for part in parts)
        return not hidden and not path.endswith(_GENERATED) and super().__call__(change, path)


async def changes(directory: str) -> AsyncGenerator[list[str], None]:
    """Yield an empty list once it watches, then the paths that have changed, relative to the folder, until closed.

    The bytecode beside them is gone by then. What changes while the consumer is at work is yielded afterwards.
    """
    source = SourceFilter(directory)
    # It gets no event to stop by, since it would set that itself when it is closed.
    watching = awatch(source.directory, watch_filter=source, debounce=DEBOUNCE)
    upcoming = asyncio.ensure_future(anext(watching))
    try:
        await asyncio.sleep(0)  # its first step begins to watch
        yield []
        while True:
            paths = {path for _, path in await upcoming}
            _remove_bytecode(paths)
            yield sorted(map(source.relative, paths))
            upcoming = asyncio.ensure_future(anext(watching))
    finally:
        upcoming.cancel()
        await asyncio.wait({upcoming})
        await watching.aclose()


def _remove_bytecode(paths: Iterable[str]) -> None:
    """Let changed modules be compiled anew.

    Python takes bytecode for a source of the same size and the same whole second (PEP 3147, PEP 552), so that of two
    changes within a second the app would keep the first.
    """
    for path in paths:
        folder, name = os.path.split(path)
        module, extension = os.path.splitext(name)
        if extension == ".py":
            pattern = os.path.join(glob.escape(folder), "__pycache__", f"{glob.escape(module)}.*.pyc")
            for bytecode in glob.iglob(pattern):
                with suppress(OSError):  # not ours, or gone by itself
                    os.unlink(bytecode)
