"""CloudFormation: stacks, and the change sets by which they are changed.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/ has the shapes of all that is passed through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from upproxy.aws.errors import AwsError, Conflict, InvalidRequest, NotFound
from upproxy.aws.session import Session
from upproxy.aws.waiting import wait

CHANGE_SET = "upproxy"
"""The name of the one change set that we make of a stack."""
PROPOSAL_TIMEOUT = 180.0  # seconds until CloudFormation knows what would change
SETTLE_TIMEOUT = 3600.0  # seconds that a change may take
_NOT_THERE = "does not exist"
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")

Report = Callable[[str], None]


class Stacks:
    """CloudFormation in a region."""

    def __init__(self, session: Session, region: str) -> None:
        self._cloudformation = session.service("cloudformation", region)

    def find(self, name: str) -> dict[str, Any] | None:
        """Return a stack by its name or id: `StackId`, `StackStatus`, `Tags`, `Outputs`; None for a deleted one."""
        found = self._describe(name)
        return None if found is None or found["StackStatus"] == "DELETE_COMPLETE" else found

    def template(self, name: str) -> Mapping[str, Any]:
        """Return the template that a stack was made of; empty where it is no JSON."""
        body = self._cloudformation.call("GetTemplate", StackName=name, TemplateStage="Original")["TemplateBody"]
        return body if isinstance(body, Mapping) else {}

    def resources(self, name: str) -> list[dict[str, Any]]:
        """Return the resources: `LogicalResourceId`, `PhysicalResourceId`, `ResourceType`, `ResourceStatus`.

        None where there is no such stack.
        """
        try:
            pages = list(self._cloudformation.pages("ListStackResources", StackName=name))
        except InvalidRequest as error:
            if _NOT_THERE in str(error):
                return []
            raise
        return [one for page in pages for one in page["StackResourceSummaries"]]

    def change_sets(self, name: str) -> list[str]:
        """Return the names of the change sets of a stack."""
        pages = self._cloudformation.pages("ListChangeSets", StackName=name)
        return [str(one["ChangeSetName"]) for page in pages for one in page["Summaries"]]

    def propose(
        self, name: str, kind: str, template: Mapping[str, str], tags: Mapping[str, str], report: Report
    ) -> dict[str, Any] | None:
        """Make a change set, in place of one that was left over, and return what it would change.

        `kind` is CREATE or UPDATE, `template` has TemplateBody or TemplateURL. None where nothing would change.
        Raises Conflict while the stack is being changed, and AwsError for a template that is refused.
        """
        if kind == "UPDATE":
            self.discard(name)
        try:
            made = self._cloudformation.call(
                "CreateChangeSet", StackName=name, ChangeSetName=CHANGE_SET, ChangeSetType=kind, **template,
                Capabilities=["CAPABILITY_NAMED_IAM"], Tags=[{"Key": key, "Value": one} for key, one in tags.items()],
            )  # fmt: skip
        except InvalidRequest as error:
            raise _busy(error) from None

        def look() -> dict[str, Any] | None:
            found = self._change_set(made["StackId"], made["Id"])
            return None if found["Status"].endswith(("_PENDING", "_IN_PROGRESS")) else found

        found = wait(look, f"what would change in {name}", timeout=PROPOSAL_TIMEOUT, report=report, longest=1.0)
        if found["Status"] == "CREATE_COMPLETE":
            return {**found, "StackId": made["StackId"]}
        reason = found.get("StatusReason") or "no reason is given"
        if any(one in reason for one in _NO_CHANGES):
            return None
        raise AwsError(f"CloudFormation refuses the template of {name}: {reason}", operation="CreateChangeSet")

    def discard(self, name: str) -> None:
        """Delete our change set of a stack that exists, if there is one."""
        if CHANGE_SET in self.change_sets(name):
            self._cloudformation.call("DeleteChangeSet", StackName=name, ChangeSetName=CHANGE_SET)

    def execute(self, stack_id: str, change_set: str) -> None:
        """Begin to do what a change set, by its id, says. Raises Conflict where the stack has changed since."""
        try:
            self._cloudformation.call("ExecuteChangeSet", StackName=stack_id, ChangeSetName=change_set)
        except InvalidRequest as error:
            raise _busy(error) from None
        except NotFound as error:
            raise Conflict(
                "what was planned is no longer there: somebody else has planned or changed the same stack",
                hint="Run it again.", code=error.code, operation=error.operation,
            ) from None  # fmt: skip

    def delete(self, stack_id: str) -> None:
        """Begin to delete a stack. Raises Conflict while it is being changed."""
        try:
            self._cloudformation.call("DeleteStack", StackName=stack_id)
        except InvalidRequest as error:
            raise _busy(error) from None

    def events(self, stack_id: str) -> Iterator[dict[str, Any]]:
        """Go through the events of a stack by its id, the newest first."""
        for page in self._cloudformation.pages("DescribeStackEvents", StackName=stack_id):
            yield from page["StackEvents"]

    def status(self, stack_id: str) -> str:
        """Return the status of a stack by its id, DELETE_COMPLETE also for one that nobody remembers."""
        found = self._describe(stack_id)
        return "DELETE_COMPLETE" if found is None else str(found["StackStatus"])

    def _describe(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._cloudformation.call("DescribeStacks", StackName=name)["Stacks"][0]
        except InvalidRequest as error:
            if _NOT_THERE in str(error):
                return None
            raise
        return found

    def _change_set(self, stack_id: str, change_set: str) -> dict[str, Any]:
        whole: dict[str, Any] = {"Changes": []}
        for page in self._cloudformation.pages(
            "DescribeChangeSet", StackName=stack_id, ChangeSetName=change_set, IncludePropertyValues=True
        ):
            whole = {**page, "Changes": [*whole["Changes"], *page.get("Changes", ())]}
        return whole


def _busy(error: InvalidRequest) -> AwsError:
    """Return the error of a stack that is being changed as the conflict that it is."""
    if "_IN_PROGRESS" not in str(error):
        return error
    return Conflict(
        str(error), hint="Wait until that change is done (`upproxy stack status` tells), and run it again.",
        code=error.code, operation=error.operation,
    )  # fmt: skip
