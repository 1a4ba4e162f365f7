"""How large an artefact is, what makes it so, and what Lambda has to say to that."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from upproxy.build.archive import Packed

MB = 1024 * 1024
MAX_UNZIPPED = 250 * MB
MAX_UPLOAD = 50 * MB  # directly; through S3 more


class Share(NamedTuple):
    """A package or file, and its sizes in bytes."""

    name: str
    unzipped: int
    zipped: int


def total(members: Iterable[Packed]) -> Share:
    """Return the sizes of all."""
    listed = list(members)
    return Share("all", sum(member.size for member in listed), sum(len(member.data) for member in listed))


def packages(members: Iterable[Packed]) -> list[Share]:
    """Return the sizes by package, the largest first; the project's own files by their first folder."""
    sizes: dict[str, tuple[int, int]] = {}
    for member in members:
        name = _package(member.name)
        unzipped, zipped = sizes.get(name, (0, 0))
        sizes[name] = (unzipped + member.size, zipped + len(member.data))
    return sorted((Share(name, *size) for name, size in sizes.items()), key=lambda share: (-share.unzipped, share.name))


def files(members: Iterable[Packed], count: int) -> list[Share]:
    """Return the largest files."""
    shares = (Share(member.name, member.size, len(member.data)) for member in members)
    return sorted(shares, key=lambda share: (-share.unzipped, share.name))[:count]


def warnings(members: Sequence[Packed]) -> list[str]:
    """Return what is too much for Lambda, and what to do."""
    found, size = [], total(members)
    largest = ", ".join(f"{share.name} ({share.unzipped / MB:.0f} MB)" for share in packages(members)[:3])
    if size.unzipped > MAX_UNZIPPED:
        found.append(
            f"{size.unzipped / MB:.0f} MB unzipped, and Lambda takes 250 MB: the most is in {largest}; leave something "
            "out with .upignore, or build a container image (10 GB): `upproxy build --image`"
        )
    if size.zipped > MAX_UPLOAD:
        found.append(
            f"{size.zipped / MB:.0f} MB zipped, and Lambda takes 50 MB at once: upload it through S3, or make it "
            f"smaller; the most is in {largest}"
        )
    return found


def _package(path: str) -> str:
    first, *rest = path.split("/")
    if first != ".upproxy":
        return f"{first}/" if rest and first != "__pycache__" else "files of the project"
    if rest[0] not in ("packages", "vendor"):
        return "upproxy"
    name = rest[2] if rest[1] == "__pycache__" else rest[1]
    stem = name.partition(".dist-info")[0].partition(".libs")[0]
    return stem.partition("-")[0].partition(".")[0].lower() or name
