"""CloudFormation's API: from a call to what the engine does.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import parse_qsl, unquote

from upproxy.local.environment import ACCOUNT
from upproxy.local.sandbox.cloudformation import changes
from upproxy.local.sandbox.cloudformation.engine import KINDS, Engine, check
from upproxy.local.sandbox.cloudformation.stacks import DELETED, REVIEW, ChangeSet, Stack, Wanted
from upproxy.local.sandbox.cloudformation.template import Document, invalid, read
from upproxy.local.sandbox.errors import Answer, ApiError
from upproxy.local.sandbox.protocol import answered, given

_OBJECT = re.compile(r"https?://(?:([^./]+)\.s3[.-][^/]+/|[^/]+/([^/]+)/)(.+)")
_NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."
_FINAL = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "UPDATE_ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED")
_TEXT_LIMIT = 51_200  # bytes of a template in the call


class CloudFormation:
    """Answers calls. `fetch` returns an object of S3 by bucket, key and version."""

    def __init__(self, engine: Engine, fetch: Callable[[str, str, str | None], bytes]) -> None:
        self._engine = engine
        self._fetch = fetch
        self._stacks: list[Stack] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._operations: dict[str, Callable[[str, Document], Document]] = {
            "CreateChangeSet": self._create_change_set,
            "CreateStack": self._create_stack,
            "DeleteChangeSet": self._delete_change_set,
            "DeleteStack": self._delete_stack,
            "DescribeChangeSet": self._describe_change_set,
            "DescribeStackEvents": self._events,
            "DescribeStackResource": self._resource,
            "DescribeStackResources": self._resources,
            "DescribeStacks": self._describe_stacks,
            "ExecuteChangeSet": self._execute,
            "GetTemplate": self._template,
            "ListChangeSets": self._list_change_sets,
            "ListStackResources": self._summaries,
            "ListStacks": self._list_stacks,
            "UpdateStack": self._update_stack,
            "ValidateTemplate": self._validate,
        }

    async def call(self, region: str, body: bytes) -> Answer:
        """Answer a call. Raises ApiError."""
        action = dict(parse_qsl(body.decode())).get("Action", "")
        if action not in self._operations:
            raise ApiError("InvalidAction", f"the sandbox does not know {action} of CloudFormation")
        parameters = given("cloudformation", action, "", body)
        return answered("cloudformation", action, "", self._operations[action](region, parameters))

    async def close(self) -> None:
        """Stop what is being done."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- stacks

    def _create_stack(self, region: str, given: Document) -> Document:
        if self._find(region, given["StackName"]) is not None:
            raise ApiError("AlreadyExistsException", f"Stack [{given['StackName']}] already exists")
        stack = Stack(given["StackName"], region)
        wanted = self._wanted(given, None)
        self._stacks.append(stack)
        self._begin(self._engine.create(stack, wanted))
        stack.status = "CREATE_IN_PROGRESS"
        return {"StackId": stack.identifier}

    def _update_stack(self, region: str, given: Document) -> Document:
        stack = self._existing(region, given["StackName"])
        self._check_free(stack, but=_FINAL)
        wanted = self._wanted(given, stack.was)
        if reason := changes.retyped(stack, wanted):
            raise invalid(reason)
        if changes.is_same(stack, wanted):
            raise invalid("No updates are to be performed.")
        self._begin(self._engine.update(stack, wanted))
        stack.status = "UPDATE_IN_PROGRESS"
        return {"StackId": stack.identifier}

    def _delete_stack(self, region: str, given: Document) -> Document:
        stack = self._find(region, given["StackName"])
        if stack is None:  # as on AWS, there is nothing to do then
            return {}
        self._check_free(stack)
        stack.change_sets.clear()
        self._begin(self._engine.delete(stack))
        stack.status = "DELETE_IN_PROGRESS"
        return {}

    def _describe_stacks(self, region: str, given: Document) -> Document:
        if name := given.get("StackName"):
            return {"Stacks": [_stack(self._existing(region, name, deleted=True))]}
        return {"Stacks": [_stack(one) for one in self._stacks if one.region == region and one.status != DELETED]}

    def _list_stacks(self, region: str, given: Document) -> Document:
        kept = given.get("StackStatusFilter")
        found = [_stack(one) for one in self._stacks if one.region == region and (not kept or one.status in kept)]
        return {"StackSummaries": found}

    def _events(self, region: str, given: Document) -> Document:
        return {"StackEvents": self._existing(region, given["StackName"], deleted=True).events[::-1]}

    def _summaries(self, region: str, given: Document) -> Document:
        return {"StackResourceSummaries": _described(self._existing(region, given["StackName"], deleted=True))}

    def _resources(self, region: str, given: Document) -> Document:
        stack = self._existing(region, given["StackName"], deleted=True)
        wanted = given.get("LogicalResourceId")
        return {"StackResources": [one for one in _described(stack) if wanted in (None, one["LogicalResourceId"])]}

    def _resource(self, region: str, given: Document) -> Document:
        stack = self._existing(region, given["StackName"], deleted=True)
        for one in _described(stack):
            if one["LogicalResourceId"] == given["LogicalResourceId"]:
                return {"StackResourceDetail": one}
        raise invalid(f"Resource {given['LogicalResourceId']} does not exist for stack {stack.name}")

    def _template(self, region: str, given: Document) -> Document:
        stack = self._existing(region, given["StackName"], deleted=True)
        if given.get("ChangeSetName"):
            text = self._change_set(region, given)[1].wanted.text
        else:
            text = stack.was.text if stack.was is not None else ""
        return {"TemplateBody": text, "StagesAvailable": ["Original", "Processed"]}

    def _validate(self, region: str, given: Document) -> Document:  # noqa: ARG002
        template = self._wanted({**given, "Capabilities": ["CAPABILITY_NAMED_IAM"]}, None).template
        parameters = [{"ParameterKey": name, "DefaultValue": one.get("Default", "")}
                      for name, one in (template.get("Parameters") or {}).items()]  # fmt: skip
        return {"Parameters": parameters, "Description": template.get("Description", "")}

    # --- change sets

    def _create_change_set(self, region: str, given: Document) -> Document:
        name, kind = given["ChangeSetName"], given.get("ChangeSetType", "UPDATE")
        stack = self._find(region, given["StackName"])
        if kind == "CREATE":
            if stack is not None and stack.status != REVIEW:
                raise invalid(
                    f"Stack [{stack.name}] already exists and cannot be created again with the changeSet [{name}]."
                )
        elif stack is None or stack.status == REVIEW:
            raise invalid(f"Stack [{given['StackName']}] does not exist")
        else:
            self._check_free(stack, but=_FINAL)
        wanted = self._wanted(given, stack.was if stack is not None else None)
        if stack is None:
            stack = Stack(given["StackName"], region)
            self._stacks.append(stack)
            stack.move(REVIEW, "User Initiated")
        if name in stack.change_sets:
            raise ApiError("AlreadyExistsException", f"ChangeSet {name} already exists for stack {stack.identifier}")
        identifier = f"arn:aws:cloudformation:{region}:{ACCOUNT}:changeSet/{name}/{uuid.uuid4()}"
        made = ChangeSet(name, identifier, kind, wanted, given.get("Description", ""))
        if reason := changes.retyped(stack, wanted):
            made.status, made.reason, made.execution = "FAILED", reason, "UNAVAILABLE"
        elif changes.is_same(stack, wanted):
            made.status, made.reason, made.execution = "FAILED", _NO_CHANGES, "UNAVAILABLE"
        else:
            made.changes = changes.found(stack, wanted, KINDS)
        stack.change_sets[name] = made
        return {"Id": identifier, "StackId": stack.identifier}

    def _describe_change_set(self, region: str, given: Document) -> Document:
        stack, found = self._change_set(region, given)
        return {
            **_change_set(stack, found), "Changes": found.changes, "Tags": _tags(found.wanted.tags),
            "Parameters": _parameters(found.wanted),
        }  # fmt: skip

    def _list_change_sets(self, region: str, given: Document) -> Document:
        stack = self._existing(region, given["StackName"])
        return {"Summaries": [_change_set(stack, one) for one in stack.change_sets.values()]}

    def _delete_change_set(self, region: str, given: Document) -> Document:
        stack, found = self._change_set(region, given)
        del stack.change_sets[found.name]
        return {}

    def _execute(self, region: str, given: Document) -> Document:
        stack, found = self._change_set(region, given)
        self._check_free(stack)
        if found.execution != "AVAILABLE":
            raise ApiError(
                "InvalidChangeSetStatus",
                f"ChangeSet [{found.identifier}] cannot be executed in its current status of [{found.status}]",
            )
        stack.change_sets.clear()  # the others were made for what the stack is no longer
        stack.last_change_set = found.identifier
        first = stack.was is None
        self._begin(self._engine.create(stack, found.wanted) if first else self._engine.update(stack, found.wanted))
        stack.status = "CREATE_IN_PROGRESS" if first else "UPDATE_IN_PROGRESS"
        return {}

    # --- what they share

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _find(self, region: str, name: str, *, deleted: bool = False) -> Stack | None:
        """Find a stack by its name, or by its id, which those that are deleted are known by, too."""
        for stack in reversed(self._stacks):
            if stack.region == region and (
                (name == stack.identifier and (deleted or stack.status != DELETED))
                or (name == stack.name and stack.status != DELETED)
            ):
                return stack
        return None

    def _existing(self, region: str, name: str, *, deleted: bool = False) -> Stack:
        stack = self._find(region, name, deleted=deleted)
        if stack is None:
            raise invalid(f"Stack with id {name} does not exist")
        return stack

    def _change_set(self, region: str, given: Document) -> tuple[Stack, ChangeSet]:
        name, of = given["ChangeSetName"], given.get("StackName")
        for stack in self._stacks:
            if stack.region == region and stack.status != DELETED and of in (None, stack.name, stack.identifier):
                for found in stack.change_sets.values():
                    if name == found.identifier or (of is not None and name == found.name):
                        return stack, found
        raise ApiError("ChangeSetNotFound", f"ChangeSet [{name}] does not exist", 404)

    def _check_free(self, stack: Stack, *, but: tuple[str, ...] = ()) -> None:
        """Raise ApiError for a stack that something is being done to, or that is in one of the statuses."""
        if stack.busy or stack.status in but:
            raise invalid(f"Stack:{stack.identifier} is in {stack.status} state and can not be updated.")

    def _wanted(self, given: Document, before: Wanted | None) -> Wanted:
        if given.get("UsePreviousTemplate") and before is not None:
            text = before.text
        elif given.get("TemplateURL"):
            text = self._fetched(given["TemplateURL"])
        else:
            text = given.get("TemplateBody", "")
            if len(text.encode()) > _TEXT_LIMIT:
                raise invalid(f"Value at 'templateBody' must have length less than or equal to {_TEXT_LIMIT}")
        template = read(text)
        check(template, given.get("Capabilities") or [])
        parameters = dict(before.parameters) if before is not None else {}
        for one in given.get("Parameters") or []:
            if not one.get("UsePreviousValue"):
                parameters[one["ParameterKey"]] = one.get("ParameterValue", "")
        declared = template.get("Parameters") or {}
        missing = [name for name, one in declared.items() if "Default" not in one and name not in parameters]
        if missing:
            raise invalid(f"Parameters: [{', '.join(missing)}] must have values")
        tags = {one["Key"]: one["Value"] for one in given.get("Tags") or []}
        if given.get("Tags") is None and before is not None:
            tags = before.tags
        return Wanted(text, template, {name: parameters[name] for name in declared if name in parameters}, tags)

    def _fetched(self, url: str) -> str:
        match = _OBJECT.fullmatch(url.partition("?")[0])
        if match is None:
            raise invalid("TemplateURL must be a supported URL.")
        try:
            return self._fetch(match[1] or match[2], unquote(match[3]), None).decode()
        except ApiError as error:
            raise invalid(f"S3 error: {error}") from None


