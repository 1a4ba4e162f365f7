"""Old releases: which may go, and their removal."""

from __future__ import annotations

from upproxy.aws.artefacts import Artefacts
from upproxy.aws.errors import Conflict
from upproxy.aws.functions import Functions
from upproxy.deploy import code
from upproxy.deploy.history import History, Release


def superfluous(history: History, keep: int) -> list[Release]:
    """Return the releases that may go: all but the newest `keep`, the live one and the one to roll back to."""
    newest = {release.version for release in history.releases[-keep:]} if keep else set()
    return [one for one in history.releases if not (one.live or one.previous or one.version in newest)]


def prune(
    functions: Functions, artefacts: Artefacts, function: str, history: History, releases: list[Release]
) -> dict[str, str]:
    """Delete releases, and from S3 what no other release was made of.

    Returns what stays by its version, each with what AWS says: an alias of somebody else points to it, or it has become
    live meanwhile. Raises AwsError.
    """
    held: dict[str, str] = {}
    for release in releases:
        try:
            functions.delete_version(function, release.version)
        except Conflict as error:
            held[release.version] = str(error)
    gone = {release.version for release in releases} - held.keys()
    needed = {code.key(function, one.sha256) for one in history.releases if one.version not in gone}
    for key in artefacts.keys(f"{function}/"):
        if key not in needed:
            artefacts.delete(key)
    return held
