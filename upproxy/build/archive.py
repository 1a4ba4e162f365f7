"""Zip files whose bytes follow from what is in them alone.

Names are sorted, dates fixed, modes follow from the executable bit. Nothing of the machine gets in: no clock, owner or
umask. Packed members of one archive can be put into another as they are, so that dependencies are compressed once.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import BinaryIO, NamedTuple

from upproxy.build.errors import BuildError

LEVEL = 6  # of compression; 9 takes three times as long and saves less than 1 %
_LARGE = 1024 * 1024  # bytes from which on a file is probed before it is compressed
_PROBE = 16 * 1024
_WORTH_IT = 0.97  # of its size
_DATE = 0x0021  # 1 January 1980, the first day that the format knows (APPNOTE 4.4.6)
_UTF8 = 0x0800  # names are UTF-8 (APPNOTE 4.4.4)
_VERSION = 20
_UNIX = 3 << 8
_LOCAL = struct.Struct("<4s5H3I2H")  # APPNOTE 4.3.7
_CENTRAL = struct.Struct("<4s6H3I5H2I")  # APPNOTE 4.3.12
_END = struct.Struct("<4s4H2IH")  # APPNOTE 4.3.16
MAX_MEMBERS = 0xFFFF
MAX_SIZE = 0xFFFFFFFF


class Member(NamedTuple):
    """A file for the archive. `name` is its path in there, with slashes."""

    name: str
    data: bytes
    executable: bool = False


class Packed(NamedTuple):
    """A file as it is in an archive. `size` is the unpacked one in bytes, `data` maybe compressed."""

    name: str
    data: bytes | memoryview
    size: int
    crc: int
    method: int
    executable: bool


def pack(members: Iterable[Member]) -> list[Packed]:
    """Compress members, on all processors."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(_pack, members))


def _pack(member: Member) -> Packed:
    compressed = _compressed(member.data, LEVEL) if _is_worth_it(member.data) else member.data
    smaller = len(compressed) < len(member.data)
    return Packed(
        member.name,
        compressed if smaller else member.data,
        len(member.data),
        zlib.crc32(member.data),
        zipfile.ZIP_DEFLATED if smaller else zipfile.ZIP_STORED,
        member.executable,
    )


def _compressed(data: bytes, level: int) -> bytes:
    deflate = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflate.compress(data) + deflate.flush()


def _is_worth_it(data: bytes) -> bool:
    """Whether a file may become smaller: of a large one its beginning, middle and end tell, such as of a picture."""
    if len(data) < _LARGE:
        return True
    middle = len(data) // 2
    probe = data[:_PROBE] + data[middle : middle + _PROBE] + data[-_PROBE:]
    return len(_compressed(probe, 1)) < len(probe) * _WORTH_IT


def content(members: Iterable[Packed]) -> bytes:
    """Return an archive. Raises BuildError."""
    file = io.BytesIO()
    _write(file, _ordered(members))
    return file.getvalue()


def write(path: str, members: Iterable[Packed]) -> None:
    """Write an archive, aside and then in one step: nobody ever sees half of it. Raises BuildError, and OSError."""
    ordered = _ordered(members)
    aside = f"{path}.{os.getpid()}.part"
    try:
        with open(aside, "xb") as file:
            _write(file, ordered)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except BaseException:
        if os.path.exists(aside):
            os.unlink(aside)
        raise


def _ordered(members: Iterable[Packed]) -> list[Packed]:
    """Return members in the order of an archive. Raises BuildError where they do not make one."""
    ordered = sorted(members, key=lambda member: member.name.encode())
    for one, other in pairwise(ordered):
        if one.name == other.name:
            raise BuildError(f"there are two files for {one.name}")
    if len(ordered) > MAX_MEMBERS or sum(len(member.data) + 512 for member in ordered) > MAX_SIZE:
        raise BuildError(
            f"{len(ordered)} files of {sum(member.size for member in ordered) >> 20} MB are more than a zip can hold",
            "Leave some out with .upignore, or build a container image: `upproxy build --image`.",
        )
    return ordered


def _write(file: BinaryIO, members: Sequence[Packed]) -> None:
    directory = []
    for member in members:
        name = member.name.encode()
        fields = (_UTF8, member.method, 0, _DATE, member.crc, len(member.data), member.size, len(name), 0)
        mode = stat.S_IFREG | (0o755 if member.executable else 0o644)
        directory.append(
            _CENTRAL.pack(b"PK\1\2", _UNIX | _VERSION, _VERSION, *fields, 0, 0, 0, mode << 16, file.tell()) + name
        )
        file.write(_LOCAL.pack(b"PK\3\4", _VERSION, *fields))
        file.write(name)
        file.write(member.data)
    start = file.tell()
    file.writelines(directory)
    count, size = len(directory), file.tell() - start
    file.write(_END.pack(b"PK\5\6", 0, 0, count, count, size, start, 0))


def unpacked(member: Packed) -> bytes:
    """Return the bytes of a file."""
    if member.method == zipfile.ZIP_STORED:
        return bytes(member.data)
    return zlib.decompress(member.data, -zlib.MAX_WBITS)


def extract(members: Iterable[Packed], folder: str) -> None:
    """Write files into a folder, which may not be there yet, as Lambda unzips them. Raises OSError."""
    for member in members:
        path = os.path.join(folder, member.name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(unpacked(member))
        os.chmod(path, 0o755 if member.executable else 0o644)


def digest(path: str) -> str:
    """Return the SHA-256 of a file, in hexadecimal. Raises OSError."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(path: str) -> list[Packed]:
    """Read an archive that `write` wrote. Raises OSError, and zipfile.BadZipFile for anything else."""
    with open(path, "rb") as file:
        return members(file.read())


def members(content: bytes) -> list[Packed]:
    """Return the files of an archive. Raises zipfile.BadZipFile."""
    view = memoryview(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [
            Packed(
                info.filename,
                view[(start := _start(view, info)) : start + info.compress_size],
                info.file_size,
                info.CRC,
                info.compress_type,
                bool(info.external_attr >> 16 & 0o100),
            )
            for info in archive.infolist()
        ]


def _start(content: memoryview, info: zipfile.ZipInfo) -> int:
    """Return where the data of a file begin: behind its own header, whose extra field may be another one."""
    header = content[info.header_offset : info.header_offset + _LOCAL.size]
    *_, name, extra = _LOCAL.unpack(header)
    return info.header_offset + _LOCAL.size + int(name) + int(extra)
