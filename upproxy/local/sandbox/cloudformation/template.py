"""Templates: what depends on what, and what the intrinsic functions come to.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from upproxy.local.environment import ACCOUNT
from upproxy.local.sandbox.errors import ApiError

Document = dict[str, Any]
Find = Callable[[str, str], Any]
"""Returns an attribute of a resource or parameter by its name; with no attribute what `Ref` gives. Raises ApiError."""

_PSEUDO = "AWS::"
_VARIABLE = re.compile(r"\$\{(!?)([^}]+)\}")


def read(text: str) -> Document:
    """Read a template, which has to be JSON here. Raises ApiError."""
    try:
        found = json.loads(text)
    except ValueError:
        raise invalid("Template format error: the sandbox reads templates in JSON alone.") from None
    resources = found.get("Resources") if isinstance(found, dict) else None
    if not isinstance(resources, dict) or not resources:
        raise invalid("Template format error: At least one Resources member must be defined.")
    for name, one in resources.items():
        if not isinstance(one, dict) or not isinstance(one.get("Type"), str):
            raise invalid(
                f"Template format error: [/Resources/{name}] Every Resources object must contain a Type member."
            )
    known = {*resources, *(found.get("Parameters") or {})}
    for value in (resources, found.get("Outputs") or {}):
        if unknown := [name for name in references(value) if name not in known]:
            raise invalid(
                f"Template format error: Unresolved resource dependencies [{unknown[0]}] in the Resources block of the "
                "template"
            )
    return dict(found)


def invalid(message: str) -> ApiError:
    """Return the error of a request that makes no sense."""
    return ApiError("ValidationError", message)


def references(value: Any) -> Iterator[str]:
    """Go through the names of resources and parameters that a value refers to."""
    if isinstance(value, list):
        for one in value:
            yield from references(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            if key == "Ref" and isinstance(one, str):
                yield from _named(one)
            elif key == "Fn::GetAtt":
                yield from _named(one[0] if isinstance(one, list) else one.partition(".")[0])
            elif key == "DependsOn":
                yield from [one] if isinstance(one, str) else one
            elif key == "Fn::Sub":
                text, given = one if isinstance(one, list) else (one, {})
                yield from references(given)
                for literal, name in _VARIABLE.findall(text):
                    if not literal and name not in given:
                        yield from _named(name.partition(".")[0])
            else:
                yield from references(one)


def _named(name: str) -> Iterator[str]:
    if not name.startswith(_PSEUDO):
        yield name


def ordered(resources: Mapping[str, Document]) -> list[str]:
    """Return the names of resources, each after all that it needs. Raises ApiError for a circle."""
    needs = {name: {one for one in references(found) if one in resources} for name, found in resources.items()}
    order: list[str] = []
    while needs:
        free = [name for name, others in needs.items() if not others - set(order)]
        if not free:
            raise invalid(f"Circular dependency between resources: [{', '.join(sorted(needs))}]")
        order += free
        for name in free:
            del needs[name]
    return order


def resolved(value: Any, find: Find) -> Any:
    """Return a value with its functions worked out; what comes to `AWS::NoValue` is left out."""
    if isinstance(value, list):
        return [one for one in (resolved(one, find) for one in value) if one is not None]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        [(name, argument)] = value.items()
        if name == "Ref":
            return find(argument, "")
        if name.startswith("Fn::"):
            if name not in _FUNCTIONS:
                raise invalid(f"Template error: the sandbox does not know {name}")
            return _FUNCTIONS[name](argument, find)
    found = {key: resolved(one, find) for key, one in value.items()}
    return {key: one for key, one in found.items() if one is not None}


def _attribute(argument: Any, find: Find) -> Any:
    name, attribute = argument if isinstance(argument, list) else argument.split(".", 1)
    return find(name, attribute)


def _substituted(argument: Any, find: Find) -> str:
    text, given = argument if isinstance(argument, list) else (argument, {})
    values = resolved(given, find)

    def value(match: re.Match[str]) -> str:
        if match[1]:
            return f"${{{match[2]}}}"
        if match[2] in values:
            return str(values[match[2]])
        name, _, attribute = match[2].partition(".")
        return str(find(name, attribute))

    return _VARIABLE.sub(value, text)


_FUNCTIONS: dict[str, Callable[[Any, Find], Any]] = {
    "Fn::GetAtt": _attribute,
    "Fn::Sub": _substituted,
    "Fn::Join": lambda one, find: one[0].join(map(str, resolved(one[1], find))),
    "Fn::Select": lambda one, find: resolved(one[1], find)[int(one[0])],
    "Fn::Split": lambda one, find: resolved(one[1], find).split(one[0]),
}


def pseudo(name: str, *, region: str, stack_name: str, stack_id: str) -> Any:
    """Return a pseudo parameter. Raises ApiError."""
    values = {
        "AWS::AccountId": ACCOUNT,
        "AWS::NoValue": None,
        "AWS::Partition": "aws",
        "AWS::Region": region,
        "AWS::StackId": stack_id,
        "AWS::StackName": stack_name,
        "AWS::URLSuffix": "amazonaws.com",
    }
    if name not in values:
        raise invalid(f"Template error: the sandbox does not know {name}")
    return values[name]
