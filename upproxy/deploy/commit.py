"""The commit that a release is made from, as git tells it, and its one line in a version's description."""

from __future__ import annotations

import getpass
import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime

LENGTH = 256  # characters of a version's description (Lambda API Reference, PublishVersion)
SHORT = 12  # characters of a commit's hash that are kept
_GIT_TIMEOUT = 10  # seconds
_LINE = re.compile(
    r"(?P<sha>[0-9a-f]{7,40}|-)(?P<changed>\+?) (?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) "
    r"(?P<author>[^:]*): ?(?P<message>.*)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Commit:
    """What a release is made from. `sha` is empty where there is no git; `changed` says that files differ from it."""

    sha: str
    changed: bool
    author: str
    message: str

    def line(self, at: datetime) -> str:
        """Return the description of a version, such as `3f2a9c1d0b2e+ 2026-11-26T09:30:00Z Jane Doe: Fix the cart`."""
        time = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        author = self.author.replace(":", " ")[:60]
        text = f"{self.sha[:SHORT] or '-'}{'+' if self.changed else ''} {time} {author}: {self.message}"
        return text if len(text) <= LENGTH else f"{text[: LENGTH - 1]}…"


def read(description: str) -> tuple[Commit, datetime | None]:
    """Return the commit and the time of a description; of one that is not ours, its text as the message."""
    found = _LINE.fullmatch(description)
    if found is None:
        return Commit("", False, "", description), None
    sha = "" if found["sha"] == "-" else found["sha"]
    at = datetime.strptime(found["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return Commit(sha, bool(found["changed"]), found["author"], found["message"]), at


def current(directory: str) -> Commit:
    """Return the commit of a project's folder."""
    last = _git(directory, "log", "-1", "--no-show-signature", "--format=%H%x00%an%x00%s")
    if last is None or last.count("\0") != 2:
        return Commit("", False, _user(), "")
    sha, author, message = last.split("\0")
    status = _git(directory, "status", "--porcelain", "--untracked-files=normal", "--", ".")
    return Commit(sha, bool(status), author, " ".join(message.split()))


def resolve(directory: str, name: str) -> str | None:
    """Return the hash of the commit that a tag or branch stands for; None where git knows no such name."""
    if name.startswith("-"):
        return None
    return _git(directory, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}") or None


def _git(directory: str, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", directory, *arguments], capture_output=True, timeout=_GIT_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
