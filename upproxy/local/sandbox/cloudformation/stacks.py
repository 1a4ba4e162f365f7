"""What CloudFormation remembers: stacks with their resources and events, and change sets."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from upproxy.local.environment import ACCOUNT
from upproxy.local.sandbox.cloudformation.kinds import Made
from upproxy.local.sandbox.cloudformation.template import Document

REVIEW = "REVIEW_IN_PROGRESS"
DELETED = "DELETE_COMPLETE"


def now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


@dataclass
class Resource:
    """A resource of a stack: its type, the properties that it has been made with, and what was made."""

    logical_id: str
    kind: str
    properties: Document
    made: Made | None = None
    status: str = ""
    reason: str = ""
    retained: bool = False
    changed: datetime = field(default_factory=now)


@dataclass
class Wanted:
    """What a stack shall be: a template as it was given and as it was read, values of its parameters, and tags."""

    text: str
    template: Document
    parameters: dict[str, str]
    tags: dict[str, str]

    @property
    def resources(self) -> dict[str, Document]:
        """The resources."""
        return dict(self.template["Resources"])


@dataclass
class ChangeSet:
    """What would be done to a stack: `changes` are those of DescribeChangeSet."""

    name: str
    identifier: str
    kind: str
    wanted: Wanted
    description: str
    changes: list[Document] = field(default_factory=list)
    status: str = "CREATE_COMPLETE"
    reason: str = ""
    execution: str = "AVAILABLE"
    created: datetime = field(default_factory=now)


@dataclass
class Stack:
    """A stack. `was` is what it has been made of; nothing before its first creation."""

    name: str
    region: str
    identifier: str = ""
    status: str = REVIEW
    reason: str = ""
    was: Wanted | None = None
    resources: dict[str, Resource] = field(default_factory=dict)  # in the order of their creation
    outputs: dict[str, Document] = field(default_factory=dict)
    events: list[Document] = field(default_factory=list)  # the oldest first
    change_sets: dict[str, ChangeSet] = field(default_factory=dict)
    last_change_set: str = ""
    created: datetime = field(default_factory=now)
    updated: datetime | None = None
    deleted: datetime | None = None

    def __post_init__(self) -> None:
        self.identifier = f"arn:aws:cloudformation:{self.region}:{ACCOUNT}:stack/{self.name}/{uuid.uuid4()}"

    @property
    def busy(self) -> bool:
        """Whether something is being done to it."""
        return self.status.endswith("_IN_PROGRESS") and self.status != REVIEW

    def move(self, status: str, reason: str = "") -> None:
        """Come into a status, which is an event too."""
        self.status, self.reason = status, reason
        self._event(self.name, self.identifier, "AWS::CloudFormation::Stack", status, reason, {})

    def mark(self, resource: Resource, status: str, reason: str = "") -> None:
        """Bring a resource into a status, which is an event too."""
        resource.status, resource.reason, resource.changed = status, reason, now()
        physical = resource.made.physical_id if resource.made else ""
        self._event(resource.logical_id, physical, resource.kind, status, reason, resource.properties)

    def _event(self, logical: str, physical: str, kind: str, status: str, reason: str, properties: Document) -> None:
        event: dict[str, Any] = {
            "StackId": self.identifier, "StackName": self.name, "EventId": str(uuid.uuid4()), "Timestamp": now(),
            "LogicalResourceId": logical, "PhysicalResourceId": physical, "ResourceType": kind,
            "ResourceStatus": status,
        }  # fmt: skip
        if reason:
            event["ResourceStatusReason"] = reason
        if properties:
            event["ResourceProperties"] = str(properties)
        self.events.append(event)