def _stack(stack: Stack) -> Document:
    was = stack.was
    found: Document = {
        "StackId": stack.identifier, "StackName": stack.name, "CreationTime": stack.created,
        "StackStatus": stack.status, "StackStatusReason": stack.reason or None, "LastUpdatedTime": stack.updated,
        "DeletionTime": stack.deleted, "ChangeSetId": stack.last_change_set or None, "DisableRollback": False,
        "Tags": _tags(was.tags) if was is not None else [], "Capabilities": ["CAPABILITY_NAMED_IAM"],
        "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
        "Outputs": [
            {"OutputKey": name, "OutputValue": str(one["Value"]), "Description": one.get("Description", "")}
            for name, one in stack.outputs.items()
        ],
    }  # fmt: skip
    if was is not None:
        found["Description"] = was.template.get("Description", "")
        found["Parameters"] = _parameters(was)
    return {key: one for key, one in found.items() if one is not None}


def _described(stack: Stack) -> list[Document]:
    return [
        {
            "StackName": stack.name, "StackId": stack.identifier, "LogicalResourceId": one.logical_id,
            "PhysicalResourceId": one.made.physical_id if one.made else "", "ResourceType": one.kind,
            "LastUpdatedTimestamp": one.changed, "Timestamp": one.changed, "ResourceStatus": one.status,
            **({"ResourceStatusReason": one.reason} if one.reason else {}),
        }
        for one in stack.resources.values()
    ]  # fmt: skip


def _change_set(stack: Stack, found: ChangeSet) -> Document:
    return {
        "ChangeSetId": found.identifier, "ChangeSetName": found.name, "StackId": stack.identifier,
        "StackName": stack.name, "Status": found.status, "ExecutionStatus": found.execution,
        "CreationTime": found.created, "Description": found.description,
        **({"StatusReason": found.reason} if found.reason else {}),
    }  # fmt: skip


def _tags(tags: dict[str, str]) -> list[Document]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _parameters(wanted: Wanted) -> list[Document]:
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in wanted.parameters.items()]
