"""What a change set would change, and which resources it would replace.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChange.html
"""

from __future__ import annotations

import json
from typing import Any

from upproxy.local.sandbox.cloudformation.kinds import Kind
from upproxy.local.sandbox.cloudformation.stacks import Stack, Wanted
from upproxy.local.sandbox.cloudformation.template import Document, ordered, references

_RECREATION = {"True": "Always", "Conditional": "Conditionally", "False": "Never"}


def retyped(stack: Stack, wanted: Wanted) -> str:
    """Return why a template is refused that gives a resource another type; empty for one that does not."""
    old = stack.was.resources if stack.was is not None else {}
    names = [name for name, one in wanted.resources.items() if name in old and old[name]["Type"] != one["Type"]]
    if not names:
        return ""
    return (
        "Update of resource type is not permitted. The new template modifies resource type of the following resources: "
        f"[{', '.join(names)}]"
    )


def is_same(stack: Stack, wanted: Wanted) -> bool:
    """Whether a stack is already what is wanted; other outputs, parameters or tags are a change, too."""
    was = stack.was
    if was is None:
        return False
    keys = ("Resources", "Outputs")
    told = [[one.template.get(key) or {} for key in keys] for one in (was, wanted)]
    return told[0] == told[1] and was.parameters == wanted.parameters and was.tags == wanted.tags


def found(stack: Stack, wanted: Wanted, kinds: dict[str, Kind]) -> list[Document]:
    """Return the changes that a template means for a stack, under the names of DescribeChangeSet."""
    old = stack.was.resources if stack.was is not None else {}
    new = wanted.resources
    changes: dict[str, Document] = {}
    replaced: set[str] = set()
    for name in ordered(new):
        if name not in old:
            changes[name] = {"Action": "Add", "LogicalResourceId": name, "ResourceType": new[name]["Type"]}
        elif details := _details(old[name], new[name], kinds[new[name]["Type"]].fixed, replaced):
            needed = {detail["Target"]["RequiresRecreation"] for detail in details}
            replacement = next(key for key, value in _RECREATION.items() if value in needed)
            if replacement != "False":
                replaced.add(name)
            changes[name] = {
                "Action": "Modify", "LogicalResourceId": name, "ResourceType": new[name]["Type"],
                "PhysicalResourceId": _physical(stack, name), "Replacement": replacement,
                "Scope": sorted({detail["Target"]["Attribute"] for detail in details}), "Details": details,
            }  # fmt: skip
    for name in old:
        if name not in new:
            changes[name] = {
                "Action": "Remove", "LogicalResourceId": name, "ResourceType": old[name]["Type"],
                "PhysicalResourceId": _physical(stack, name),
            }  # fmt: skip
    return [{"Type": "Resource", "ResourceChange": change} for change in changes.values()]


def _details(old: Document, new: Document, fixed: frozenset[str] | None, replaced: set[str]) -> list[Document]:
    """Return the properties that change: by what the template says, or since what they refer to is replaced."""
    before, after = old.get("Properties", {}), new.get("Properties", {})
    details = []
    for name in sorted({*before, *after}):
        static = before.get(name) != after.get(name)
        if not static and not replaced.intersection(references(after.get(name))):
            continue
        is_fixed = fixed is None or name in fixed
        recreation = ("Always" if static else "Conditionally") if is_fixed else "Never"
        target: dict[str, Any] = {
            "Attribute": "Tags" if name == "Tags" else "Properties", "Name": name, "Path": f"/Properties/{name}",
            "RequiresRecreation": recreation,
            "AttributeChangeType": "Modify" if name in before and name in after else "Add" if name in after
            else "Remove",
        }  # fmt: skip
        for key, values in (("BeforeValue", before), ("AfterValue", after)):
            if name in values:
                target[key] = _text(values[name])
        details.append({
            "Target": target, "Evaluation": "Static" if static else "Dynamic",
            "ChangeSource": "DirectModification" if static else "ResourceReference",
        })  # fmt: skip
    return details


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _physical(stack: Stack, name: str) -> str:
    resource = stack.resources.get(name)
    return resource.made.physical_id if resource is not None and resource.made is not None else ""
