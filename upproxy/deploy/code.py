"""The zip of a release: in memory, known by its digest."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from upproxy.aws.artefacts import Artefacts
from upproxy.build import archive, size
from upproxy.build.archive import Packed
from upproxy.build.artefact import MANIFEST, manifest_member
from upproxy.build.errors import BuildError

_MB = 1_000_000


@dataclass(frozen=True)
class Code:
    """A zip. `function` is the name of what it is for, under which it is kept where it goes through S3."""

    function: str
    content: bytes = field(repr=False)

    @classmethod
    def of(cls, function: str, members: Sequence[Packed]) -> Code:
        """Put the files of an artefact together. Raises BuildError, also for more than Lambda takes."""
        unzipped = size.total(members).unzipped
        if unzipped > size.MAX_UNZIPPED:
            raise BuildError(size.warnings(members)[0], "`upproxy build --size` shows what makes it large.")
        return cls(function, archive.content(members))

    def with_manifest(self, function: str, manifest: Mapping[str, Any]) -> Code:
        """Return the same code for another stage: all of it but the manifest as it is. Raises BuildError."""
        try:
            members = archive.members(self.content)
        except zipfile.BadZipFile as error:
            raise BuildError(f"what is deployed is no zip: {error}") from None
        found = next((one for one in members if one.name == MANIFEST), None)
        if found is None:
            raise BuildError(f"what is deployed has no {MANIFEST}: it was not built by upproxy")
        if _built_for(json.loads(archive.unpacked(found))) != _built_for(manifest):
            raise BuildError(
                "the stages differ in what starts the app or checks tokens, so that they need builds of their own",
                "Deploy the stage instead of promoting to it.",
            )
        own = archive.pack([manifest_member(manifest)])
        return Code.of(function, [*(one for one in members if one is not found), *own])

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return len(self.content)

    @functools.cached_property
    def sha256(self) -> str:
        """Its digest as Lambda tells it: SHA-256 in base64."""
        return base64.b64encode(hashlib.sha256(self.content).digest()).decode()

    @property
    def key(self) -> str:
        """Its name in S3, which follows from what is in it."""
        return key(self.function, self.sha256)

    def sent(self, artefacts: Artefacts, report: Callable[[str], None]) -> dict[str, Any]:
        """Return the code under the names of Lambda's API, uploaded to S3 before where it is too large for a call."""
        if self.size <= size.MAX_UPLOAD:
            return {"ZipFile": self.content}
        artefacts.ready()
        if not artefacts.has(self.key):
            artefacts.put(self.key, self.content, _told(self.size, report))
        return artefacts.reference(self.key)


def key(function: str, sha256: str) -> str:
    """Return the name in S3 of a zip with a digest as Lambda tells it."""
    return f"{function}/{base64.b64decode(sha256).hex()}.zip"


def _built_for(manifest: Mapping[str, Any]) -> tuple[Any, bool]:
    """Return what of a manifest decides which packages are built in: the app's command, and whether it has tokens."""
    rules = (manifest["middleware"].get("auth") or {}).get("rules") or ()
    return (manifest["upstream"] or {}).get("command"), any(rule.get("jwt") for rule in rules)


def _told(total: int, report: Callable[[str], None]) -> Callable[[int], None]:
    """Tell of progress, each tenth once. Called from several threads; a lost count does no harm."""
    sent = 0
    told = 0

    def progress(more: int) -> None:
        nonlocal sent, told
        sent += more
        if sent * 10 // total > told:
            told = sent * 10 // total
            report(f"uploading: {sent / _MB:.0f} of {total / _MB:.0f} MB")

    return progress
