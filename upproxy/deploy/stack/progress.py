"""What CloudFormation does, told while it does it, and what failed first."""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from typing import Any

from upproxy.aws.stacks import SETTLE_TIMEOUT, Stacks
from upproxy.aws.waiting import wait

_CANCELLED = "cancelled"  # what is said of resources that only stopped because another one failed


class Progress:
    """Follows a stack by its id from now on."""

    def __init__(self, stacks: Stacks, stack_id: str, report: Callable[[str], None]) -> None:
        self._stacks = stacks
        self._id = stack_id
        self._report = report
        self._last = next((one["EventId"] for one in stacks.events(stack_id)), None)
        self.failure = ""
        """Why it failed: the reason of the first resource that did."""

    def settled(self, what: str) -> str:
        """Tell what happens until the stack has a status that stays, and return it. Raises TimedOut."""

        def look() -> str | None:
            status = self._stacks.status(self._id)  # before the events, so that none is left out
            self._tell()
            return None if status.endswith("_IN_PROGRESS") else status

        return wait(
            look, what, timeout=SETTLE_TIMEOUT, report=self._report,
            hint="CloudFormation goes on; `upproxy stack status` tells how far it is.",
        )  # fmt: skip

    def _tell(self) -> None:
        new = list(takewhile(lambda event: event["EventId"] != self._last, self._stacks.events(self._id)))
        for event in reversed(new):
            self._last = event["EventId"]
            self._read(event)

    def _read(self, event: dict[str, Any]) -> None:
        status, reason = event.get("ResourceStatus", ""), event.get("ResourceStatusReason", "")
        name, kind = event.get("LogicalResourceId", ""), event.get("ResourceType", "")
        if status.endswith("_FAILED") and not self.failure and _CANCELLED not in reason.lower():
            self.failure = f"{name} ({kind}): {reason or status}"
        if not status.endswith("_IN_PROGRESS") or event.get("PhysicalResourceId") == self._id:
            self._report(f"{status.lower().replace('_', ' ')}: {name} ({kind})")
