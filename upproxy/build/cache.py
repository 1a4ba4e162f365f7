"""Parts of artefacts that were built before, by a hash of all that they follow from."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from upproxy.build import archive
from upproxy.build.archive import Packed
from upproxy.build.source import LeftOut

FORMAT = 1  # of what is kept; with another nothing is found
KEPT = 30 * 24 * 3600  # seconds since the last use


class Part(NamedTuple):
    """A part of an artefact. `notes` are sentences for people, `left_out` is what was stripped."""

    members: list[Packed]
    notes: list[str]
    left_out: list[LeftOut]


def folder() -> str:
    """Return the folder of the cache."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "upproxy", "build")


def key(*parts: object) -> str:
    """Return the key of what follows from these alone."""
    return hashlib.sha256(json.dumps([FORMAT, *map(str, parts)]).encode()).hexdigest()


def recall(name: str) -> Part | None:
    """Return a part that is kept; None where there is none, or not whole."""
    there = os.path.join(folder(), name)
    try:
        with open(os.path.join(there, "notes.json"), encoding="utf-8") as file:
            said = json.load(file)
        path = os.path.join(there, "part.zip")
        if archive.digest(path) != said["sha256"]:
            return None
        members = archive.read(path)
        part = Part(members, said["notes"], [LeftOut(*entry) for entry in said["left_out"]])
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None
    with suppress(OSError):
        os.utime(there)
    return part


def keep(name: str, part: Part) -> None:
    """Keep a part, in one step, and drop what was not used for long. Raises OSError."""
    os.makedirs(folder(), mode=0o700, exist_ok=True)
    aside = tempfile.mkdtemp(prefix=".", dir=folder())
    try:
        path = os.path.join(aside, "part.zip")
        archive.write(path, part.members)
        digest = archive.digest(path)
        with open(os.path.join(aside, "notes.json"), "w", encoding="utf-8") as file:
            json.dump({"sha256": digest, "notes": part.notes, "left_out": part.left_out}, file)
        there = os.path.join(folder(), name)
        shutil.rmtree(there, ignore_errors=True)  # one that is not whole
        with suppress(OSError):  # another build was faster
            os.rename(aside, there)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    _drop_old()


def part(name: str, make: Callable[[], Part], *, anew: bool = False) -> Part:
    """Return what is kept under a name, else make it and keep it; with `anew` make it in any case."""
    if not anew and (found := recall(name)):
        return found
    made = make()
    keep(name, made)
    return made


def _drop_old() -> None:
    oldest = time.time() - KEPT
    with suppress(OSError), os.scandir(folder()) as entries:
        for entry in entries:
            if entry.stat().st_mtime < oldest:
                shutil.rmtree(entry.path, ignore_errors=True)
