"""Files below a folder: found without ever leaving it, read in bounded pieces."""

from __future__ import annotations

import posix

try:
    from _blake2 import blake2b  # hashlib's own, without OpenSSL, which it loads
except ImportError:
    from hashlib import blake2b

from upproxy.proxy.errors import ProxyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from upproxy.proxy.waiting import Loop

PIECE = 262_144  # bytes that are read at a time
WELL_KNOWN = b".well-known"  # RFC 8615: the one hidden name that is meant for the public

_TYPE, _REGULAR, _DIRECTORY = 0o170000, 0o100000, 0o040000
_REMEMBERED = 4_096  # digests


class FileChanged(ProxyError):
    """A file was shortened or replaced while it was sent."""


class Entry:
    """A file or folder that has been found. It is open, though not yet for reading: close it.

    `size` is in bytes, `modified` in whole seconds since 1970. What is read later is this very file, whatever has
    taken its name since.
    """

    __slots__ = ("_fd", "identity", "is_directory", "modified", "size")

    def __init__(self, fd: int, found: posix.stat_result, real: bytes) -> None:
        self._fd = fd
        self.is_directory = found.st_mode & _TYPE == _DIRECTORY
        self.size = found.st_size
        self.modified = int(found.st_mtime)
        self.identity = (real, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def open(self) -> int:
        """Open it for reading; return the descriptor. Raises OSError."""
        return posix.open(b"/proc/self/fd/%d" % self._fd, posix.O_RDONLY)

    def close(self) -> None:
        """Give it back."""
        posix.close(self._fd)


class Folder:
    """What is below a folder. Hidden files are not, and neither is what a symbolic link has elsewhere.

    A path is opened first and judged afterwards, by where the kernel says that the open file is: no link that is
    changed in between makes a difference. `hidden` are names in the folder itself that are not to be found either.
    """

    def __init__(self, path: str, hidden: list[str]) -> None:
        self.path = path
        self._hidden = frozenset(name.encode() for name in hidden)

    def find(self, path: bytes) -> Entry | None:
        """Return the file or folder at a relative path of non-empty segments without `..`, or None."""
        try:
            folder = posix.open(self.path, posix.O_PATH | posix.O_DIRECTORY)
        except OSError:
            return None
        try:
            root = posix.readlink(b"/proc/self/fd/%d" % folder)
            fd = posix.open(path or b".", posix.O_PATH, dir_fd=folder)
        except OSError:
            return None
        finally:
            posix.close(folder)
        try:
            entry = self._entry(fd, root)
        except OSError:
            entry = None
        if entry is None:
            posix.close(fd)
        return entry

    def _entry(self, fd: int, root: bytes) -> Entry | None:
        found = posix.fstat(fd)
        real = posix.readlink(b"/proc/self/fd/%d" % fd)
        if found.st_mode & _TYPE in (_REGULAR, _DIRECTORY) and self._shows(root, real):
            return Entry(fd, found, real)
        return None

    def _shows(self, root: bytes, real: bytes) -> bool:
        if real == root:
            return True
        if not real.startswith(root.rstrip(b"/") + b"/"):
            return False
        first, *rest = real[len(root) :].strip(b"/").split(b"/")
        if first in self._hidden or (first.startswith(b".") and first != WELL_KNOWN):
            return False
        return not any(part.startswith(b".") for part in rest)


class Digests:
    """Digests of contents, computed once for each state of a file.

    A date and a size would not do: in an archive that is built reproducibly all files have the same date.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._known: dict[tuple[object, ...], tuple[str, bool]] = {}

    async def of(self, entry: Entry) -> tuple[str, bool]:
        """Return a digest in hexadecimal, and whether the content is UTF-8. Raises OSError."""
        known = self._known.get(entry.identity)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[entry.identity] = await self._read(entry)
        return known

    async def _read(self, entry: Entry) -> tuple[str, bool]:
        digest = blake2b(digest_size=12)
        is_text, tail = True, b""
        fd = entry.open()
        try:
            while piece := posix.read(fd, PIECE):
                digest.update(piece)
                if is_text:
                    is_text, tail = _decodes(tail + piece)
                if len(piece) == PIECE:
                    await self._loop.pause()
        finally:
            posix.close(fd)
        return digest.hexdigest(), is_text and not tail


def _decodes(data: bytes) -> tuple[bool, bytes]:
    """Tell whether bytes may begin a UTF-8 text, and return those of a character that has not ended yet."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":
            return False, b""
        return True, data[error.start :]
    return True, b""


def read(entry: Entry, start: int, length: int) -> bytes:
    """Read a part of a file into memory. Raises OSError, FileChanged."""
    fd = entry.open()
    try:
        parts = []
        left = length
        while left:
            data = posix.pread(fd, left, start + length - left)
            if not data:
                raise FileChanged("a file was shortened while it was read")
            parts.append(data)
            left -= len(data)
    finally:
        posix.close(fd)
    return parts[0] if len(parts) == 1 else b"".join(parts)


class Content:
    """A part of a file as a stream, read as it is sent."""

    __slots__ = ("_fd", "_left", "_offset")

    def __init__(self, entry: Entry, start: int, length: int) -> None:
        """Open the file anew, so that the entry may be closed. Raises OSError."""
        self._fd = entry.open()
        self._offset = start
        self._left = length

    def __aiter__(self) -> Content:
        return self

    async def __anext__(self) -> bytes:
        if self._left == 0 or self._fd < 0:
            self.close()
            raise StopAsyncIteration
        data = posix.pread(self._fd, min(PIECE, self._left), self._offset)
        if not data:
            self.close()
            raise FileChanged("a file was shortened while it was sent")
        self._offset += len(data)
        self._left -= len(data)
        return data

    def close(self) -> None:
        """Close the file; may be called more than once."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            posix.close(fd)
