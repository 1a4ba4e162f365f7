"""The health gate: a new version is asked for a page before it gets traffic."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from upproxy.aws.errors import AwsError, NotFound, Throttled, Unanswered
from upproxy.aws.functions import Answer, Functions
from upproxy.aws.waiting import wait
from upproxy.deploy.errors import Unhealthy
from upproxy.deploy.wanted import Health

INIT = 130.0  # seconds that a start may take at most, where Lambda waits for it
BUSY = 30.0  # seconds for which concurrency is waited for
_BUSY = (
    "`lambda.concurrency`, or what the account has left (`upproxy doctor` says it), is too little for one more request."
)
_MARGIN = 15.0  # seconds for the way there and back
_LINES = 30  # of the app's output
_PLATFORM = re.compile(r"^(START|END|REPORT|INIT_START|XRAY|EXTENSION) ")
_REPORT = re.compile(r"Max Memory Used: (?P<memory>\d+) MB(?:.*?Init Duration: (?P<init>[\d.]+) ms)?", re.DOTALL)


class Healthy(NamedTuple):
    """What a version answered: its status, in ms how long it took and how long its start did, and its memory in MB.

    `init_ms` and `memory` are None where AWS does not say.
    """

    status: int
    duration_ms: float
    init_ms: float | None
    memory: int | None


def check(functions: Functions, name: str, version: str, health: Health, report: Callable[[str], None]) -> Healthy:
    """Have a version's proxy ask the app, past all middleware. Raises Unhealthy with what it said, and AwsError.

    What is live may have all of the concurrency: some is waited for.
    """
    message = {"upproxy": {"health": {"path": health.path, "timeout": health.timeout}}}
    event, timeout = json.dumps(message).encode(), INIT + health.timeout + _MARGIN
    until = time.monotonic() + BUSY

    def ask() -> Answer | None:
        try:
            return functions.invoke(name, version, event, timeout)
        except Throttled as error:
            if time.monotonic() < until:
                return None
            raise Throttled(str(error), hint=_BUSY, code=error.code, operation=error.operation) from None

    try:
        answer = wait(ask, "concurrency for the health check", timeout=2 * BUSY, report=report)
    except Unanswered as error:
        raise Unhealthy(f"version {version} does not answer: {error}") from None
    except AwsError as error:
        if isinstance(error, NotFound) or not error.code.startswith(("SnapStart", "InvalidRuntime", "InvalidZip")):
            raise
        raise Unhealthy(f"version {version} cannot be started: {error}") from None
    document = _document(answer)
    if answer.error:
        said = document.get("errorMessage") or document.get("errorType") or answer.payload.decode("utf-8", "replace")
        raise Unhealthy(f"version {version} failed: {said}", _output(answer.log))
    status = document.get("status")
    if not isinstance(status, int):
        raise Unhealthy(f"version {version} does not know the health check", "Was its code built by upproxy?")
    if document.get("error") or not health.accepts(status):
        reason = f" ({document['error']})" if document.get("error") else ""
        wanted = ", ".join(str(one) for one in health.statuses)
        raise Unhealthy(
            f"version {version} answered GET {health.path} with {status}{reason}; healthy is {wanted}",
            "\n".join(filter(None, (str(document.get("body") or "").strip(), _output(answer.log)))),
        )
    measured = _REPORT.search(answer.log)
    init = measured and measured["init"]
    return Healthy(
        status,
        float(document.get("duration_ms", 0)),
        float(init) if init else None,
        int(measured["memory"]) if measured else None,
    )


def _document(answer: Answer) -> dict[str, Any]:
    try:
        found = json.loads(answer.payload)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _output(log: str) -> str:
    """Return the last lines that the app wrote: the messages of structured ones, without those of the platform."""
    lines = [_message(line) for line in log.splitlines() if line.strip() and not _PLATFORM.match(line)]
    return "\n".join(lines[-_LINES:])


def _message(line: str) -> str:
    try:
        document = json.loads(line)
    except ValueError:
        return line
    message = document.get("message") if isinstance(document, dict) else None
    return message if isinstance(message, str) else line
