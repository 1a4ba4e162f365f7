"""Old releases: which may go, and their removal."""

from __future__ import annotations

from upproxy.aws.artefacts import Artefacts
from upproxy.aws.functions import Functions
from upproxy.deploy import code
from upproxy.deploy.history import History, Release


def superfluous(history: History, keep: int) -> list[Release]:
    """Return the releases that may go: all but the newest `keep`, the live one and the one to roll back to."""
    newest = {release.version for release in history.releases[-keep:]} if keep else set()
    return [one for one in history.releases if not (one.live or one.previous or one.version in newest)]


def prune(functions: Functions, artefacts: Artefacts, function: str, history: History, releases: list[Release]) -> int:
    """Delete releases, and from S3 what no other release was made of; return how many objects those were.

    A version that has become live meanwhile cannot be deleted: AWS refuses it. Raises AwsError.
    """
    for release in releases:
        functions.delete_version(function, release.version)
    going = {release.version for release in releases}
    kept = {code.key(function, one.sha256) for one in history.releases if one.version not in going}
    gone = [key for key in artefacts.keys(f"{function}/") if key not in kept]
    for key in gone:
        artefacts.delete(key)
    return len(gone)
