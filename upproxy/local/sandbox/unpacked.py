"""Code of functions, unpacked: each zip once, for as long as something runs from it."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import uuid
import zipfile

from upproxy.local.sandbox.functions import Version


class Unpacked:
    """Has a folder for each code that is in use, below a folder of its own."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    async def unpack(self, version: Version) -> str:
        """Unpack a version's code, unless it is already, and return the folder."""
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
            with zipfile.ZipFile(io.BytesIO(version.code)) as archive:
                archive.extractall(aside)  # zipfile keeps members below the folder
                for info in archive.infolist():
                    if mode := info.external_attr >> 16 & 0o777:
                        os.chmod(os.path.join(aside, info.filename), mode)
            try:
                os.rename(aside, folder)
            except OSError:  # another one was first
                shutil.rmtree(aside, ignore_errors=True)
        return folder
