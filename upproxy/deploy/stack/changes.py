"""What a change set would change, as people and programs read it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

_LOSES_NOTHING = frozenset(("AWS::ApiGateway::Deployment",))  # a copy of an API; the next change has another

What = Literal["nothing", "create", "update", "delete"]


class Property(NamedTuple):
    """A property that changes; the values are empty where CloudFormation does not tell them."""

    name: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Change:
    """A change of one resource. `maybe` says of a replacement that CloudFormation does not know yet."""

    action: Literal["add", "change", "replace", "remove"]
    kind: str
    logical_id: str
    physical_id: str = ""
    properties: tuple[Property, ...] = ()
    maybe: bool = False

    @property
    def destructive(self) -> bool:
        """Whether something is lost that people or programs may rely on, such as an address or what was subscribed."""
        return self.action in ("replace", "remove") and self.kind not in _LOSES_NOTHING


@dataclass(frozen=True)
class Changes:
    """What comes of a plan for a stack: to create, update or delete it.

    `change_set` is the id of what CloudFormation would do, `stack_id` that of the stack where it exists. `pending`
    says that a certificate is missing, so that this can be looked at, and not yet be done.
    """

    what: What
    resources: tuple[Change, ...] = ()
    stack_id: str = ""
    change_set: str = ""
    pending: bool = False

    def __bool__(self) -> bool:
        return self.what != "nothing"

    @property
    def destructive(self) -> bool:
        """Whether anything is lost."""
        return any(one.destructive for one in self.resources)


def read(changes: Iterable[Mapping[str, Any]]) -> tuple[Change, ...]:
    """Return the changes of a change set, under the names of DescribeChangeSet."""
    return tuple(_change(one["ResourceChange"]) for one in changes if one.get("Type", "Resource") == "Resource")


def _change(resource: Mapping[str, Any]) -> Change:
    action, replacement = resource["Action"], resource.get("Replacement", "False")
    return Change(
        action="add" if action in ("Add", "Import")
        else "remove" if action == "Remove"
        else "change" if replacement == "False"
        else "replace",
        kind=resource["ResourceType"],
        logical_id=resource["LogicalResourceId"],
        physical_id=resource.get("PhysicalResourceId", ""),
        properties=tuple(_properties(resource.get("Details", ()))),
        maybe=replacement == "Conditional",
    )  # fmt: skip


def _properties(details: Iterable[Mapping[str, Any]]) -> Iterator[Property]:
    """Go through the properties, each once: some are there for each reason that they change for."""
    seen: dict[str, Property] = {}
    for detail in details:
        target = detail["Target"]
        name = (target.get("Path") or target.get("Name") or target.get("Attribute", "")).removeprefix("/Properties/")
        known = seen.get(name, Property(name))
        seen[name] = Property(
            name, known.before or target.get("BeforeValue", ""), known.after or target.get("AfterValue", "")
        )
    yield from seen.values()


def removal(resources: Iterable[Mapping[str, Any]]) -> tuple[Change, ...]:
    """Return the changes that deleting a stack comes to, of its resources as ListStackResources names them."""
    return tuple(
        Change("remove", one["ResourceType"], one["LogicalResourceId"], one.get("PhysicalResourceId", ""))
        for one in resources
        if one["ResourceStatus"] != "DELETE_COMPLETE"
    )
