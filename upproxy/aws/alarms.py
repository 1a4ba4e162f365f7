"""CloudWatch: alarms, and the states that they are in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from upproxy.aws.session import Session

_AT_ONCE = 100  # names that one call takes


class Alarms:
    """The alarms of a region."""

    def __init__(self, session: Session, region: str) -> None:
        self._cloudwatch = session.service("cloudwatch", region)

    def find(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """Return those of these alarms that there are, such as `StateValue`, `StateUpdatedTimestamp`."""
        return [
            alarm
            for start in range(0, len(names), _AT_ONCE)
            for page in self._cloudwatch.pages("DescribeAlarms", AlarmNames=list(names[start : start + _AT_ONCE]))
            for alarm in page["MetricAlarms"]
        ]

    def set(self, name: str, state: str, reason: str) -> None:
        """Put an alarm into a state for a moment; where that is another one than before its actions are taken."""
        self._cloudwatch.call("SetAlarmState", AlarmName=name, StateValue=state, StateReason=reason)
