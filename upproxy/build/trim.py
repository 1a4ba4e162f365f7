"""What of installed packages nobody needs when they run."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator

from upproxy.build.interpreter import Interpreter
from upproxy.build.source import LeftOut

# Of the metadata nobody reads these when the app runs; METADATA, entry points, names and licences stay.
_METADATA = frozenset(
    (
        "INSTALLER",
        "RECORD",
        "RECORD.jws",
        "RECORD.p7s",
        "REQUESTED",
        "WHEEL",
        "direct_url.json",
        "uv_build.json",
        "uv_cache.json",
    )
)
_TESTS = "tests"  # not `test`, which may be for others' tests, as django.test is
_IMPORT = "import importlib, sys; sys.path.insert(0, sys.argv[1]); importlib.import_module(sys.argv[2])"
_IMPORT_LIMIT = 60  # seconds


def rule(path: str) -> str | None:
    """Return why a file of an installed package is left out, by its path in the folder of packages; None if not."""
    folder, name = os.path.split(path)
    if os.path.basename(folder) == "__pycache__" or name.endswith((".pyc", ".pyo")):
        return "bytecode of another place"
    if name.endswith(".pyi"):
        return "type stubs"
    if folder.endswith(".dist-info") and "/" not in folder and name in _METADATA:
        return "metadata that only installers read"
    if path == ".lock":
        return "uv's own"
    return None


def tests(folder: str, interpreter: Interpreter | None) -> list[LeftOut]:
    """Remove the folders of tests in packages, where a package is imported as well without them.

    Without an interpreter that can run the packages nothing is removed, nor where other files of the package name its
    tests in an import.
    """
    if interpreter is None:
        return []
    removed = []
    for package in sorted(os.listdir(folder)):
        found = sorted(_folders(folder, package))
        if not found or not package.isidentifier() or _needed(folder, package):
            continue
        with tempfile.TemporaryDirectory(dir=os.path.dirname(folder)) as aside:
            for number, path in enumerate(found):
                os.rename(os.path.join(folder, path), os.path.join(aside, str(number)))
            if _imports(folder, package, interpreter):
                removed += [LeftOut(f"{path}/", "tests of a package") for path in found]
                continue
            for number, path in enumerate(found):
                os.rename(os.path.join(aside, str(number)), os.path.join(folder, path))
    return removed


def _folders(root: str, package: str) -> Iterator[str]:
    """Go through the outermost folders of tests in a package."""
    for folder, folders, _ in os.walk(os.path.join(root, package)):
        if _TESTS in folders:
            folders.remove(_TESTS)
            yield os.path.relpath(os.path.join(folder, _TESTS), root)


_NAMED = re.compile(rb"^\s*(?:from|import)\s[^#\n]*\btests\b", re.MULTILINE)


def _needed(root: str, package: str) -> bool:
    """Whether a file outside the tests imports from something called so."""
    for folder, folders, files in os.walk(os.path.join(root, package)):
        folders[:] = [name for name in folders if name != _TESTS]
        for name in files:
            if name.endswith(".py"):
                with open(os.path.join(folder, name), "rb") as file:
                    if _NAMED.search(file.read()):
                        return True
    return False


def _imports(folder: str, package: str, interpreter: Interpreter) -> bool:
    with tempfile.TemporaryDirectory() as elsewhere:
        try:
            done = subprocess.run(
                [interpreter.path, "-I", "-B", "-c", _IMPORT, folder, package],
                cwd=elsewhere,
                env={"HOME": elsewhere, "PATH": os.defpath},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_IMPORT_LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
    return done.returncode == 0
