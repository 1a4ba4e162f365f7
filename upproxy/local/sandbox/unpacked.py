"""Code of functions, unpacked: each zip once, for as long as something runs from it."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import uuid
import zipfile
import zlib

from upproxy.local.failure import Failure
from upproxy.local.sandbox.state import Version

_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError, ValueError)
"""What zipfile raises for archives that are damaged, encrypted, or packed in a way that it does not know."""


class Unpacked:
    """Has a folder for each code that is in use, below a folder of its own."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    async def unpack(self, version: Version) -> str:
        """Unpack a version's code, unless it is already, and return the folder. Raises Failure."""
        return await asyncio.to_thread(self._unpack, version)

    async def drop(self, digest: str) -> None:
        """Delete what nothing runs from any more. It is out of the way at once, before others may run."""
        aside = f"{self._place(digest)}.{uuid.uuid4().hex}"
        try:
            os.rename(self._place(digest), aside)
        except OSError:  # it was never unpacked
            return
        await asyncio.to_thread(shutil.rmtree, aside, ignore_errors=True)

    def _place(self, digest: str) -> str:
        """Return the folder of a code by its hash in base64."""
        return os.path.join(self._folder, digest.replace("/", "_").replace("+", "-").rstrip("="))

    def _unpack(self, version: Version) -> str:
        folder = self._place(version.configuration["CodeSha256"])
        if not os.path.isdir(folder):
            aside = f"{folder}.{uuid.uuid4().hex}"
            os.makedirs(aside)
            try:
                _extract(version.code, aside)
                os.rename(aside, folder)
            except _BROKEN as error:
                shutil.rmtree(aside, ignore_errors=True)
                if not os.path.isdir(folder):  # else another one was first
                    raise Failure(f"the code of {version.name} cannot be unpacked: {error}") from None
        return folder


def _extract(code: bytes, folder: str) -> None:
    """Unpack a zip below a folder, with the permissions of its files.

    zipfile keeps members below the folder, whatever they are called, and makes files of links. A member that is larger
    than the archive says is cut off there, and refused for its checksum.
    """
    with zipfile.ZipFile(io.BytesIO(code)) as archive:
        for info in archive.infolist():
            path = archive.extract(info, folder)
            if (mode := info.external_attr >> 16 & 0o777) and not info.is_dir():  # the folders have to go again
                os.chmod(path, mode)
