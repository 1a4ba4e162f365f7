"""EventBridge Scheduler: what is invoked when."""

from __future__ import annotations

from typing import Any

from upproxy.aws.errors import NotFound
from upproxy.aws.session import Session


class Schedules:
    """The schedules of a region, in the group that they are in by default."""

    def __init__(self, session: Session, region: str) -> None:
        self._scheduler = session.service("scheduler", region)

    def find(self, name: str) -> dict[str, Any] | None:
        """Return a schedule: `ScheduleExpression`, `ScheduleExpressionTimezone`, `State`, `Target`."""
        try:
            return self._scheduler.call("GetSchedule", Name=name)
        except NotFound:
            return None
