"""The releases of a stage: published versions, and which of them were live.

There is no state of our own. What a version was made from is in its description. The alias's description has the
versions that were live before, the last one first, and changes in the same call as the version that it points to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from upproxy.aws.functions import Functions
from upproxy.deploy import commit
from upproxy.deploy.commit import Commit
from upproxy.deploy.errors import NotDeployed
from upproxy.deploy.live import missing
from upproxy.deploy.names import ALIAS, Names

_BEFORE = "before"
_UNDONE = "rolled back"
_FIRST = "the first release"
_KEPT = 15  # versions that are remembered of each kind: their numbers fit into a description, whatever they are


@dataclass(frozen=True)
class Release:
    """A published version. `sha256` is that of its zip, in base64; `size` in bytes.

    `served` says that it was live at some time, `undone` that it was rolled back.
    """

    version: str
    commit: Commit
    at: datetime | None
    sha256: str
    size: int
    live: bool
    previous: bool
    served: bool
    undone: bool

    @property
    def title(self) -> str:
        """What to call it in a sentence."""
        commit = f" ({self.commit.sha}{'+' if self.commit.changed else ''})" if self.commit.sha else ""
        return f"version {self.version}{commit}"


@dataclass(frozen=True)
class History:
    """All releases of a stage, the oldest first, and the alias that says which is live."""

    releases: tuple[Release, ...]
    alias: Mapping[str, Any]

    @property
    def live(self) -> str:
        """The version that is live."""
        return str(self.alias["FunctionVersion"])

    @property
    def previous(self) -> Release | None:
        """The release to roll back to: the last one before this that was live and is still there."""
        return next((one for one in self.releases if one.previous), None)

    def find(self, reference: str, sha: str | None) -> Release:
        """Return the newest release of a version's number or of a commit, by the start of its hash.

        `sha` is the commit that the reference stands for as a tag or branch: one called `v2` wins over the version 2.
        Raises NotDeployed.
        """
        number = reference.removeprefix("v") if sha is None else reference
        for release in self.releases:
            if release.version == number:
                return release
        for wanted in filter(None, (sha, reference if re.fullmatch("[0-9a-f]{7,40}", reference) else None)):
            for release in reversed(self.releases):
                found = release.commit.sha
                if found and (wanted.startswith(found) or found.startswith(wanted)):
                    return release
        raise NotDeployed(
            f"there is no release {reference}", "`upproxy deploys` lists the versions and commits that there are."
        )


def read(functions: Functions, names: Names) -> History:
    """Ask AWS for the releases of a stage. Raises NotDeployed where there is none, and AwsError."""
    alias = functions.alias(names.function, ALIAS)
    if alias is None:
        raise missing(names, functions.region)
    return history(functions.versions(names.function), alias)


def history(versions: Sequence[Mapping[str, Any]], alias: Mapping[str, Any]) -> History:
    """Put versions and the alias together, in the shapes of Lambda's API."""
    live = str(alias["FunctionVersion"])
    before, undone = lived_before(alias), rolled_back(alias)
    there = {str(one["Version"]) for one in versions}
    previous = next((one for one in before if one in there), None)
    releases = []
    for one in versions:
        version = str(one["Version"])
        made_from, at = commit.read(one.get("Description", ""))
        releases.append(
            Release(
                version, made_from, at, one["CodeSha256"], one["CodeSize"],
                live=version == live, previous=version == previous, undone=version in undone,
                served=version == live or version in before or version in undone,
            )
        )  # fmt: skip
    return History(tuple(releases), alias)


def lived_before(alias: Mapping[str, Any]) -> list[str]:
    """Return the versions that were live before the one that is, the last one first."""
    return _listed(alias, _BEFORE)


def rolled_back(alias: Mapping[str, Any]) -> list[str]:
    """Return the versions that were live and were rolled back, the last one first."""
    return _listed(alias, _UNDONE)


def succession(alias: Mapping[str, Any] | None, live: str) -> str:
    """Return the alias's description once `live` is; `alias` is None where there was none.

    A version that was live before is so with those that were live before it: what has been rolled back does not come
    back by a second rollback.
    """
    if alias is None:
        return _FIRST
    before, undone = lived_before(alias), rolled_back(alias)
    was = str(alias["FunctionVersion"])
    if live in before:
        since = before.index(live)
        undone = [was, *before[:since], *undone]
        before = before[since + 1 :]
    elif live != was:
        before = [was, *before]
        undone = [one for one in undone if one != live]
    kept = {_BEFORE: before[:_KEPT], _UNDONE: undone[:_KEPT]}
    return "; ".join(f"{name}: {', '.join(found)}" for name, found in kept.items() if found) or _FIRST


def _listed(alias: Mapping[str, Any], name: str) -> list[str]:
    found = re.search(rf"(?:^|; ){name}: ([\d, ]+)", alias.get("Description", ""))
    return re.findall(r"\d+", found[1]) if found else []
