"""CloudWatch Logs: log groups and how long they keep what is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from upproxy.aws.errors import Conflict, NotFound
from upproxy.aws.session import Session


class LogGroups:
    """The log groups of a region."""

    def __init__(self, session: Session, region: str) -> None:
        self._logs = session.service("logs", region)

    def find(self, name: str) -> dict[str, Any] | None:
        """Return a group: `arn`, `retentionInDays`."""
        answer = self._logs.call("DescribeLogGroups", logGroupNamePrefix=name)
        return next((group for group in answer["logGroups"] if group["logGroupName"] == name), None)

    def create(self, name: str, tags: Mapping[str, str]) -> None:
        """Create a group, unless there is one."""
        try:
            self._logs.call("CreateLogGroup", logGroupName=name, tags=dict(tags))
        except Conflict as error:
            if error.code != "ResourceAlreadyExistsException":  # such as one that is just being deleted
                raise

    def keep(self, name: str, days: int | None) -> None:
        """Say for how many days lines are kept, None for ever."""
        if days is None:
            self._logs.call("DeleteRetentionPolicy", logGroupName=name)
        else:
            self._logs.call("PutRetentionPolicy", logGroupName=name, retentionInDays=days)

    def tags(self, arn: str) -> dict[str, str]:
        """Return the tags of a group by its ARN."""
        try:
            answer = self._logs.call("ListTagsForResource", resourceArn=arn.removesuffix(":*"))
        except NotFound:
            return {}
        return dict(answer.get("tags", {}))

    def delete(self, name: str) -> None:
        """Delete a group with all that was written to it."""
        try:
            self._logs.call("DeleteLogGroup", logGroupName=name)
        except NotFound:
            pass
