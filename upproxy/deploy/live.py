"""The version of a stage that is live: what it is, and one-off commands on it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from upproxy.aws.functions import Functions
from upproxy.deploy.errors import DeployError, NotDeployed
from upproxy.deploy.names import ALIAS, Names

_START = 60.0  # seconds that an instance may take to start before the function's own time-out begins


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    `exit_code` is negative for a signal, and None where the command was ended after its time-out. `error` says why it
    could not be started. Of what it printed `cut` bytes are missing between `head` and `tail`, which are pairs of
    `stdout` or `stderr` and bytes.
    """

    exit_code: int | None
    error: str
    duration_ms: float
    head: Sequence[tuple[str, bytes]]
    cut: int
    tail: Sequence[tuple[str, bytes]]

    def printed(self, stream: str) -> bytes:
        """Return what is known of one of the two streams."""
        return b"".join(data for name, data in (*self.head, *self.tail) if name == stream)


def configuration(functions: Functions, names: Names) -> Mapping[str, Any]:
    """Return the configuration of the live version, in the shape of Lambda's API. Raises NotDeployed, and AwsError."""
    found = functions.configuration(names.function, ALIAS)
    if found is None:
        raise missing(names, functions.region)
    return found


def missing(names: Names, region: str) -> NotDeployed:
    """Return the error for a stage that is not there."""
    return NotDeployed(
        f"{names.app} is not deployed to {names.stage} in {region}", f"`upproxy deploy {names.stage}` does that."
    )


def run(
    functions: Functions,
    names: Names,
    version: str,
    command: Sequence[str],
    *,
    timeout: float | None,
    limit: float,
    by: str,
) -> Ended:
    """Run a command beside the app, on an instance of a version, by whose number it counts for no metric of the alias.

    `timeout` is the command's, None for as long as there is, `limit` the function's, both in seconds; `by` is for the
    log. Raises DeployError where it was not run, and AwsError.
    """
    options = {"command": list(command), "by": by, **({} if timeout is None else {"timeout": timeout})}
    message = {"upproxy": {"exec": options}}
    answer = functions.invoke(names.function, version, json.dumps(message).encode(), limit + _START)
    try:
        document = json.loads(answer.payload)
        if not answer.error:
            return _read(document)
        said, kind = document["errorMessage"], document.get("errorType")
    except (AttributeError, KeyError, TypeError, ValueError):
        raise DeployError(
            f"{names.function} does not know commands: {answer.payload[:200].decode('utf-8', 'replace')}",
            "Was its code built by upproxy?",
        ) from None
    refused = kind == "ProxyError"
    again = f"`upproxy deploy {names.stage}` brings it the proxy of this version, and what up.yml says now."
    raise DeployError(f"{names.function} did not run it: {said}", again if refused else "")


def _read(document: Mapping[str, Any]) -> Ended:
    return Ended(
        exit_code=document["exit_code"],
        error=document.get("error", ""),
        duration_ms=document["duration_ms"],
        head=list(_pieces(document["head"])),
        cut=document["cut"],
        tail=list(_pieces(document["tail"])),
    )


def _pieces(encoded: Sequence[tuple[str, str]]) -> Iterator[tuple[str, bytes]]:
    for stream, data in encoded:
        yield stream, base64.b64decode(data)
