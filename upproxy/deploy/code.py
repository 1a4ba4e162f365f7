"""The zip of a release: in memory, known by its digest."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from upproxy.aws.artefacts import Artefacts
from upproxy.build import archive, size
from upproxy.build.archive import Packed

_MB = 1_000_000


@dataclass(frozen=True)
class Code:
    """A zip. `app` is the app's name, under which it is kept where it goes through S3."""

    app: str
    content: bytes = field(repr=False)

    @classmethod
    def of(cls, app: str, members: Iterable[Packed]) -> Code:
        """Put the files of an artefact together. Raises BuildError."""
        return cls(app, archive.content(members))

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
        return key(self.app, self.sha256)

    def sent(self, artefacts: Artefacts, report: Callable[[str], None]) -> dict[str, Any]:
        """Return the code under the names of Lambda's API, uploaded to S3 before where it is too large for a call."""
        if self.size <= size.MAX_UPLOAD:
            return {"ZipFile": self.content}
        artefacts.ready()
        if not artefacts.has(self.key):
            artefacts.put(self.key, self.content, _told(self.size, report))
        return artefacts.reference(self.key)


def key(app: str, sha256: str) -> str:
    """Return the name in S3 of a zip with a digest as Lambda tells it."""
    return f"{app}/{base64.b64decode(sha256).hex()}.zip"


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
