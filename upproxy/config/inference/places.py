"""Where app objects are looked for, in this order."""

from __future__ import annotations

import os
from collections.abc import Iterator

FILES = ("app", "main", "wsgi", "asgi", "application", "server", "run", "api", "web", "index")
"""Files of the project folder and of each folder in it."""

SKIPPED = frozenset(
    (
        "__pycache__", "alembic", "build", "dist", "doc", "docs", "env", "examples", "migrations", "node_modules",
        "site-packages", "test", "tests", "vendor", "venv",
    )
)  # fmt: skip
MAX_DEPTH = 5
MAX_FILES = 2_000
_SIGNS = (b"Flask", b"FastAPI", b"Starlette", b"Quart", b"Litestar", b"Bottle", b"falcon")


def usual(directory: str) -> Iterator[str]:
    """Go through the usual files that exist: of the folder, of its packages, of src and of the packages in src."""
    yield from _here(directory, "", package=False)
    for folder in folders(directory, ""):
        yield from _here(directory, folder, package=folder != "src")
    for folder in folders(directory, "src"):
        yield from _here(directory, folder, package=True)


def _here(directory: str, folder: str, *, package: bool) -> Iterator[str]:
    for name in (*(["__init__"] if package else []), *FILES):
        file = os.path.join(folder, name + ".py")
        if os.path.isfile(os.path.join(directory, file)):
            yield file


def everywhere(directory: str) -> Iterator[str]:
    """Go through other Python files that name a framework, nearest first; a bounded number of files and levels."""
    level, seen = [""], 0
    for _ in range(MAX_DEPTH):
        below: list[str] = []
        for folder in level:
            for name in _listed(os.path.join(directory, folder)):
                file = os.path.join(folder, name)
                if not name.endswith(".py") or name.startswith(("test_", "conftest")):
                    continue
                seen += 1
                if seen > MAX_FILES:
                    return
                if name.removesuffix(".py").isidentifier() and _names_framework(os.path.join(directory, file)):
                    yield file
            below += folders(directory, folder)
        level = below


def folders(directory: str, folder: str) -> list[str]:
    """Return the folders in a folder, without hidden ones, environments and what holds no app; `app` comes first."""
    names = []
    for name in _listed(os.path.join(directory, folder)):
        path = os.path.join(directory, folder, name)
        if name.startswith(".") or name in SKIPPED or not os.path.isdir(path) or os.path.islink(path):
            continue
        if not os.path.exists(os.path.join(path, "pyvenv.cfg")):
            names.append(name)
    return [os.path.join(folder, name) for name in sorted(names, key=lambda name: (name != "app", name))]


def _listed(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def _names_framework(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            content = file.read(1_000_000)
    except OSError:
        return False
    return any(sign in content for sign in _SIGNS)
