"""CloudFormation: stacks, what is in them and what they tell."""

from __future__ import annotations

from typing import Any

from upproxy.aws.errors import InvalidRequest
from upproxy.aws.session import Session


class Stacks:
    """The stacks of a region."""

    def __init__(self, session: Session, region: str) -> None:
        self._cloudformation = session.service("cloudformation", region)

    def find(self, name: str) -> dict[str, Any] | None:
        """Return a stack: `StackStatus`, `Outputs`, `Tags`."""
        try:
            found: dict[str, Any] = self._cloudformation.call("DescribeStacks", StackName=name)["Stacks"][0]
        except InvalidRequest as error:
            if "does not exist" in str(error):
                return None
            raise
        return found

    def resources(self, name: str) -> list[dict[str, Any]]:
        """Return what a stack has made: `ResourceType`, `PhysicalResourceId`; empty where there is no such stack."""
        try:
            pages = list(self._cloudformation.pages("ListStackResources", StackName=name))
        except InvalidRequest as error:
            if "does not exist" in str(error):
                return []
            raise
        return [one for page in pages for one in page["StackResourceSummaries"]]
